// A library for LD_PRELOAD that makes writes to one file fail with EIO, as a broken device does.
// From the moment the file HOLDFAST_FAIL_TRIGGER exists, the HOLDFAST_FAIL_NTH-th write to a file
// named HOLDFAST_FAIL_FILE fails, after half of it reached the file; later writes go on as if
// nothing had been (as a device does that remapped the sectors): who goes on after a failure is
// found out. io_uring passes it by: run the server with HOLDFAST_NO_URING=1.
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using Write = ssize_t (*)(int, const void*, size_t, off_t);

bool is_target(int fd) {
  const char* wanted = std::getenv("HOLDFAST_FAIL_FILE");
  const char* trigger = std::getenv("HOLDFAST_FAIL_TRIGGER");
  if (wanted == nullptr || trigger == nullptr || access(trigger, F_OK) != 0) return false;
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size <= 0) return false;
  path[size] = 0;
  const char* name = std::strrchr(path, '/');
  return name != nullptr && std::strcmp(name + 1, wanted) == 0;
}

ssize_t write_or_fail(const char* symbol, int fd, const void* data, size_t size, off_t offset) {
  static std::atomic<int> seen{0};
  static const auto real = reinterpret_cast<Write>(dlsym(RTLD_NEXT, symbol));
  const char* nth = std::getenv("HOLDFAST_FAIL_NTH");
  if (nth == nullptr || !is_target(fd) || ++seen != std::atoi(nth)) {
    return real(fd, data, size, offset);
  }
  [[maybe_unused]] const ssize_t half = real(fd, data, size / 2 / 512 * 512, offset);
  errno = EIO;
  return -1;
}

}  // namespace

extern "C" {

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return write_or_fail("pwrite", fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off_t offset) {
  return write_or_fail("pwrite64", fd, data, size, offset);
}

}  // extern "C"
