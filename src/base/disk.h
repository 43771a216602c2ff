// Disk: the only way to files and devices. Real: RealDisk. Simulated: SimDisk (base/sim), which
// keeps what was written apart from what was flushed, and at a crash loses, tears and reorders the
// rest under one seed; it can also rot bits, fail reads and flushes, and fill up.
//
// Errors: a short read is an error (kCorrupt when the file ends early); every error names the file
// and offset. A failed write or sync means that nothing about unflushed data may be assumed: the
// caller stops the node (the caller never retries).
// Threads: a File may be used by one thread at a time, several Files by several threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/block_writer.h"
#include "base/status.h"

namespace holdfast {

class Reactor;

class File {
 public:
  virtual ~File() = default;

  // Fills `out` from `offset`.
  virtual Status read_at(uint64_t offset, std::span<char> out) = 0;
  // The same of a whole buffer, which may be exchanged for another of its size.
  virtual Status fill(uint64_t offset, AlignedBuffer* out) { return read_at(offset, out->span()); }
  // The next read will be fill() of just this range: it may be read already, beside the caller.
  // REQUIRES: nothing writes there until then. Size 0: there is no such read after all.
  virtual void will_read(uint64_t /*offset*/, size_t /*size*/) {}
  // Writes all of `data`; extends the file if needed. Not durable before sync() returns ok, unless
  // the file was opened with OpenMode::write_through.
  virtual Status write_at(uint64_t offset, std::span<const char> data) = 0;
  // Everything written before is on stable media when this returns ok.
  virtual Status sync() = 0;
  virtual Status truncate(uint64_t size) = 0;
  // Takes room on the medium up to `size`, so that later writes below it find space; kNoSpace
  // leaves the file as it was. The room reads as zeros. Never shortens.
  virtual Status reserve(uint64_t size) = 0;
  virtual Result<uint64_t> size() = 0;
};

struct OpenMode {
  bool create = false;         // make it if it is absent
  bool read_only = false;      //
  bool direct = false;         // O_DIRECT: offset, size and memory aligned to 4096
  bool write_through = false;  // O_DSYNC: a write is durable when it returns
  bool exclusive = false;      // kUnavailable while another process has it open so
};

class Disk {
 public:
  virtual ~Disk() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Asynchronous durable writes to a file that exists. `reactor` outlives the writer.
  virtual Result<std::unique_ptr<BlockWriter>> open_writer(const std::string& path,
                                                           Reactor& reactor) = 0;
  virtual bool exists(const std::string& path) = 0;
  // Parents too; ok if it exists. Durable when it returns.
  virtual Status make_directory(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // sorted
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  // Makes creations, renames and removals in the directory durable.
  virtual Status sync_directory(const std::string& directory) = 0;

  // Replaces `path` atomically and durably: temporary file, sync, rename, directory sync.
  Status replace_file(const std::string& path, std::span<const char> content);
  Result<std::string> read_file(const std::string& path);
};

}  // namespace holdfast
