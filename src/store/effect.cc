// See effect.h.
#include "store/effect.h"

#include <cstring>

#include "base/codec.h"
#include "store/types/list.h"

namespace holdfast {
namespace {

constexpr uint8_t kRecordVersion = 1;

bool has_value(EffectType type) {
  return type == EffectType::kPutString || type == EffectType::kWriteRange ||
         type == EffectType::kMapDatabases || type == EffectType::kPutValue ||
         type == EffectType::kPutLibrary || type == EffectType::kEraseLibrary ||
         type == EffectType::kRemember || edits_collection(type);
}

Effect read_effect(Reader& reader, const Keyspace& keyspace) {
  Effect effect{};
  effect.type = static_cast<EffectType>(reader.fixed<uint8_t>());
  effect.db = reader.fixed<uint8_t>();
  if (has_key(effect.type)) effect.key = keyspace.key(reader.bytes(reader.varint()));
  switch (effect.type) {
    case EffectType::kPutString:
    case EffectType::kPutValue:
    case EffectType::kSetExpiry:
      effect.expire_at_ms = static_cast<int64_t>(reader.varint());
      break;
    case EffectType::kWriteRange:
      effect.offset = reader.varint();
      break;
    default:
      break;
  }
  if (has_value(effect.type)) effect.value = reader.bytes(reader.varint());
  return effect;
}

// What the codec cannot rule out by itself.
bool valid(const Effect& effect) {
  const bool known =
      (effect.type >= EffectType::kPutString && effect.type <= EffectType::kRemember) ||
      edits_collection(effect.type);
  if (!known) return false;
  if (effect.db >= kDbCount) return false;
  switch (effect.type) {
    case EffectType::kMapDatabases: {
      DbMap map;
      return parse_db_map(effect.value, &map);
    }
    case EffectType::kPutLibrary: {
      std::string_view name, code;
      return parse_library_image(effect.value, &name, &code);
    }
    case EffectType::kRemember: {
      Remembered remembered;
      return Remembered::decode(effect.value, &remembered);
    }
    default:
      return true;
  }
}

Status undecodable(std::string_view key) {
  return Status::corrupt("record of key '" + std::string(key.substr(0, 64)) +
                         "' cannot be decoded");
}

}  // namespace

std::string library_image(std::string_view name, std::string_view code) {
  std::string image;
  put_varint(image, name.size());
  return image.append(name).append(code);
}

bool parse_library_image(std::string_view image, std::string_view* name, std::string_view* code) {
  Reader reader(image);
  *name = reader.bytes(reader.varint());
  if (!reader.ok() || name->empty()) return false;
  *code = reader.bytes(reader.left());
  return true;
}

bool apply(const Effect& effect, Seq seq, Keyspace& keyspace) {
  if (edits_collection(effect.type)) {
    return keyspace.edit(effect.db, effect.key, effect.type, effect.value, seq) == nullptr;
  }
  switch (effect.type) {
    case EffectType::kPutString:
      keyspace.put_string(effect.db, effect.key, effect.value, effect.expire_at_ms, seq);
      return false;
    case EffectType::kPutValue: {
      ObjectType type;
      Collection value;
      HF_ASSERT(decode_collection(effect.value, keyspace.limits(), &type, &value));
      keyspace.put_collection(effect.db, effect.key, type, value, effect.expire_at_ms, seq);
      return false;
    }
    case EffectType::kWriteRange:
      keyspace.write_range(effect.db, effect.key, effect.offset, effect.value, seq);
      return false;
    case EffectType::kErase:
      keyspace.erase(effect.db, effect.key, seq);
      return false;
    case EffectType::kSetExpiry:
      keyspace.set_expiry(effect.db, effect.key, effect.expire_at_ms, seq);
      return false;
    case EffectType::kFlushDb:
      keyspace.flush(effect.db, seq);
      return false;
    case EffectType::kMapDatabases: {
      DbMap map;
      HF_ASSERT(parse_db_map(effect.value, &map));
      keyspace.map_databases(map, seq);
      return false;
    }
    case EffectType::kPutLibrary: {
      std::string_view name, code;
      HF_ASSERT(parse_library_image(effect.value, &name, &code));
      keyspace.put_library(name, code, seq);
      return false;
    }
    case EffectType::kEraseLibrary:
      keyspace.erase_library(effect.value, seq);
      return false;
    case EffectType::kRemember: {
      Remembered remembered;
      HF_ASSERT(Remembered::decode(effect.value, &remembered));
      keyspace.remember(remembered, seq);
      return false;
    }
    default:
      break;
  }
  HF_ASSERT(false);
}

void EntryWriter::begin(const EntryHeader& header) {
  HF_ASSERT(!open_);
  open_ = true;
  header_ = header;
  header_.effects = 0;
  start_ = out_->size();
  out_->append(kEntryHeaderBytes, '\0');
}

// Short effects are put together beside the entry, which then grows once.
void EntryWriter::add(const Effect& effect) {
  HF_ASSERT(open_);
  ++header_.effects;
  if (effect.type == EffectType::kRemember) header_.version = kEntryVersionRemembers;
  constexpr size_t kShort = 512;
  const std::string_view key = has_key(effect.type) ? effect.key.bytes : std::string_view();
  const std::string_view value = has_value(effect.type) ? effect.value : std::string_view();
  const bool is_short = key.size() + value.size() <= kShort;
  char scratch[2 + 3 * kMaxVarintBytes + kShort];
  char* end = scratch;
  const auto put = [&](std::string_view bytes) {
    if (is_short) {
      if (!bytes.empty()) std::memcpy(end, bytes.data(), bytes.size());  // empty: maybe no address
      end += bytes.size();
      return;
    }
    out_->append(scratch, static_cast<size_t>(end - scratch)).append(bytes);
    end = scratch;
  };
  *end++ = static_cast<char>(effect.type);
  *end++ = static_cast<char>(effect.db);
  if (has_key(effect.type)) {
    end = store_varint(end, key.size());
    put(key);
  }
  if (effect.type == EffectType::kPutString || effect.type == EffectType::kPutValue ||
      effect.type == EffectType::kSetExpiry) {
    end = store_varint(end, static_cast<uint64_t>(effect.expire_at_ms));
  } else if (effect.type == EffectType::kWriteRange) {
    end = store_varint(end, effect.offset);
  }
  if (has_value(effect.type)) {
    end = store_varint(end, value.size());
    put(value);
  }
  out_->append(scratch, static_cast<size_t>(end - scratch));
}

uint32_t EntryWriter::end() {
  HF_ASSERT(open_);
  open_ = false;
  return seal_entry(header_, start_, out_);
}

Status read_effects(std::string_view entry, const Keyspace& keyspace,
                    const std::function<void(const Effect&)>& visit) {
  Result<EntryHeader> header = read_entry_header(entry);
  if (!header.ok()) return header.status();
  if (header.value().kind != EntryKind::kEffects) return {};
  Reader reader(entry.substr(kEntryHeaderBytes, header.value().length - kEntryHeaderBytes));
  for (uint32_t i = 0; i < header.value().effects; ++i) {
    const Effect effect = read_effect(reader, keyspace);
    if (!reader.ok() || !valid(effect)) {
      return Status::corrupt("entry " + std::to_string(header.value().seq) + ": effect " +
                             std::to_string(i) + " cannot be decoded");
    }
    visit(effect);
  }
  if (!reader.at_end()) return Status::corrupt("entry: bytes behind the last effect");
  return {};
}

std::string string_record_head(Seq mod_seq, int64_t expire_at_ms, uint64_t size) {
  std::string head(1, static_cast<char>(kRecordVersion));
  head.push_back(static_cast<char>(ObjectType::kString));
  put_fixed<uint64_t>(head, mod_seq);
  put_varint(head, static_cast<uint64_t>(expire_at_ms));
  put_varint(head, size);
  return head;
}

void encode_record(const Object& object, std::string* out) {
  out->push_back(static_cast<char>(kRecordVersion));
  out->push_back(static_cast<char>(object.type()));
  put_fixed<uint64_t>(*out, object.mod_seq());
  put_varint(*out, static_cast<uint64_t>(object.expire_at_ms()));
  if (object.type() == ObjectType::kList) {
    encode_list_record(object.collection(), out);
    return;
  }
  if (object.is_collection()) {
    collection_type(object.type()).encode(object.collection(), out);
    return;
  }
  IntScratch scratch;
  const std::string_view value = object.string(scratch);
  put_varint(*out, value.size());
  out->append(value);
}

void set_record_seq(std::string* image, Seq mod_seq) {
  store_fixed<uint64_t>(image->data() + 2, mod_seq);
}

Result<RecordImage> decode_record(std::string_view key, std::string_view image) {
  Reader reader(image);
  RecordImage record;
  const auto version = reader.fixed<uint8_t>();
  record.type = static_cast<ObjectType>(reader.fixed<uint8_t>());
  record.mod_seq = reader.fixed<uint64_t>();
  record.expire_at_ms = static_cast<int64_t>(reader.varint());
  bool ok = version == kRecordVersion && record.type <= ObjectType::kStream;
  if (record.type == ObjectType::kString) {
    record.value = reader.bytes(reader.varint());
    ok = ok && reader.at_end();
  } else {
    record.value = reader.bytes(reader.left());
  }
  if (ok && reader.ok()) return record;
  return undecodable(key);
}

Result<Object*> load_record(DbId db, const KeyRef& key, std::string_view image,
                            Keyspace& keyspace) {
  const Result<RecordImage> record = decode_record(key.bytes, image);
  if (!record.ok()) return record.status();
  if (db >= kDbCount) return Status::corrupt("record of a database that cannot be");
  const RecordImage& from = record.value();
  if (from.type == ObjectType::kString) {
    return keyspace.put_string(db, key, from.value, from.expire_at_ms, from.mod_seq);
  }
  ObjectType type;
  Collection value;
  if (!decode_collection(from.value, keyspace.limits(), &type, &value)) {
    return undecodable(key.bytes);
  }
  if (type != from.type) {
    destroy_collection(type, value);
    return undecodable(key.bytes);
  }
  return keyspace.put_collection(db, key, type, value, from.expire_at_ms, from.mod_seq);
}

}  // namespace holdfast
