// WalReader: blocks and batches of the WAL, read through a window of 4 MiB, so that a log of small
// batches is read at the device's sequential speed.
//
// Threads: the one that owns the file.
#pragma once

#include <functional>
#include <string>

#include "base/disk.h"
#include "engine/disk/wal_format.h"

namespace holdfast::disk {

class WalReader {
 public:
  // `file` was opened direct and outlives the reader.
  WalReader(File& file, const WalIdentity& identity);
  // Of the blocks from `first` on, which were read already; it has no others.
  WalReader(const WalIdentity& identity, uint64_t first, AlignedBuffer blocks);

  const WalIdentity& identity() const { return identity_; }

  // Reads and checks the block in the place of `number`; see open_wal_block. The payload lies in
  // payload() until the next call.
  WalBlockState open(uint64_t number, uint64_t generation, uint64_t newest, WalBlock* header);
  std::string_view payload(const WalBlock& header) const {
    return {block_.data() + kWalBlockHeader, header.used};
  }

  // The payload lives until the next call. kCorrupt when the record is not there.
  Status read(const WalPlace& place, WalRecord* record);
  // What was read ahead may have been written since.
  void forget();

 private:
  Status fetch(uint64_t number);
  Status fill_window(uint64_t number);

  File* const file_ = nullptr;
  const WalIdentity identity_;
  AlignedBuffer window_;
  uint64_t window_first_ = 0;  // block
  uint64_t window_blocks_ = 0;
  AlignedBuffer block_{kBlock};
  std::string stream_;
};

}  // namespace holdfast::disk
