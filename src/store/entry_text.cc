// See entry_text.h.
#include "store/entry_text.h"

#include <cstdio>

#include "base/quoted.h"

namespace holdfast {
namespace {

constexpr size_t kMostKey = 128;   // bytes of a key that are shown
constexpr size_t kMostValue = 48;  // and of a value

std::string_view hash_or_list_name(EffectType type) {
  switch (type) {
    case EffectType::kHashSet:
      return "hash-set";
    case EffectType::kHashDelete:
      return "hash-delete";
    case EffectType::kHashUpdate:
      return "hash-update";
    case EffectType::kHashExpire:
      return "hash-expire";
    case EffectType::kListPush:
      return "list-push";
    case EffectType::kListPop:
      return "list-pop";
    case EffectType::kListSet:
      return "list-set";
    case EffectType::kListInsert:
      return "list-insert";
    case EffectType::kListRemove:
      return "list-remove";
    default:
      return "unknown";
  }
}

std::string_view set_or_stream_name(EffectType type) {
  switch (type) {
    case EffectType::kSetAdd:
      return "set-add";
    case EffectType::kSetRemove:
      return "set-remove";
    case EffectType::kZsetAdd:
      return "zset-add";
    case EffectType::kZsetRemove:
      return "zset-remove";
    case EffectType::kStreamAdd:
      return "stream-add";
    case EffectType::kStreamRemove:
      return "stream-remove";
    case EffectType::kStreamTrim:
      return "stream-trim";
    case EffectType::kStreamSetIds:
      return "stream-set-ids";
    case EffectType::kStreamGroupCreate:
      return "stream-group-create";
    case EffectType::kStreamGroupSet:
      return "stream-group-set";
    case EffectType::kStreamGroupDrop:
      return "stream-group-drop";
    case EffectType::kStreamConsumerCreate:
      return "stream-consumer-create";
    case EffectType::kStreamConsumerDrop:
      return "stream-consumer-drop";
    case EffectType::kStreamRead:
      return "stream-read";
    case EffectType::kStreamClaim:
      return "stream-claim";
    case EffectType::kStreamAck:
      return "stream-ack";
    default:
      return hash_or_list_name(type);
  }
}

std::string expiry_text(int64_t expire_at_ms) {
  return expire_at_ms == 0 ? ", never expires" : ", expires at " + std::to_string(expire_at_ms);
}

std::string header_line(const EntryHeader& header) {
  char crc[32];
  std::snprintf(crc, sizeof crc, "%08x after %08x", header.crc, header.previous_crc);
  return "entry " + std::to_string(header.seq) + ", epoch " + std::to_string(header.epoch) +
         ", clock " + std::to_string(header.log_clock_ms) + " ms, checksum " + crc + ", " +
         std::to_string(header.length) + " bytes: " + std::string(entry_kind_name(header.kind));
}

}  // namespace

std::string_view entry_kind_name(EntryKind kind) {
  switch (kind) {
    case EntryKind::kEffects:
      return "effects";
    case EntryKind::kEpochStart:
      return "epoch-start";
    case EntryKind::kMembers:
      return "members";
    case EntryKind::kCommand:
      return "command";
  }
  return "unknown";
}

std::string_view effect_name(EffectType type) {
  switch (type) {
    case EffectType::kPutString:
      return "put-string";
    case EffectType::kWriteRange:
      return "write-range";
    case EffectType::kErase:
      return "erase";
    case EffectType::kSetExpiry:
      return "set-expiry";
    case EffectType::kFlushDb:
      return "flush-database";
    case EffectType::kMapDatabases:
      return "map-databases";
    case EffectType::kPutValue:
      return "put-value";
    case EffectType::kPutLibrary:
      return "put-library";
    case EffectType::kEraseLibrary:
      return "erase-library";
    case EffectType::kRemember:
      return "remember";
    default:
      return set_or_stream_name(type);
  }
}

std::string effect_text(const Effect& effect) {
  std::string text(effect_name(effect.type));
  if (has_key(effect.type)) text += ' ' + quoted(effect.key.bytes, kMostKey);
  const bool of_database = has_key(effect.type) || effect.type == EffectType::kFlushDb;
  if (of_database) text += " in database " + std::to_string(effect.db);
  if (effect.type == EffectType::kWriteRange) text += " at " + std::to_string(effect.offset);
  if (effect.type == EffectType::kSetExpiry) return text + expiry_text(effect.expire_at_ms);
  if (effect.type == EffectType::kErase || effect.type == EffectType::kFlushDb) return text;
  if (Remembered of;
      effect.type == EffectType::kRemember && Remembered::decode(effect.value, &of)) {
    return text + " write " + std::to_string(of.tag.number) + " of client " +
           std::to_string(of.tag.session) + " of gateway " + hex16(of.tag.gateway);
  }
  text += ": " + quoted(effect.value, kMostValue);
  return effect.expire_at_ms == 0 ? text : text + expiry_text(effect.expire_at_ms);
}

Result<EntryText> describe_entry(std::string_view entry, const Keyspace& keyspace) {
  const Result<EntryHeader> header = read_entry_header(entry);
  if (!header.ok()) return header.status();
  EntryText text{header.value(), {}};
  const Status read = read_effects(entry, keyspace, [&text](const Effect& effect) {
    if (text.effects.size() < EntryText::kMostEffects) text.effects.push_back(effect_text(effect));
  });
  if (!read.ok()) return read;
  return text;
}

std::vector<std::string> entry_lines(std::string_view entry, const Keyspace& keyspace) {
  const Result<EntryText> text = describe_entry(entry, keyspace);
  if (!text.ok()) return {text.status().message()};
  std::vector<std::string> lines = {header_line(text.value().header)};
  for (const std::string& effect : text.value().effects) lines.push_back("  " + effect);
  const uint64_t more = text.value().header.effects - text.value().effects.size();
  if (more > 0) lines.push_back("  and " + std::to_string(more) + " effects more");
  return lines;
}

}  // namespace holdfast
