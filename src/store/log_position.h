// Positions in a shard's log.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.h"

namespace holdfast {

// A place in a shard's log, and what is there: two logs that have the same position are the same up
// to it, because an entry's checksum covers that of the entry before.
struct LogPosition {
  Epoch epoch = 0;
  Seq seq = 0;
  uint32_t crc = 0;  // of the entry; 0 for the position before the first

  bool operator==(const LogPosition&) const = default;
  // The log that ends further: an entry of a later epoch was written by a primary that had all
  // committed entries of the earlier ones.
  bool further_than(const LogPosition& other) const {
    return epoch != other.epoch ? epoch > other.epoch : seq > other.seq;
  }
};

// Where an epoch's entries end in a log.
struct EpochEnd {
  Epoch epoch = 0;
  Seq last = 0;
  bool operator==(const EpochEnd&) const = default;
};

// What a log is, in short: where it ends, and where the newest epochs before that of its last entry
// end, in order, at most kMaxEpochs.
struct LogSummary {
  static constexpr size_t kMaxEpochs = 64;

  LogPosition last;
  std::vector<EpochEnd> ended;

  // `to`: of a later entry, all between them being of its epoch.
  void advance(const LogPosition& to) {
    if (to.epoch != last.epoch && last.seq != 0) {
      if (ended.size() == kMaxEpochs) ended.erase(ended.begin());
      ended.push_back({last.epoch, last.seq});
    }
    last = to;
  }
  bool operator==(const LogSummary&) const = default;
};

}  // namespace holdfast
