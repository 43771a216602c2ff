// See entry.h.
#include "store/entry.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"

namespace holdfast {
namespace {

constexpr size_t kCrcFrom = 8;  // the CRC covers the entry from here

}  // namespace

EntryHeader peek_entry_header(std::string_view bytes) {
  HF_ASSERT(bytes.size() >= kEntryHeaderBytes);
  const char* at = bytes.data();
  EntryHeader header;
  header.length = load_fixed<uint32_t>(at);
  header.crc = load_fixed<uint32_t>(at + 4);
  header.version = static_cast<uint8_t>(at[8]);
  header.kind = static_cast<EntryKind>(at[9]);
  header.effects = load_fixed<uint32_t>(at + 12);
  header.epoch = load_fixed<Epoch>(at + 16);
  header.seq = load_fixed<Seq>(at + 24);
  header.log_clock_ms = load_fixed<int64_t>(at + 32);
  header.previous_crc = load_fixed<uint32_t>(at + 40);
  return header;
}

Result<EntryHeader> read_entry_header(std::string_view bytes) {
  if (bytes.size() < kEntryHeaderBytes) return Status::corrupt("entry: shorter than its header");
  const EntryHeader header = peek_entry_header(bytes);
  if (header.length < kEntryHeaderBytes || header.length > bytes.size()) {
    return Status::corrupt("entry: its length does not fit what was read");
  }
  if (header.crc != crc32c(bytes.data() + kCrcFrom, header.length - kCrcFrom)) {
    return Status::corrupt("entry: checksum mismatch");
  }
  const uint8_t version = header.version;
  const bool flags = load_fixed<uint16_t>(bytes.data() + 10) != 0;
  const bool known = version == kEntryVersion || version == kEntryVersionRemembers;
  if (!known || flags || header.kind > EntryKind::kCommand) {
    return Status::corrupt("entry: version " + std::to_string(version) +
                           (version < kEntryVersion ? " was written by a holdfast before 0.3"
                                                    : " was written by a newer holdfast"));
  }
  return header;
}

uint32_t seal_entry(const EntryHeader& header, size_t start, std::string* out) {
  char* entry = out->data() + start;
  const size_t length = out->size() - start;
  HF_ASSERT(length >= kEntryHeaderBytes && length <= UINT32_MAX);
  store_fixed(entry, static_cast<uint32_t>(length));
  entry[8] = static_cast<char>(header.version);
  entry[9] = static_cast<char>(header.kind);
  store_fixed(entry + 10, uint16_t{0});
  store_fixed(entry + 12, header.effects);
  store_fixed(entry + 16, header.epoch);
  store_fixed(entry + 24, header.seq);
  store_fixed(entry + 32, header.log_clock_ms);
  store_fixed(entry + 40, header.previous_crc);
  const uint32_t crc = crc32c(entry + kCrcFrom, length - kCrcFrom);
  store_fixed(entry + 4, crc);
  return crc;
}

uint32_t append_entry(EntryHeader header, std::string_view payload, std::string* out) {
  const size_t start = out->size();
  out->append(kEntryHeaderBytes, '\0');
  out->append(payload);
  return seal_entry(header, start, out);
}

}  // namespace holdfast
