// Logged records: large values that the log does not hold itself. Each was written, before the log
// record that names it, as a whole record in an extent of its own, so a checkpoint can take it for
// the object's record as it is. Field by field in docs/ONDISK_DISK.md.
//
// The extent has two holders, the log and the checkpoints that took the record, and is free when
// neither names it any more (DataStore::give_back).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/disk/layout.h"
#include "engine/engine.h"

namespace holdfast::disk {

struct LoggedRecord {
  uint64_t at = 0;    // in the bytes of the group: where the value belongs
  uint64_t size = 0;  // of the value, the last bytes of the record's image
  uint64_t segment = 0;
  Extent extent;
  uint64_t bytes = 0;  // of the record
  Seq seq = 0;         // of the entry
  DbId db = 0;
  bool final = false;  // the record is what the entry left of the key
  std::string key;
};

// The payload of WalRecordType::kLarge: the records, then the group's bytes without their values.
std::string encode_logged(const std::vector<LoggedRecord>& records, std::string_view group);
uint64_t encoded_logged_size(const LogGroup& group);
// False when the payload is not such a one. `rest`, into the payload: the group's other bytes.
bool decode_logged(std::string_view payload, std::vector<LoggedRecord>* records,
                   std::string_view* rest);

}  // namespace holdfast::disk
