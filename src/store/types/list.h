// Lists: a listpack while it is small (list_max_listpack_size), a quicklist beyond that.
//
// Effects name elements by their index: a list has no other names. They are applied to the very
// contents that they were made for, because an entry is not replayed over an image that is newer.
// Where it is replayed over less than there was (docs/ONDISK.md), an index that is not there is
// left alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "store/collection.h"
#include "store/types/listpack.h"
#include "store/types/quicklist.h"

namespace holdfast {

extern const CollectionType kListType;

uint64_t list_size(const Collection& list);
// As encode() of the type, for a record: its nodes are not compressed, since a store compresses
// the record as a whole, faster, and they may be many.
void encode_list_record(const Collection& list, std::string* out);

// Goes through a list from one of its elements on, forwards or backwards.
//
//   for (ListCursor at(list, 0, true); at.valid(); at.step()) use(at.get());
class ListCursor {
 public:
  // An index that is not there: valid() is false.
  ListCursor(const Collection& list, int64_t index, bool forward);

  bool valid() const { return data_ != nullptr; }
  // REQUIRES: valid(). Lives until the list changes.
  Listpack::Element get() const {
    if (plain_size_ != 0) return {{data_, plain_size_}, 0, false};
    return Listpack(data_).get(at_);
  }
  void step();
  bool equals(std::string_view text) const {
    return plain_size_ != 0 ? std::string_view(data_, plain_size_) == text
                            : Listpack(data_).equals(at_, text);
  }

 private:
  void enter(const Quicklist::Chunk* chunk);

  const Quicklist::Chunk* chunk_ = nullptr;  // null in a listpack
  char* data_ = nullptr;
  uint32_t plain_size_ = 0;
  Listpack::Pos at_ = 0;
  const bool forward_;
};

// The bytes of an element; an integer is printed into `scratch`.
inline std::string_view element_text(const Listpack::Element& element, IntScratch& scratch) {
  return element.is_number ? format_int64(element.number, scratch.bytes) : element.text;
}

// --- operands of the effects ---

enum class ListSide : uint8_t { kFront = 0, kBack = 1 };

// kListPop: what remains is the rest. `count` may be all.
inline void put_list_pop(std::string& out, ListSide side, uint64_t count) {
  put_fixed(out, side);
  put_varint(out, count);
}
// kListSet, kListInsert (before the index; the size: behind all).
inline void put_list_element(std::string& out, uint64_t index, std::string_view element) {
  put_varint(out, index);
  put_bytes(out, element);
}
// kListRemove: up to `count` equal elements from that side.
inline void put_list_remove(std::string& out, ListSide side, uint64_t count,
                            std::string_view element) {
  put_fixed(out, side);
  put_varint(out, count);
  put_bytes(out, element);
}

}  // namespace holdfast
