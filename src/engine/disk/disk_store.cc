// See disk_store.h.
#include "engine/disk/disk_store.h"

#include <algorithm>

#include "base/log.h"
#include "base/mutant.h"

namespace holdfast::disk {
namespace {

constexpr uint64_t kZeroBytes = 4 << 20;

Status write_zeros(File& file, uint64_t offset, uint64_t size) {
  const AlignedBuffer zeros(kZeroBytes);
  while (size > 0) {
    const uint64_t part = std::min(size, kZeroBytes);
    if (Status status = file.write_at(offset, zeros.span().first(part)); !status.ok()) {
      return status;
    }
    offset += part;
    size -= part;
  }
  return {};
}

Status write_copy(File& file, const Superblock& superblock, int copy) {
  AlignedBuffer block(kBlock);
  encode_superblock(superblock, copy, block.span());
  return file.write_at(superblock_offset(superblock.slot()), block.span());
}

// Zeros are written, not left out: the first write to a hole would make the file system change its
// own metadata while a reply waits.
Status make_file(Disk& disk, const std::string& path, uint64_t size, const Superblock& superblock,
                 int copy) {
  Result<std::unique_ptr<File>> file =
      disk.open(path, {.create = true, .direct = true, .exclusive = true});
  if (!file.ok()) return file.status();
  Status status = file.value()->truncate(0);
  if (status.ok()) status = write_zeros(*file.value(), 0, size);
  if (status.ok()) status = write_copy(*file.value(), superblock, copy);
  if (status.ok()) status = file.value()->sync();
  return status;
}

Status format(Disk& disk, const DiskStore& store, uint64_t wal_blocks, Random& random) {
  log_info("making a new store",
           {{"directory", store.directory}, {"wal_mb", wal_blocks * kBlock >> 20}});
  Superblock superblock;
  superblock.uuid = {random.next(), random.next()};
  superblock.sequence = 1;
  superblock.wal_blocks = wal_blocks;
  superblock.checkpoint.wal.chain = superblock.uuid.low;
  const std::string new_wal = store.wal_path() + ".new", new_data = store.data_path() + ".new";
  Status status = make_file(disk, new_wal, kRegionOffset + wal_blocks * kBlock, superblock, 0);
  if (status.ok()) status = make_file(disk, new_data, kRegionOffset, superblock, 1);
  if (status.ok()) status = disk.sync_directory(store.directory);
  if (status.ok()) status = disk.rename(new_data, store.data_path());
  if (status.ok()) status = disk.sync_directory(store.directory);
  if (status.ok()) status = disk.rename(new_wal, store.wal_path());
  if (status.ok()) status = disk.sync_directory(store.directory);
  return status;
}

// A format that was interrupted between its two renames is finished: the store never was in use.
// Whether that is so, the new WAL file tells: it has the data file's identity.
Status finish_format(Disk& disk, const DiskStore& store) {
  const std::string new_wal = store.wal_path() + ".new";
  if (!disk.exists(new_wal)) {
    return Status::corrupt(store.data_path() + " is there, but " + store.wal_path() +
                           " is not: bring it back. A store is never formatted over another");
  }
  Status status = disk.rename(new_wal, store.wal_path());
  if (status.ok()) status = disk.sync_directory(store.directory);
  return status;
}

Status prepare(Disk& disk, const DiskStore& store, uint64_t wal_blocks, Random& random) {
  const bool wal = disk.exists(store.wal_path()), data = disk.exists(store.data_path());
  if (wal && data) return {};
  if (data) return finish_format(disk, store);
  if (wal) {
    return Status::corrupt(store.wal_path() + " is there, but " + store.data_path() +
                           " is not: bring it back. A store is never formatted over another");
  }
  return format(disk, store, wal_blocks, random);
}

// Reads one copy; nothing when it is not a valid superblock. An unreadable block counts as that.
Result<std::optional<Superblock>> read_copy(File& file, int slot, int copy, bool* written) {
  AlignedBuffer block(kBlock);
  *written = true;
  if (!file.read_at(superblock_offset(slot), block.span()).ok()) {
    return std::optional<Superblock>();
  }
  *written = std::any_of(block.span().begin(), block.span().end(), [](char c) { return c != 0; });
  return decode_superblock(block.span(), slot, copy);
}

Status read_superblocks(DiskStore& store) {
  std::optional<Superblock> slots[2];
  std::optional<StoreUuid> uuid;
  for (int slot = 0; slot < 2; ++slot) {
    for (int copy = 0; copy < 2; ++copy) {
      File& file = copy == 0 ? *store.wal : *store.data;
      bool written = false;
      Result<std::optional<Superblock>> read = read_copy(file, slot, copy, &written);
      if (!read.ok())
        return {read.status().code(), store.directory + ": " + read.status().message()};
      const std::optional<Superblock>& found = read.value();
      if (!found && written) {
        store.damaged.push_back((copy == 0 ? store.wal_path() : store.data_path()) + " at " +
                                std::to_string(superblock_offset(slot)));
      }
      if (!found) continue;
      if (uuid.value_or(found->uuid) != found->uuid) {
        return Status::corrupt(store.directory + ": its wal and data files are of two stores");
      }
      uuid = found->uuid;
      std::optional<Superblock>& best = slots[slot];
      if (!best || best->sequence < found->sequence) best = found;
    }
  }
  if (mutant(Mutant::kFormatDamaged) && !slots[0] && !slots[1]) return {};
  if (!slots[0] && !slots[1]) {
    return Status::corrupt(store.directory + ": no superblock is whole: not a store, or destroyed");
  }
  const bool first = slots[0] && (!slots[1] || slots[0]->sequence > slots[1]->sequence);
  store.superblock = *slots[first ? 0 : 1];
  const std::optional<Superblock>& other = slots[first ? 1 : 0];
  if (other && other->sequence + 1 == store.superblock.sequence) store.older = other;
  return {};
}

// The newest valid state. Its two copies were written before anything rested on it.
Status read_hard_states(DiskStore& store) {
  AlignedBuffer blocks(kHardStateSlots * kBlock);
  for (uint64_t slot = 0; slot < kHardStateSlots; ++slot) {
    const auto block = blocks.span().subspan(slot * kBlock, kBlock);
    if (!store.wal->read_at(kHardStateOffset + slot * kBlock, block).ok()) continue;
    const auto found = decode_hard_states(block, store.superblock.uuid, slot);
    if (found && found->sequence > store.hard_states.sequence) store.hard_states = *found;
  }
  const bool used = store.superblock.checkpoint.wal.generation > 0;
  if (used && store.hard_states.generation < store.superblock.checkpoint.wal.generation) {
    return Status::corrupt(store.directory +
                           ": the ring of hard states is damaged: what this store "
                           "promised is not known");
  }
  return {};
}

Status read_all(Disk& disk, DiskStore& store, OpenMode mode) {
  Result<std::unique_ptr<File>> wal = disk.open(store.wal_path(), mode);
  if (!wal.ok()) return wal.status();
  store.wal = std::move(wal.value());
  Result<std::unique_ptr<File>> data = disk.open(store.data_path(), mode);
  if (!data.ok()) return data.status();
  store.data = std::move(data.value());
  Status status = read_superblocks(store);
  if (status.ok()) status = read_hard_states(store);
  return status;
}

}  // namespace

Result<DiskStore> open_disk_store(Disk& disk, const std::string& directory, uint64_t wal_blocks,
                                  Random& random) {
  DiskStore store;
  store.directory = directory;
  Status status = disk.make_directory(directory);
  if (status.ok()) status = prepare(disk, store, wal_blocks, random);
  if (status.ok()) status = read_all(disk, store, {.direct = true, .exclusive = true});
  if (!status.ok()) return status;
  return store;
}

Result<DiskStore> inspect_disk_store(Disk& disk, const std::string& directory) {
  DiskStore store;
  store.directory = directory;
  if (Status status = read_all(disk, store, {.read_only = true, .direct = true, .exclusive = true});
      !status.ok()) {
    return status;
  }
  return store;
}

}  // namespace holdfast::disk
