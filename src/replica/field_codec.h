// Fields: what messages and the cluster's map are made of, read with every check that a byte from
// another node needs; and the parts that several of them have (docs/PROTOCOL.md, "Messages").
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/codec.h"
#include "replica/view.h"

namespace holdfast {

inline constexpr size_t kMaxMembers = 64;  // of a view

// Reads fields; anything refused makes done() false.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : in_(bytes) {}

  uint64_t number() { return in_.varint(); }
  uint64_t at_most(uint64_t limit) {
    const uint64_t value = in_.varint();
    if (value > limit) valid_ = false;
    return value;
  }
  uint32_t number32() {
    return static_cast<uint32_t>(at_most(std::numeric_limits<uint32_t>::max()));
  }
  template <typename T>
  T fixed() {
    return in_.fixed<T>();
  }
  // A byte of flags, none but `known`.
  uint8_t flags(uint8_t known) {
    const auto bits = in_.fixed<uint8_t>();
    if ((bits & ~known) != 0) valid_ = false;
    return bits;
  }
  // How many follow; 0 when so many cannot.
  size_t count(size_t limit) {
    const uint64_t value = in_.varint();
    if (value <= limit && value <= in_.left()) return static_cast<size_t>(value);
    valid_ = false;
    return 0;
  }
  std::string text(size_t limit) {
    const std::string_view bytes = in_.sized_bytes();
    require(bytes.size() <= limit);
    return std::string(valid_ ? bytes : std::string_view());
  }
  void require(bool holds) { valid_ = valid_ && holds; }
  // All read, nothing left, nothing refused.
  bool done() const { return valid_ && in_.ok() && in_.at_end(); }

 private:
  Reader in_;
  bool valid_ = true;
};

inline void put(std::string& out, const Member& member) {
  put_varint(out, member.node);
  put_fixed(out, member.store);
}
inline void get(Fields& in, Member& member) {
  member.node = in.number32();
  member.store = in.fixed<StoreId>();
}

inline void put(std::string& out, const View& view) {
  HF_ASSERT(view.members.size() <= kMaxMembers);
  put_varint(out, view.epoch);
  put_fixed(out, view.phase);
  put(out, view.primary);
  put_varint(out, view.members.size());
  for (const Member& member : view.members) put(out, member);
  put_varint(out, view.write_quorum);
}
inline void get(Fields& in, View& view) {
  view.epoch = in.number();
  const auto phase = in.fixed<uint8_t>();
  in.require(phase <= static_cast<uint8_t>(ViewPhase::kActive));
  view.phase = static_cast<ViewPhase>(phase);
  get(in, view.primary);
  view.members.resize(in.count(kMaxMembers));
  for (Member& member : view.members) get(in, member);
  view.write_quorum = in.number32();
  in.require(view.write_quorum <= view.members.size());
}

}  // namespace holdfast
