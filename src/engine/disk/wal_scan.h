// Recovery's walk along the WAL: every record that was acknowledged, and where the log goes on.
//
// What ends the log and what is damage: let D be the first block that nothing vouches for, where
// blocks, superblocks and checkpoints vouch for those they call durable. A block below D that is
// not good is damage to what may have been acknowledged: the scan fails, it never shortens the log
// (D1). At D or above, a block that is old or torn was being written when power failed, nothing in
// it was acknowledged, and the log ends before it. A block there that is damaged or unreadable
// (D2) may have been acknowledged in the last moment before the crash: its head is uncertain and
// the scan fails, unless the operator accepts the loss. Only a member of a group, which then trusts
// its log no more, has the log end at damage, too.
//
// Sources: Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018;
// RocksDB issue 6288 (a read error taken for the end of the log).
#pragma once

#include <functional>
#include <string>

#include "engine/disk/wal_reader.h"

namespace holdfast::disk {

struct WalScan {
  WalPosition next;            // where the log goes on, in a newer generation
  uint64_t durable_block = 0;  // D
  uint64_t records = 0;
  uint64_t unfinished_bytes = 0;  // of a record that was being written, now dropped
  WalBlockState ended_by = WalBlockState::kOld;
  Status damage;  // where cut_damage let it end
};

struct WalScanRange {
  WalPosition start;
  uint64_t durable_block = 0;  // known durable from elsewhere
  uint64_t newest_generation = 0;
  uint64_t end_block = UINT64_MAX;  // stop before this block, which is a batch's first
  bool accept_uncertain = false;    // the operator's word (wal.accept_uncertain_tail)
  // Damage ends the log, whatever may have been acknowledged: others have it.
  bool cut_damage = false;
};

using WalVisitor = std::function<Status(const WalRecord& record, const WalPlace& place)>;

// Visits the records in order; an error of the visitor ends the scan.
Result<WalScan> scan_wal(WalReader& reader, const WalScanRange& range, const WalVisitor& visit);

}  // namespace holdfast::disk
