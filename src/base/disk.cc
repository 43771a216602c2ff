// See disk.h: what every Disk does the same way.
#include "base/disk.h"

namespace holdfast {
namespace {

std::string directory_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status write_whole(Disk& disk, const std::string& path, std::span<const char> content) {
  auto file = disk.open(path, {.create = true});
  if (!file.ok()) return file.status();
  // A crash may have left a longer one.
  if (Status status = file.value()->truncate(0); !status.ok()) return status;
  if (Status status = file.value()->write_at(0, content); !status.ok()) return status;
  return file.value()->sync();
}

}  // namespace

Status Disk::replace_file(const std::string& path, std::span<const char> content) {
  const std::string temporary = path + ".tmp";
  Status status = write_whole(*this, temporary, content);
  if (status.ok()) status = rename(temporary, path);
  if (status.ok()) return sync_directory(directory_of(path));
  if (exists(temporary)) (void)remove(temporary);  // the first error is the one to tell
  return status;
}

Result<std::string> Disk::read_file(const std::string& path) {
  auto file = open(path, {.read_only = true});
  if (!file.ok()) return file.status();
  const auto size = file.value()->size();
  if (!size.ok()) return size.status();
  std::string content(size.value(), '\0');
  if (Status status = file.value()->read_at(0, content); !status.ok()) return status;
  return content;
}

}  // namespace holdfast
