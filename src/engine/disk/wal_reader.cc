// See wal_reader.h.
#include "engine/disk/wal_reader.h"

#include <algorithm>

namespace holdfast::disk {
namespace {

constexpr uint64_t kWindowBlocks = (4 << 20) / kBlock;

}  // namespace

WalReader::WalReader(File& file, const WalIdentity& identity)
    : file_(file),
      identity_(identity),
      window_(AlignedBuffer::uninitialized(kWindowBlocks * kBlock)) {}

// Brings the block into block_. A window that can't be read as a whole is read block by block, so
// that an unreadable block is told from its neighbours.
Status WalReader::fetch(uint64_t number) {
  const uint64_t place = number % identity_.ring_blocks;
  if (place < window_place_ || place >= window_place_ + window_blocks_) {
    const auto size_at = [this](uint64_t first) {
      return std::min(kWindowBlocks, identity_.ring_blocks - first);
    };
    const bool goes_on = window_blocks_ > 0 && place == window_place_ + window_blocks_;
    window_place_ = place;
    window_blocks_ = size_at(place);
    const uint64_t offset = identity_.offset(number);
    const Status status =
        window_blocks_ == kWindowBlocks
            ? file_.fill(offset, &window_)
            : file_.read_at(offset, window_.span().first(window_blocks_ * kBlock));
    if (!status.ok()) {
      window_blocks_ = 0;
      return file_.read_at(identity_.offset(number), block_.span());
    }
    const uint64_t next = place + window_blocks_;
    if (goes_on && size_at(next) == kWindowBlocks) {
      file_.will_read(identity_.offset(next), window_.size());
    }
  }
  std::memcpy(block_.data(), window_.data() + (place - window_place_) * kBlock, kBlock);
  return {};
}

WalBlockState WalReader::open(uint64_t number, uint64_t generation, uint64_t newest,
                              WalBlock* header) {
  if (!fetch(number).ok()) return WalBlockState::kError;
  return open_wal_block(block_.span(), identity_, number, generation, newest, header);
}

Status WalReader::read(const WalPlace& place, WalRecord* record) {
  const WalPosition& at = place.batch;
  stream_.clear();
  uint64_t chain = at.chain;
  size_t parsed = 0;
  uint32_t index = 0;
  for (uint64_t number = at.block;; ++number) {
    WalBlock header;
    const WalBlockState state = open(number, at.generation, at.generation, &header);
    const std::string where = "WAL block " + std::to_string(number);
    if (state != WalBlockState::kGood) {
      return Status::corrupt(where + " is " + std::string(name_of(state)));
    }
    if (header.begins_batch != (number == at.block)) {
      return Status::corrupt(where + ": the batch before it has no record " +
                             std::to_string(place.index));
    }
    stream_.append(payload(header));
    while (true) {
      size_t size = 0;
      uint64_t hash = 0;
      const std::string_view rest = std::string_view(stream_).substr(parsed);
      const WalRecordState found = decode_wal_record(rest, chain, record, &size, &hash);
      if (found == WalRecordState::kUnfinished) break;
      if (found == WalRecordState::kBroken) {
        return Status::corrupt(where + ": a record in it is damaged");
      }
      if (index++ == place.index) return {};
      chain = hash;
      parsed += size;
    }
  }
}

}  // namespace holdfast::disk
