// RealDisk: files and block devices of the running system.
//
// A sync that failed is remembered by its File: the kernel may have dropped the pages and would
// call the next sync a success, so every later sync and write says kPoisoned.
//
// open_writer() gives a UringWriter on a LibeventReactor where the kernel allows io_uring (and
// HOLDFAST_NO_URING is not in the environment), else a ThreadWriter.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/disk.h"

namespace holdfast {

class RealDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<BlockWriter>> open_writer(const std::string& path,
                                                   Reactor& reactor) override;
  bool exists(const std::string& path) override;
  Status make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& directory) override;
};

}  // namespace holdfast
