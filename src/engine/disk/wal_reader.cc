// See wal_reader.h.
#include "engine/disk/wal_reader.h"

#include <algorithm>

namespace holdfast::disk {
namespace {

constexpr uint64_t kWindowBlocks = (4 << 20) / kBlock;

}  // namespace

WalReader::WalReader(File& file, const WalIdentity& identity)
    : file_(&file),
      identity_(identity),
      window_(AlignedBuffer::uninitialized(kWindowBlocks * kBlock)) {}

WalReader::WalReader(const WalIdentity& identity, uint64_t first, AlignedBuffer blocks)
    : identity_(identity),
      window_(std::move(blocks)),
      window_first_(first),
      window_blocks_(window_.size() / kBlock) {}

void WalReader::forget() {
  window_blocks_ = 0;
  file_->will_read(0, 0);
}

// Brings the block into block_. A window that can't be read as a whole is read block by block, so
// that an unreadable block is told from its neighbours.
Status WalReader::fetch(uint64_t number) {
  if (number < window_first_ || number >= window_first_ + window_blocks_) {
    if (file_ == nullptr) return Status::not_found("not read");
    if (!fill_window(number).ok()) {
      window_blocks_ = 0;
      return file_->read_at(identity_.offset(number), block_.span());
    }
  }
  std::memcpy(block_.data(), window_.data() + (number - window_first_) * kBlock, kBlock);
  return {};
}

// The window ends with the ring: it is one read.
Status WalReader::fill_window(uint64_t number) {
  const auto size_at = [this](uint64_t first) {
    return std::min(kWindowBlocks, identity_.ring_blocks - first % identity_.ring_blocks);
  };
  const bool goes_on = window_blocks_ > 0 && number == window_first_ + window_blocks_;
  window_first_ = number;
  window_blocks_ = size_at(number);
  const uint64_t offset = identity_.offset(number);
  const Status status = window_blocks_ == kWindowBlocks
                            ? file_->fill(offset, &window_)
                            : file_->read_at(offset, window_.span().first(window_blocks_ * kBlock));
  if (!status.ok()) return status;
  const uint64_t next = number + window_blocks_;
  if (goes_on && size_at(next) == kWindowBlocks) {
    file_->will_read(identity_.offset(next), window_.size());
  }
  return {};
}

WalBlockState WalReader::open(uint64_t number, uint64_t generation, uint64_t newest,
                              WalBlock* header) {
  if (!fetch(number).ok()) return WalBlockState::kError;
  return open_wal_block(block_.span(), identity_, number, generation, newest, header);
}

Status WalReader::read(const WalPlace& place, WalRecord* record) {
  const WalPosition& batch = place.batch;
  stream_.clear();
  for (uint64_t number = place.first_block(); number < place.end_block(); ++number) {
    WalBlock header;
    const WalBlockState state = open(number, batch.generation, batch.generation, &header);
    const std::string where = "WAL block " + std::to_string(number);
    if (state != WalBlockState::kGood) {
      return Status::corrupt(where + " is " + std::string(name_of(state)));
    }
    if (header.begins_batch != (number == batch.block)) {
      return Status::corrupt(where + " is of another batch");
    }
    stream_.append(payload(header));
  }
  const size_t begin = std::min(stream_.size(), static_cast<size_t>(place.offset % kWalPayload));
  size_t size = 0;
  uint64_t hash = 0;
  const WalRecordState found =
      decode_wal_record(std::string_view(stream_).substr(begin), place.chain, record, &size, &hash);
  if (found == WalRecordState::kWhole && size == place.size) return {};
  return Status::corrupt("WAL block " + std::to_string(place.first_block()) +
                         ": a record in it is damaged");
}

}  // namespace holdfast::disk
