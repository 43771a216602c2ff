// See logged_record.h.
#include "engine/disk/logged_record.h"

#include "base/codec.h"

namespace holdfast::disk {
namespace {

constexpr uint64_t kFixedBytes = 7 * sizeof(uint64_t) + 2 + sizeof(uint32_t);  // beside the key

// The places are in order, within the group, and do not overlap.
bool places_fit(const std::vector<LoggedRecord>& records, uint64_t rest) {
  uint64_t end = 0, values = 0;
  for (const LoggedRecord& record : records) {
    if (record.at < end || record.at - values > rest || record.size > UINT32_MAX) return false;
    if (record.bytes > record.extent.bytes()) return false;
    values += record.size;
    end = record.at + record.size;
  }
  return true;
}

}  // namespace

uint64_t encoded_logged_size(const LogGroup& group) {
  uint64_t size = sizeof(uint32_t) + group.bytes.size();
  for (const LogGroup::Large& large : group.large)
    size += kFixedBytes + large.key.size() - large.size;
  return size;
}

std::string encode_logged(const std::vector<LoggedRecord>& records, std::string_view group) {
  std::string out;
  put_fixed(out, static_cast<uint32_t>(records.size()));
  for (const LoggedRecord& record : records) {
    put_fixed(out, record.at);
    put_fixed(out, record.size);
    put_fixed(out, record.segment);
    put_fixed(out, record.extent.block);
    put_fixed(out, record.extent.count);
    put_fixed(out, record.bytes);
    put_fixed(out, record.seq);
    put_fixed(out, record.db);
    put_fixed(out, static_cast<uint8_t>(record.final));
    put_fixed(out, static_cast<uint32_t>(record.key.size()));
    out.append(record.key);
  }
  uint64_t from = 0;
  for (const LoggedRecord& record : records) {
    out.append(group.substr(from, record.at - from));
    from = record.at + record.size;
  }
  return out.append(group.substr(from));
}

bool decode_logged(std::string_view payload, std::vector<LoggedRecord>* records,
                   std::string_view* rest) {
  Reader in(payload);
  records->clear();
  for (auto left = in.fixed<uint32_t>(); left > 0 && in.ok(); --left) {
    LoggedRecord& record = records->emplace_back();
    record.at = in.fixed<uint64_t>();
    record.size = in.fixed<uint64_t>();
    record.segment = in.fixed<uint64_t>();
    record.extent.block = in.fixed<uint64_t>();
    record.extent.count = in.fixed<uint64_t>();
    record.bytes = in.fixed<uint64_t>();
    record.seq = in.fixed<Seq>();
    record.db = in.fixed<DbId>();
    record.final = in.fixed<uint8_t>() != 0;
    record.key = in.bytes(in.fixed<uint32_t>());
  }
  *rest = in.bytes(in.left());
  return in.ok() && places_fit(*records, rest->size());
}

}  // namespace holdfast::disk
