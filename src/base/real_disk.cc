// See real_disk.h and disk.h.
#include "base/real_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <optional>

#include "base/libevent_reactor.h"
#include "base/thread_writer.h"
#include "base/uring_writer.h"

namespace holdfast {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;

std::string at(const char* verb, const std::string& path, uint64_t offset) {
  return std::string(verb) + " " + path + " at " + std::to_string(offset);
}

class RealFile final : public File {
 public:
  RealFile(std::string path, int fd, bool write_through)
      : path_(std::move(path)), fd_(fd), write_through_(write_through) {}
  ~RealFile() override {
    await_ahead();
    ::close(fd_);
  }
  RealFile(const RealFile&) = delete;
  RealFile& operator=(const RealFile&) = delete;

  Status read_at(uint64_t offset, std::span<char> out) override {
    await_ahead();
    return read_now(offset, out);
  }

  Status fill(uint64_t offset, AlignedBuffer* out) override {
    const std::optional<Status> read = await_ahead();
    if (!read || offset != ahead_offset_ || out->size() != ahead_buffer_.size()) {
      return read_now(offset, out->span());
    }
    std::swap(*out, ahead_buffer_);
    return *read;
  }

  void will_read(uint64_t offset, size_t size) override {
    await_ahead();
    if (size == 0) return;
    if (ahead_buffer_.size() != size) ahead_buffer_ = AlignedBuffer::uninitialized(size);
    ahead_offset_ = offset;
    // In two halves: a device is faster with more than one read to do.
    const std::span<char> all = ahead_buffer_.span();
    const size_t half = round_up(size / 2, kBlock);
    const auto begin = [&](size_t from, size_t count) {
      return std::async(std::launch::async,
                        [this, at = offset + from, part = all.subspan(from, count)] {
                          return read_now(at, part);
                        });
    };
    ahead_ = {begin(0, half), begin(half, size - half)};
  }

  Status write_at(uint64_t offset, std::span<const char> data) override {
    if (poisoned_) return poisoned();
    while (!data.empty()) {
      const ssize_t put = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) {
        const int error_number = errno;
        if (write_through_ && error_number == EIO) poisoned_ = true;
        return Status::from_errno(at("write", path_, offset), error_number);
      }
      data = data.subspan(static_cast<size_t>(put));
      offset += static_cast<uint64_t>(put);
    }
    return {};
  }

  Status sync() override {
    if (poisoned_) return poisoned();
    // fdatasync also flushes a changed size: all that is needed to read the data back.
    if (::fdatasync(fd_) == 0) return {};
    const int error_number = errno;
    poisoned_ = true;
    return Status::from_errno("sync " + path_, error_number);
  }

  Status truncate(uint64_t size) override {
    if (poisoned_) return poisoned();
    if (::ftruncate(fd_, static_cast<off_t>(size)) == 0) return {};
    return Status::from_errno(at("truncate", path_, size), errno);
  }

  Status reserve(uint64_t size) override {
    if (poisoned_) return poisoned();
    const Result<uint64_t> now = this->size();
    if (!now.ok()) return now.status();
    if (size <= now.value()) return {};
    int error_number = 0;
    do {
      error_number = ::posix_fallocate(fd_, static_cast<off_t>(now.value()),
                                       static_cast<off_t>(size - now.value()));
    } while (error_number == EINTR);
    if (error_number == 0) return {};
    // What a failed attempt took is given back: the space is short, others need it.
    [[maybe_unused]] const int shortened = ::ftruncate(fd_, static_cast<off_t>(now.value()));
    return Status::from_errno(at("reserve", path_, size), error_number);
  }

  Result<uint64_t> size() override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return Status::from_errno("size of " + path_, errno);
    if (!S_ISBLK(info.st_mode)) return static_cast<uint64_t>(info.st_size);
    uint64_t bytes = 0;
    if (::ioctl(fd_, BLKGETSIZE64, &bytes) != 0) {
      return Status::from_errno("size of device " + path_, errno);
    }
    return bytes;
  }

 private:
  // How the read ahead ended, if there is one.
  std::optional<Status> await_ahead() {
    if (!ahead_[0].valid()) return {};
    const Status first = ahead_[0].get();
    const Status second = ahead_[1].get();
    return first.ok() ? second : first;
  }

  Status read_now(uint64_t offset, std::span<char> out) const {
    while (!out.empty()) {
      const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Status::from_errno(at("read", path_, offset), errno);
      if (got == 0) return Status::corrupt(at("read", path_, offset) + ": the file ends there");
      out = out.subspan(static_cast<size_t>(got));
      offset += static_cast<uint64_t>(got);
    }
    return {};
  }

  Status poisoned() const {
    return {Code::kPoisoned, path_ + ": an earlier flush failed, its data may be lost"};
  }

  std::string path_;
  int fd_;
  bool write_through_;
  bool poisoned_ = false;
  std::array<std::future<Status>, 2> ahead_;  // of the read at ahead_offset_ into ahead_buffer_
  uint64_t ahead_offset_ = 0;
  AlignedBuffer ahead_buffer_;
};

int open_flags(OpenMode mode) {
  int flags = O_CLOEXEC | (mode.read_only ? O_RDONLY : O_RDWR);
  if (mode.create) flags |= O_CREAT;
  if (mode.direct) flags |= O_DIRECT;
  if (mode.write_through) flags |= O_DSYNC;
  return flags;
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::unique_ptr<File>> RealDisk::open(const std::string& path, OpenMode mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), open_flags(mode), kFileMode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return Status::from_errno("open " + path, errno);
  auto file = std::make_unique<RealFile>(path, fd, mode.write_through);
  if (mode.exclusive && ::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Status::from_errno("lock " + path, errno);
    return Status::unavailable(path + ": in use by another process");
  }
  return std::unique_ptr<File>(std::move(file));
}

Result<std::unique_ptr<BlockWriter>> RealDisk::open_writer(const std::string& path,
                                                           Reactor& reactor) {
  const OpenMode mode{.direct = true, .write_through = true};
  auto* loop = dynamic_cast<LibeventReactor*>(&reactor);
  if (loop != nullptr && std::getenv("HOLDFAST_NO_URING") == nullptr) {
    const int fd = ::open(path.c_str(), open_flags(mode));
    if (fd < 0) return Status::from_errno("open " + path, errno);
    if (auto writer = UringWriter::create(*loop, fd, path)) {
      return std::unique_ptr<BlockWriter>(std::move(writer));
    }
    ::close(fd);
  }
  Result<std::unique_ptr<File>> file = open(path, mode);
  if (!file.ok()) return file.status();
  return std::unique_ptr<BlockWriter>(
      std::make_unique<ThreadWriter>(reactor, std::move(file.value())));
}

bool RealDisk::exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Status RealDisk::make_directory(const std::string& path) {
  for (size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), kDirectoryMode) == 0) {
      if (Status status = sync_directory(parent_of(part)); !status.ok()) return status;
      continue;
    }
    const int error_number = errno;
    struct stat info {};
    const bool there = ::stat(part.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    if (!there) return Status::from_errno("make directory " + part, error_number);
  }
  return {};
}

Result<std::vector<std::string>> RealDisk::list(const std::string& directory) {
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return Status::from_errno("list " + directory, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  const int error_number = errno;
  ::closedir(dir);
  if (error_number != 0) return Status::from_errno("list " + directory, error_number);
  std::sort(names.begin(), names.end());
  return names;
}

Status RealDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return Status::from_errno("rename " + from + " to " + to, errno);
}

Status RealDisk::remove(const std::string& path) {
  if (std::remove(path.c_str()) == 0) return {};
  return Status::from_errno("remove " + path, errno);
}

Status RealDisk::sync_directory(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Status::from_errno("open directory " + directory, errno);
  const int done = ::fsync(fd);
  const int error_number = errno;
  ::close(fd);
  if (done == 0) return {};
  return Status::from_errno("sync directory " + directory, error_number);
}

}  // namespace holdfast
