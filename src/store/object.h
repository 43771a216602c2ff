// Object: one key with its value, in one allocation.
//
//   [prefix 16 B: expiry, place in the expiry heap]   only when the key has (had) an expiry
//   [header 16 B: mod_seq, type, encoding, flags, access clock, lengths]   <- Object*
//   [long key length 4 B]                              only when the key is 64 KiB or longer
//   key bytes
//   payload: an integer (8 B), the value's bytes (up to 1 KiB), a pointer to a RawString or to a
//            collection, or the size (8 B) of a value that is on the device only
//
// A 16-byte key with a 32-byte value takes 64 bytes in all.
//
// Invariants: the object never moves while it is in a table, except through Keyspace, which owns
// it and updates table and heap. Only effects (store/apply.h) change one.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/assert.h"
#include "base/codec.h"
#include "base/types.h"

namespace holdfast {

enum class ObjectType : uint8_t { kString, kList, kSet, kZset, kHash, kStream };
// kCold: the value is on the device only, in the record has_ref() names. The last ones are those of
// collections, in Redis's words.
enum class Encoding : uint8_t {
  kInt,
  kEmbedded,
  kRaw,
  kCold,
  kIntset,
  kListpack,
  kListpackEx,  // with an expiry for each field
  kHashtable,
  kQuicklist,
  kSkiplist,
  kStream,
};

// A collection (store/collection.h): how it is kept, and where. Owned by who holds it.
struct Collection {
  Encoding encoding = Encoding::kListpack;
  void* data = nullptr;
};

// Room to print an integer value.
struct IntScratch {
  char bytes[24];
};

// A value too long to embed, or grown in place by APPEND, SETRANGE, SETBIT.
struct RawString {
  uint64_t size;
  uint64_t capacity;
  char data[];
};

class Object {
 public:
  static constexpr uint64_t kMaxEmbedded = 1024;

  // `expire_at_ms` 0: no expiry and no prefix. Throws std::bad_alloc only.
  static Object* create_string(std::string_view key, std::string_view value, int64_t expire_at_ms);
  // Takes over the collection.
  static Object* create_collection(std::string_view key, ObjectType type, Collection value,
                                   int64_t expire_at_ms);
  // Without its value, `size` bytes long in the record that the caller sets; 0: not known.
  static Object* create_cold(std::string_view key, ObjectType type, uint64_t size,
                             int64_t expire_at_ms);
  static void destroy(Object* object);
  // Frees the object and gives its collection. REQUIRES: is_collection(), !cold().
  static Collection destroy_around_collection(Object* object);

  std::string_view key() const { return {body() + key_offset(), key_size()}; }
  ObjectType type() const { return static_cast<ObjectType>(word_ >> kTypeAt & 0xf); }
  Encoding encoding() const { return static_cast<Encoding>(word_ >> kEncodingAt & 0xf); }

  // The seq of the newest change; 0 when a record holds it (has_ref()): it is committed long since.
  Seq mod_seq() const { return has_ref() ? 0 : word_ & kPlaceMask; }
  // REQUIRES: !has_ref().
  void set_mod_seq(Seq seq) { set_place(seq); }
  // Where the engine keeps this very state as a record; it takes the room of mod_seq.
  bool has_ref() const { return has_flag(kRef); }
  RecordRef ref() const { return has_ref() ? word_ & kPlaceMask : 0; }
  // REQUIRES: !dirty(), 0 < ref < 2^48.
  void set_ref(RecordRef ref) {
    set_place(ref);
    set_flag(kRef, true);
  }
  // Gives the ref, or 0, and forgets it: the object is about to change.
  RecordRef take_ref();
  // Seconds of the keyspace's access clock at the last use.
  uint32_t access() const { return access_; }
  void set_access(uint32_t seconds) { access_ = seconds; }
  // In the list of a checkpoint; lists are told apart as even and odd ones (DirtyKeys::odd).
  bool dirty() const { return has_flag(kDirty); }
  bool dirty_in(bool odd) const { return dirty() && has_flag(kOddList) == odd; }
  void set_dirty(bool odd) {
    set_flag(kDirty, true);
    set_flag(kOddList, odd);
  }
  void set_clean() { set_flag(kDirty, false); }

  // Used since the last clear_used(): the second chance of the clock algorithm.
  bool used() const { return has_flag(kUsed); }
  void set_used() { set_flag(kUsed, true); }
  void clear_used() { set_flag(kUsed, false); }
  bool cold() const { return encoding() == Encoding::kCold; }

  // 0 when it never expires.
  int64_t expire_at_ms() const { return has_prefix() ? prefix()->expire_at_ms : 0; }
  bool has_prefix() const { return has_flag(kPrefix); }
  // REQUIRES: has_prefix().
  void set_expire_at_ms(int64_t at) { prefix()->expire_at_ms = at; }
  uint32_t heap_index() const { return prefix()->heap_index; }
  void set_heap_index(uint32_t index) { prefix()->heap_index = index; }

  // The string value; an integer is printed into `scratch`. Valid until the object changes.
  // REQUIRES: a string, !cold(), like all that look at the value but string_size().
  std::string_view string(IntScratch& scratch) const;
  uint64_t string_size() const;
  // The value as a signed 64-bit integer, if it is one exactly as Redis accepts it.
  bool integer(int64_t* out) const;
  // In Redis's words. A string that is cold is told by its size; REQUIRES: no other is.
  std::string_view encoding_name() const;

  bool is_collection() const { return type() != ObjectType::kString; }
  // REQUIRES: is_collection(), !cold(). The object keeps it.
  Collection collection() const { return {encoding(), load_fixed<void*>(payload())}; }
  // Only effects do.
  void set_collection(Collection value);

  // Overwrites the whole value within this allocation. False: it does not fit; nothing changed.
  bool assign_string(std::string_view value);
  // Writes `bytes` at `offset`, padding with zeros. REQUIRES: encoding() == kRaw.
  void write_range(uint64_t offset, std::string_view bytes);
  // The same object laid out anew, `object` being consumed: with the raw encoding and room for
  // `capacity` bytes, or with a prefix that holds `expire_at_ms`. A raw value is moved, not copied.
  static Object* into_raw(Object* object, uint64_t capacity);
  static Object* into_prefixed(Object* object, int64_t expire_at_ms);
  // Without its value, which takes `size` bytes in its record. REQUIRES: has_ref(), !cold().
  static Object* into_cold(Object* object, uint64_t size);
  // With its value again. REQUIRES: cold(), the type being the object's.
  static Object* into_warm(Object* object, std::string_view value);
  static Object* into_warm(Object* object, Collection value);

  // Takes over mod_seq or ref, and whether it is dirty, from the object that this one replaces.
  void inherit_place(const Object& old);

  // Bytes allocated for key, value and header; of a large collection an estimate.
  size_t memory() const;

 private:
  struct Prefix {
    int64_t expire_at_ms;
    uint32_t heap_index;
    uint32_t reserved;
  };
  static constexpr unsigned kTypeAt = 48, kEncodingAt = 52, kFlagsAt = 56;
  static constexpr uint64_t kPlaceMask = (1ULL << 48) - 1;
  static constexpr uint64_t kPrefix = 1ULL << kFlagsAt, kDirty = kPrefix << 1,
                            kEdited = kPrefix << 2, kRef = kPrefix << 3, kOddList = kPrefix << 4,
                            kUsed = kPrefix << 5;
  static constexpr uint16_t kLongKey = 0xffff;

  Object() = default;
  static Object* allocate(std::string_view key, size_t payload, int64_t expire_at_ms, bool prefix);
  void copy_header_from(const Object& other);
  void inherit_rest(const Object& other);  // all but how the value is kept

  bool has_flag(uint64_t flag) const { return (word_ & flag) != 0; }
  void set_flag(uint64_t flag, bool on) { word_ = on ? word_ | flag : word_ & ~flag; }
  void set_place(uint64_t place) { word_ = (word_ & ~kPlaceMask) | (place & kPlaceMask); }
  void set_type(ObjectType type) { set_nibble(kTypeAt, static_cast<uint64_t>(type)); }
  void set_encoding(Encoding to) { set_nibble(kEncodingAt, static_cast<uint64_t>(to)); }
  void set_nibble(unsigned at, uint64_t value) { word_ = (word_ & ~(0xfULL << at)) | value << at; }
  const char* body() const { return reinterpret_cast<const char*>(this + 1); }
  char* body() { return reinterpret_cast<char*>(this + 1); }
  Prefix* prefix() const { return reinterpret_cast<Prefix*>(const_cast<Object*>(this)) - 1; }
  void* block() const {
    return has_prefix() ? static_cast<void*>(prefix()) : const_cast<Object*>(this);
  }
  size_t key_offset() const { return key_size_ == kLongKey ? sizeof(uint32_t) : 0; }
  size_t key_size() const {
    return key_size_ == kLongKey ? load_fixed<uint32_t>(body()) : key_size_;
  }
  char* payload() { return body() + key_offset() + key_size(); }
  const char* payload() const { return body() + key_offset() + key_size(); }
  RawString* raw() const { return load_fixed<RawString*>(payload()); }

  // From the lowest bit: mod_seq, or with kRef the record (48), type (4), encoding (4), flags (8).
  // No bit-fields: to read the whole after a byte of it was written waits until all that was
  // written before has left the processor, a line of the value that is not in its cache included.
  uint64_t word_;
  uint32_t access_;
  uint16_t key_size_;
  uint16_t value_size_;  // of an embedded value
};
static_assert(sizeof(Object) == 16);

// Redis's rule for a string that is an integer: no sign but '-', no leading zero or space, fits.
bool parse_int64(std::string_view text, int64_t* out);
// Writes the decimal form into `out` (at least 21 bytes) and returns it.
std::string_view format_int64(int64_t value, char* out);

}  // namespace holdfast
