// SimDisk: files in memory, with what is durable kept apart from what was only written. Reads see
// the writes, as the page cache shows them; a crash decides what of them was on the medium.
//
// What always holds: bytes that a successful sync (or a write_through write) covered survive every
// crash; so do names that a successful sync_directory covered. Each 512-byte sector is written as
// a whole or not at all.
//
// Faults and freedoms, all drawn from the seed:
//  - crash(): of the writes not flushed, any subset of their sectors survives, in every order that
//    the subset can express; truncations and growth survive or not; of the directory operations
//    not flushed, a beginning or any subset survives. Open handles are dead afterwards;
//  - power_off_after(n): the n-th next change is the last that reaches the disk, torn like an
//    unflushed one even if write_through; all calls fail until crash();
//  - rot(): one bit of a durable range turns;
//  - fail_reads(): reads that touch a range fail, until restore_reads();
//  - fail_sync(n): the n-th next file sync, or completion of an asynchronous write, fails; what it
//    should have flushed stays unflushed, and that file says kPoisoned from then on. `lies`: it
//    says ok from then on instead, as Linux does, and what failed never reaches the medium by
//    itself;
//  - set_capacity(), leave_room(): a write beyond it keeps a beginning of its sectors and fails
//    with kNoSpace; reserving beyond it fails and changes nothing;
//  - set_delay(): asynchronous writes and reads take so long at most, and a read shows what is
//    there when it begins or when it completes; stall_until(): no write completes before that time;
//    hold_reads(): no asynchronous read of at least so many bytes does;
//  - misdirect_next_write(): the next write to a file goes to another place in it and says ok.
//
// Directories themselves are durable at once (see make_directory). Threads: any (one lock), but
// only one thread gives a repeatable run.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/disk.h"
#include "base/random.h"

namespace holdfast {

class SimInode;

class SimDisk final : public Disk {
 public:
  static constexpr uint64_t kSector = 512;

  explicit SimDisk(uint64_t seed) : random_(seed) {}
  ~SimDisk() override;
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<BlockWriter>> open_writer(const std::string& path,
                                                   Reactor& reactor) override;
  bool exists(const std::string& path) override;
  Status make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& directory) override;

  // What the disk is now, with all that is not flushed, for a world that goes on by itself.
  std::unique_ptr<SimDisk> fork(uint64_t seed) const;
  // Writes, flushes and changes of names so far.
  uint64_t changes() const { return changes_; }
  // Reads so far whose caller waited for them.
  uint64_t waited_reads() const { return waited_reads_; }
  // reserve() was refused for want of room so often.
  uint64_t refused_reserves() const { return refused_reserves_; }

  void crash();
  void power_off_after(uint64_t changes);
  bool powered() const { return powered_; }

  // REQUIRES: the file exists and the range has a durable byte. Returns the offset of the byte.
  uint64_t rot(const std::string& path, uint64_t offset, uint64_t size);
  void fail_reads(const std::string& path, uint64_t offset, uint64_t size);
  void restore_reads(const std::string& path);
  void fail_sync(uint64_t nth, bool lies = false) {
    fail_sync_in_ = nth;
    sync_lies_ = lies;
  }
  void set_capacity(uint64_t bytes) { capacity_ = bytes; }
  // Another takes all room but so much.
  void leave_room(uint64_t bytes);
  void set_delay(int64_t max_ms) { delays_ = static_cast<uint64_t>(max_ms) + 1; }
  void stall_until(int64_t mono_ns) { stalled_until_ns_ = mono_ns; }
  void hold_reads(uint64_t bytes) { held_reads_ = bytes; }
  void misdirect_next_write(const std::string& path);

  // What would be there after a crash that kept nothing unflushed; for tests.
  Result<std::string> durable_content(const std::string& path);

 private:
  friend class SimFile;
  friend class SimWriter;
  using Inode = std::shared_ptr<SimInode>;
  using Names = std::map<std::string, Inode>;

  // One change of names: `from` loses its entry, `to` gets the inode. Either may be empty.
  struct NameChange {
    std::string from;
    std::string to;
    Inode inode;
  };

  static void apply(const NameChange& change, Names& names);
  Status change_names(NameChange change, const std::string& what);
  bool is_directory(const std::string& path) const;
  Inode find(const std::string& path) const;
  // Counts a change; kIo once the power is gone. `last`: this one is interrupted.
  Status spend_change(bool& last);
  Status refuse_without_power() const;
  uint64_t used() const;
  bool fits(uint64_t size, uint64_t end) const;
  void crash_names();

  // For SimFile.
  Status read(SimInode& inode, uint64_t offset, std::span<char> out);
  Status write(SimInode& inode, uint64_t offset, std::span<const char> data, bool through);
  Status sync(SimInode& inode);
  Status truncate(SimInode& inode, uint64_t size, bool through);
  Status reserve(SimInode& inode, uint64_t size);
  // For SimWriter: between the two the write is unflushed. `generation`: of the handle.
  Status begin_write(SimInode& inode, uint64_t offset, std::span<const char> data,
                     uint64_t generation, uint64_t* change);
  Status end_write(SimInode& inode, uint64_t change, uint64_t generation);

  std::mutex mutex_;
  SeededRandom random_;
  Names names_;          // as running code sees them
  Names durable_names_;  // as on the medium
  std::vector<NameChange> unflushed_names_;
  std::set<std::string> directories_;
  uint64_t generation_ = 0;  // of open handles; grows at each crash
  uint64_t capacity_ = UINT64_MAX;
  uint64_t fail_sync_in_ = 0;  // 0: never
  bool sync_lies_ = false;
  uint64_t changes_ = 0;
  std::atomic<uint64_t> waited_reads_ = 0;
  std::atomic<uint64_t> refused_reserves_ = 0;
  std::optional<uint64_t> changes_left_;
  bool powered_ = true;
  uint64_t delays_ = 4;  // of asynchronous calls: 0 to 3 ms
  int64_t stalled_until_ns_ = 0;
  uint64_t held_reads_ = UINT64_MAX;  // bytes, at least
};

}  // namespace holdfast
