// The two files of a DiskEngine as they are found at open: made if there are none, refused if they
// are not whole.
//
// A store is made under temporary names and renamed when all of it is on stable media, the WAL file
// last. A directory that holds one of the files but not the other is never formatted (D8): only an
// absent store is made anew.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/disk.h"
#include "base/random.h"
#include "engine/disk/layout.h"

namespace holdfast::disk {

struct DiskStore {
  std::string directory;
  std::unique_ptr<File> wal;
  std::unique_ptr<File> data;
  Superblock superblock;            // the newest valid one
  std::optional<Superblock> older;  // of the other slot, if it is the one before
  HardStates hard_states;
  std::vector<std::string> damaged;  // copies of superblocks that are not whole, though written

  std::string wal_path() const { return directory + "/wal"; }
  std::string data_path() const { return directory + "/data"; }
};

// `wal_blocks`: of a new store. The files are locked against other processes. kInvalid: not a
// store, or of another version; kCorrupt: damaged; kUnavailable: in use.
Result<DiskStore> open_disk_store(Disk& disk, const std::string& directory, uint64_t wal_blocks,
                                  Random& random);
// The same for tools: nothing is made or written.
Result<DiskStore> inspect_disk_store(Disk& disk, const std::string& directory);

}  // namespace holdfast::disk
