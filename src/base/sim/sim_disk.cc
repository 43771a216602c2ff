// See sim_disk.h. File content is in sim_inode.
#include "base/sim/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "base/sim/sim_inode.h"
#include "base/sim/sim_writer.h"

namespace holdfast {
namespace {

constexpr uint64_t kPage = 4096;  // the alignment of direct files, and of misdirected writes

std::string at(const char* verb, const SimInode& inode, uint64_t offset) {
  return std::string(verb) + " " + inode.path() + " at " + std::to_string(offset);
}

// One spelling for one file: no empty or "." parts, no slash at the end.
std::string normal(const std::string& path) {
  std::string out = path.starts_with('/') ? "/" : "";
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (!out.empty() && out.back() != '/') out += '/';
    out += part;
  }
  return out.empty() ? "." : out;
}

// Of a normal path.
std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

bool overlaps(std::pair<uint64_t, uint64_t> range, uint64_t offset, uint64_t size) {
  return range.first < offset + size && offset < range.first + range.second;
}

}  // namespace

// An open handle. Dead after a crash, like a descriptor after the machine restarted.
class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, std::shared_ptr<SimInode> inode, OpenMode mode)
      : disk_(disk), inode_(std::move(inode)), mode_(mode), generation_(disk.generation_) {}

  Status read_at(uint64_t offset, std::span<char> out) override {
    if (Status status = check(offset, out.data(), out.size(), false); !status.ok()) return status;
    ++disk_.waited_reads_;
    return disk_.read(*inode_, offset, out);
  }
  Status write_at(uint64_t offset, std::span<const char> data) override {
    if (Status status = check(offset, data.data(), data.size(), true); !status.ok()) return status;
    return disk_.write(*inode_, offset, data, mode_.write_through);
  }
  Status sync() override {
    if (Status status = check(0, nullptr, 0, false); !status.ok()) return status;
    return disk_.sync(*inode_);
  }
  Status truncate(uint64_t size) override {
    if (Status status = check(0, nullptr, 0, true); !status.ok()) return status;
    return disk_.truncate(*inode_, size, mode_.write_through);
  }
  Status reserve(uint64_t size) override {
    if (Status status = check(0, nullptr, 0, true); !status.ok()) return status;
    return disk_.reserve(*inode_, size);
  }
  Result<uint64_t> size() override {
    if (Status status = check(0, nullptr, 0, false); !status.ok()) return status;
    std::lock_guard lock(disk_.mutex_);
    return uint64_t{inode_->seen().size()};
  }

 private:
  Status check(uint64_t offset, const char* memory, size_t size, bool change) {
    std::lock_guard lock(disk_.mutex_);
    if (generation_ != disk_.generation_) {
      return Status::io(inode_->path() + ": opened before the crash");
    }
    if (change && mode_.read_only) return Status::from_errno("write " + inode_->path(), EBADF);
    const bool aligned = offset % kPage == 0 && size % kPage == 0 &&
                         reinterpret_cast<uintptr_t>(memory) % kPage == 0;
    if (mode_.direct && !aligned) return Status::from_errno(at("access", *inode_, offset), EINVAL);
    return disk_.refuse_without_power();
  }

  SimDisk& disk_;
  std::shared_ptr<SimInode> inode_;
  OpenMode mode_;
  uint64_t generation_;
};

SimDisk::~SimDisk() = default;

// --- names ---

bool SimDisk::is_directory(const std::string& path) const {
  return path == "." || path == "/" || directories_.contains(path);
}

SimDisk::Inode SimDisk::find(const std::string& path) const {
  const auto found = names_.find(normal(path));
  return found == names_.end() ? nullptr : found->second;
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, OpenMode mode) {
  std::lock_guard lock(mutex_);
  if (Status status = refuse_without_power(); !status.ok()) return status;
  const std::string name = normal(path);
  if (is_directory(name)) return Status::from_errno("open " + path, EISDIR);
  Inode inode = find(name);
  if (inode == nullptr) {
    if (!mode.create || !is_directory(parent_of(name))) {
      return Status::from_errno("open " + path, ENOENT);
    }
    inode = std::make_shared<SimInode>(name);
    if (Status status = change_names({"", name, inode}, "open " + path); !status.ok()) {
      return status;
    }
  }
  return std::unique_ptr<File>(std::make_unique<SimFile>(*this, inode, mode));
}

Result<std::unique_ptr<BlockWriter>> SimDisk::open_writer(const std::string& path,
                                                          Reactor& reactor) {
  std::lock_guard lock(mutex_);
  if (Status status = refuse_without_power(); !status.ok()) return status;
  Inode inode = find(path);
  if (inode == nullptr) return Status::from_errno("open " + path, ENOENT);
  return std::unique_ptr<BlockWriter>(std::make_unique<SimWriter>(*this, inode, reactor));
}

bool SimDisk::exists(const std::string& path) {
  std::lock_guard lock(mutex_);
  return powered_ && (is_directory(normal(path)) || find(path) != nullptr);
}

Status SimDisk::make_directory(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (Status status = refuse_without_power(); !status.ok()) return status;
  std::string part = normal(path);
  std::vector<std::string> parts;
  for (; !is_directory(part); part = parent_of(part)) {
    if (names_.contains(part)) return Status::from_errno("make directory " + part, ENOTDIR);
    parts.push_back(part);
  }
  directories_.insert(parts.begin(), parts.end());
  return {};
}

Result<std::vector<std::string>> SimDisk::list(const std::string& directory) {
  std::lock_guard lock(mutex_);
  if (Status status = refuse_without_power(); !status.ok()) return status;
  const std::string parent = normal(directory);
  if (!is_directory(parent)) return Status::from_errno("list " + directory, ENOENT);
  std::vector<std::string> names;
  for (const auto& [path, inode] : names_) {
    if (parent_of(path) == parent) names.push_back(name_of(path));
  }
  for (const std::string& path : directories_) {
    if (parent_of(path) == parent) names.push_back(name_of(path));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  const std::string what = "rename " + from + " to " + to;
  if (Status status = refuse_without_power(); !status.ok()) return status;
  Inode inode = find(from);
  const std::string target = normal(to);
  // Directories are never renamed by the server, so the simulation has no state for it.
  if (inode == nullptr || !is_directory(parent_of(target))) return Status::from_errno(what, ENOENT);
  if (is_directory(target)) return Status::from_errno(what, EISDIR);
  return change_names({normal(from), target, inode}, what);
}

Status SimDisk::remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (Status status = refuse_without_power(); !status.ok()) return status;
  const std::string name = normal(path);
  if (directories_.contains(name)) {
    const auto inside = [&](const std::string& other) { return parent_of(other) == name; };
    const bool empty = std::none_of(directories_.begin(), directories_.end(), inside) &&
                       std::none_of(names_.begin(), names_.end(),
                                    [&](const auto& each) { return inside(each.first); });
    if (!empty) return Status::from_errno("remove " + path, ENOTEMPTY);
    directories_.erase(name);
    return {};
  }
  if (find(name) == nullptr) return Status::from_errno("remove " + path, ENOENT);
  return change_names({name, "", nullptr}, "remove " + path);
}

void SimDisk::apply(const NameChange& change, Names& names) {
  if (!change.from.empty()) names.erase(change.from);
  if (!change.to.empty()) names[change.to] = change.inode;
}

Status SimDisk::change_names(NameChange change, const std::string& what) {
  bool last = false;
  if (Status status = spend_change(last); !status.ok()) return status;
  apply(change, names_);
  unflushed_names_.push_back(std::move(change));
  if (last) return Status::io(what + ": power lost");
  return {};
}

Status SimDisk::sync_directory(const std::string& directory) {
  std::lock_guard lock(mutex_);
  if (Status status = refuse_without_power(); !status.ok()) return status;
  const std::string parent = normal(directory);
  if (!is_directory(parent)) return Status::from_errno("sync directory " + directory, ENOENT);
  const auto concerns = [&](const NameChange& change) {
    return (!change.from.empty() && parent_of(change.from) == parent) ||
           (!change.to.empty() && parent_of(change.to) == parent);
  };
  for (const NameChange& change : unflushed_names_) {
    if (concerns(change)) apply(change, durable_names_);
  }
  std::erase_if(unflushed_names_, concerns);
  return {};
}

// --- content ---

// Whether a file may grow from `size` to `end`.
uint64_t SimDisk::used() const {
  uint64_t used = 0;
  for (const auto& [path, inode] : names_) used += inode->seen().size();
  return used;
}

bool SimDisk::fits(uint64_t size, uint64_t end) const {
  if (end <= size || capacity_ == UINT64_MAX) return true;
  return used() <= capacity_ && end - size <= capacity_ - used();
}

void SimDisk::leave_room(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  capacity_ = used() + bytes;
}

Status SimDisk::read(SimInode& inode, uint64_t offset, std::span<char> out) {
  std::lock_guard lock(mutex_);
  for (const auto& range : inode.bad_ranges) {
    if (overlaps(range, offset, out.size()))
      return Status::from_errno(at("read", inode, offset), EIO);
  }
  const CowBytes& seen = inode.seen();
  if (offset > seen.size() || out.size() > seen.size() - offset) {
    return Status::corrupt(at("read", inode, std::max<uint64_t>(offset, seen.size())) +
                           ": the file ends there");
  }
  seen.read(offset, out);
  return {};
}

Status SimDisk::write(SimInode& inode, uint64_t offset, std::span<const char> data, bool through) {
  std::lock_guard lock(mutex_);
  if (inode.poisoned) return {Code::kPoisoned, inode.path() + ": an earlier flush failed"};
  if (data.empty()) return {};
  bool last = false;
  if (Status status = spend_change(last); !status.ok()) return status;
  const uint64_t size = inode.seen().size();
  if (!fits(size, offset + data.size())) {
    const uint64_t sectors = random_.below(data.size() / kSector + 1);
    if (sectors > 0) inode.write(offset, data.first(sectors * kSector), false);
    return Status::from_errno(at("write", inode, offset), ENOSPC);
  }
  if (std::exchange(inode.misdirect_next, false) && size >= kPage) {
    const uint64_t page = random_.below(size / kPage);
    offset = page * kPage == offset ? offset + kPage : page * kPage;
  }
  inode.write(offset, data, through && !last);
  if (last) return Status::io(at("write", inode, offset) + ": power lost");
  return {};
}

Status SimDisk::sync(SimInode& inode) {
  std::lock_guard lock(mutex_);
  if (inode.poisoned) return {Code::kPoisoned, inode.path() + ": an earlier flush failed"};
  bool last = false;
  if (Status status = spend_change(last); !status.ok()) return status;
  if (last) return Status::io("sync " + inode.path() + ": power lost");
  if (fail_sync_in_ > 0 && --fail_sync_in_ == 0) {
    inode.poisoned = !sync_lies_;
    return Status::from_errno("sync " + inode.path(), EIO);
  }
  inode.flush();
  return {};
}

Status SimDisk::truncate(SimInode& inode, uint64_t size, bool through) {
  std::lock_guard lock(mutex_);
  if (inode.poisoned) return {Code::kPoisoned, inode.path() + ": an earlier flush failed"};
  bool last = false;
  if (Status status = spend_change(last); !status.ok()) return status;
  inode.resize(size, through && !last);
  if (last) return Status::io(at("truncate", inode, size) + ": power lost");
  return {};
}

Status SimDisk::reserve(SimInode& inode, uint64_t size) {
  std::lock_guard lock(mutex_);
  if (inode.poisoned) return {Code::kPoisoned, inode.path() + ": an earlier flush failed"};
  if (size <= inode.seen().size()) return {};
  if (!fits(inode.seen().size(), size)) {
    ++refused_reserves_;
    return Status::from_errno(at("reserve", inode, size), ENOSPC);
  }
  bool last = false;
  if (Status status = spend_change(last); !status.ok()) return status;
  inode.resize(size, false);
  if (last) return Status::io(at("reserve", inode, size) + ": power lost");
  return {};
}

Status SimDisk::begin_write(SimInode& inode, uint64_t offset, std::span<const char> data,
                            uint64_t generation, uint64_t* change) {
  if (generation != generation_) return Status::io(inode.path() + ": opened before the crash");
  const Status status = write(inode, offset, data, false);
  *change = inode.last_change();
  return status;
}

Status SimDisk::end_write(SimInode& inode, uint64_t change, uint64_t generation) {
  std::lock_guard lock(mutex_);
  if (generation != generation_) return Status::io(inode.path() + ": opened before the crash");
  if (Status status = refuse_without_power(); !status.ok()) return status;
  if (inode.poisoned) return {Code::kPoisoned, inode.path() + ": an earlier flush failed"};
  if (fail_sync_in_ > 0 && --fail_sync_in_ == 0) {
    inode.poisoned = !sync_lies_;
    return Status::from_errno("write " + inode.path(), EIO);
  }
  ++changes_;
  inode.settle(change);
  return {};
}

// --- faults ---

Status SimDisk::refuse_without_power() const {
  if (powered_) return {};
  return Status::io("the disk has no power");
}

Status SimDisk::spend_change(bool& last) {
  if (!powered_) return refuse_without_power();
  ++changes_;
  if (!changes_left_.has_value()) return {};
  if (--*changes_left_ > 0) return {};
  last = true;
  powered_ = false;
  return {};
}

void SimDisk::power_off_after(uint64_t changes) {
  HF_ASSERT(changes > 0);
  changes_left_ = changes;
}

std::unique_ptr<SimDisk> SimDisk::fork(uint64_t seed) const {
  auto copy = std::make_unique<SimDisk>(seed);
  std::map<Inode, Inode> copies;
  const auto copy_of = [&copies](const Inode& inode) {
    if (inode == nullptr) return inode;
    Inode& made = copies[inode];
    if (made == nullptr) made = std::make_shared<SimInode>(*inode);
    return made;
  };
  for (const auto& [path, inode] : names_) copy->names_[path] = copy_of(inode);
  for (const auto& [path, inode] : durable_names_) copy->durable_names_[path] = copy_of(inode);
  for (const NameChange& change : unflushed_names_) {
    copy->unflushed_names_.push_back({change.from, change.to, copy_of(change.inode)});
  }
  copy->directories_ = directories_;
  copy->capacity_ = capacity_;
  copy->powered_ = powered_;
  return copy;
}

void SimDisk::crash() {
  std::lock_guard lock(mutex_);
  // By name, each inode once: an order that the seed alone decides.
  std::vector<Inode> inodes;
  const auto collect = [&inodes](const Inode& inode) {
    const bool known = std::find(inodes.begin(), inodes.end(), inode) != inodes.end();
    if (inode != nullptr && !known) inodes.push_back(inode);
  };
  for (const auto& [path, inode] : durable_names_) collect(inode);
  for (const NameChange& change : unflushed_names_) collect(change.inode);
  for (const Inode& inode : inodes) inode->crash(random_);
  crash_names();
  ++generation_;
  fail_sync_in_ = 0;
  changes_left_.reset();
  powered_ = true;
}

// A journal keeps a beginning of what was done; a file system without one keeps anything.
void SimDisk::crash_names() {
  const bool journal = random_.one_in(2);
  const uint64_t kept = random_.below(unflushed_names_.size() + 1);
  for (size_t i = 0; i < unflushed_names_.size(); ++i) {
    const bool survives = journal ? i < kept : random_.one_in(2);
    if (survives) apply(unflushed_names_[i], durable_names_);
  }
  unflushed_names_.clear();
  names_ = durable_names_;
}

uint64_t SimDisk::rot(const std::string& path, uint64_t offset, uint64_t size) {
  std::lock_guard lock(mutex_);
  const Inode inode = find(path);
  HF_ASSERT(inode != nullptr && offset < inode->durable().size());
  const uint64_t there = std::min<uint64_t>(size, inode->durable().size() - offset);
  HF_ASSERT(there > 0);
  const uint64_t where = offset + random_.below(there);
  inode->turn_bit(where, static_cast<int>(random_.below(8)));
  return where;
}

void SimDisk::fail_reads(const std::string& path, uint64_t offset, uint64_t size) {
  std::lock_guard lock(mutex_);
  const Inode inode = find(path);
  HF_ASSERT(inode != nullptr);
  inode->bad_ranges.emplace_back(offset, size);
}

void SimDisk::restore_reads(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (const Inode inode = find(path); inode != nullptr) inode->bad_ranges.clear();
}

void SimDisk::misdirect_next_write(const std::string& path) {
  std::lock_guard lock(mutex_);
  const Inode inode = find(path);
  HF_ASSERT(inode != nullptr);
  inode->misdirect_next = true;
}

Result<std::string> SimDisk::durable_content(const std::string& path) {
  std::lock_guard lock(mutex_);
  const auto found = durable_names_.find(normal(path));
  if (found == durable_names_.end()) return Status::from_errno("find " + path, ENOENT);
  return found->second->durable().to_string();
}

}  // namespace holdfast
