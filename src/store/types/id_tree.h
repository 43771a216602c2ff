// IdTree: values by stream id, in order: a B+ tree whose leaves are linked.
//
// What a stream needs of it decides the shape: ids are mostly added at the end (a leaf that is full
// there stays full, and the next one begins empty), taken away at the front, and looked up near
// both; a tree of a few ids is one small block. Values are plain bytes (moved by memmove).
//
// Invariants:
//   T1  leaves hold ids in ascending order, and no leaf and no inner node is empty;
//   T2  the id that an inner node keeps for a child is not above any id below that child and above
//       all ids below the child before it (for the first child it is not looked at);
//   T3  a leaf beside others has room for kLeafMax entries; a lone one grows up to that.
//
// Threads: the keyspace's.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "base/assert.h"
#include "store/types/stream_id.h"

namespace holdfast {

template <typename Value>
class IdTree {
 public:
  struct Entry {
    StreamId id;
    [[no_unique_address]] Value value;
  };
  static_assert(std::is_trivially_copyable_v<Value>);

 private:
  static constexpr uint32_t kLeafMax = 64;
  static constexpr uint32_t kInnerMax = 64;
  static constexpr int kMaxHeight = 16;

  struct Leaf {
    Leaf* prev;
    Leaf* next;
    uint32_t count;
    uint32_t capacity;
    Entry entries[];
  };
  struct Inner {
    uint32_t count;
    StreamId ids[kInnerMax];
    void* children[kInnerMax];
  };

 public:
  // Where an entry is; nowhere at first and behind either end. A change of the tree ends its life.
  class Cursor {
   public:
    Cursor() = default;
    explicit operator bool() const { return leaf_ != nullptr; }
    const StreamId& id() const { return leaf_->entries[index_].id; }
    Value& value() const { return leaf_->entries[index_].value; }
    void next() {
      if (++index_ < leaf_->count) return;
      leaf_ = leaf_->next;
      index_ = 0;
    }
    void prev() {
      if (index_-- > 0) return;
      leaf_ = leaf_->prev;
      index_ = leaf_ == nullptr ? 0 : leaf_->count - 1;
    }

   private:
    friend class IdTree;
    Cursor(Leaf* leaf, uint32_t index) : leaf_(leaf), index_(index) {}
    Leaf* leaf_ = nullptr;
    uint32_t index_ = 0;
  };

  IdTree() = default;
  ~IdTree() { clear(); }
  IdTree(const IdTree&) = delete;
  IdTree& operator=(const IdTree&) = delete;

  uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Leaves and inner nodes.
  uint64_t nodes() const { return nodes_; }
  size_t memory() const {
    if (height_ == 0) return first_ == nullptr ? 0 : leaf_bytes(first_->capacity);
    return nodes_ * leaf_bytes(kLeafMax);
  }

  Cursor first() const { return {first_, 0}; }
  Cursor last() const { return {last_, last_ == nullptr ? 0 : last_->count - 1}; }
  // The first entry at or above `id`.
  Cursor at_or_after(const StreamId& id) const {
    if (root_ == nullptr) return {};
    Leaf* leaf = find_leaf(id);
    const uint32_t index = lower_bound(leaf, id);
    return index < leaf->count ? Cursor(leaf, index) : Cursor(leaf->next, 0);
  }
  // The last entry at or below `id`.
  Cursor at_or_before(const StreamId& id) const {
    if (root_ == nullptr) return {};
    Leaf* leaf = find_leaf(id);
    const uint32_t index = lower_bound(leaf, id);
    if (index < leaf->count && leaf->entries[index].id == id) return {leaf, index};
    Cursor cursor(leaf, index);
    cursor.prev();
    return cursor;
  }
  // Null when it is not there.
  Value* find(const StreamId& id) const {
    if (root_ == nullptr) return nullptr;
    Leaf* leaf = find_leaf(id);
    const uint32_t index = lower_bound(leaf, id);
    return index < leaf->count && leaf->entries[index].id == id ? &leaf->entries[index].value
                                                                : nullptr;
  }

  // The value of `id`, which is added with `value` if it is not there; `second`: it was added.
  std::pair<Value*, bool> insert(const StreamId& id, const Value& value);
  // False when it is not there.
  bool erase(const StreamId& id);
  void clear() {
    uint64_t budget = UINT64_MAX;
    clear_some(&budget, [](Value&) {});
  }
  // Gives the values to `take` one after the other and forgets them, as far as the budget of
  // entries goes; true when the tree is empty. Nothing else may be done with a tree that is not.
  template <typename Take>
  bool clear_some(uint64_t* budget, Take take);

 private:
  struct Path {
    Inner* inner[kMaxHeight];
    uint32_t index[kMaxHeight];
  };

  static size_t leaf_bytes(uint32_t capacity) { return sizeof(Leaf) + capacity * sizeof(Entry); }
  static void* checked(void* memory) {
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
  }
  Leaf* new_leaf(uint32_t capacity) {
    auto* leaf = static_cast<Leaf*>(checked(std::malloc(leaf_bytes(capacity))));
    leaf->prev = leaf->next = nullptr;
    leaf->count = 0;
    leaf->capacity = capacity;
    ++nodes_;
    return leaf;
  }
  Inner* new_inner() {
    auto* inner = static_cast<Inner*>(checked(std::malloc(sizeof(Inner))));
    inner->count = 0;
    ++nodes_;
    return inner;
  }
  void free_node(void* node) {
    std::free(node);
    --nodes_;
  }

  static uint32_t lower_bound(const Leaf* leaf, const StreamId& id) {
    const Entry* end = leaf->entries + leaf->count;
    // The end is where most ids are looked for.
    if (end[-1].id < id) return leaf->count;
    const Entry* at = std::lower_bound(leaf->entries, end, id,
                                       [](const Entry& e, const StreamId& i) { return e.id < i; });
    return static_cast<uint32_t>(at - leaf->entries);
  }
  static uint32_t child_for(const Inner* inner, const StreamId& id) {
    const StreamId* at = std::upper_bound(inner->ids + 1, inner->ids + inner->count, id);
    return static_cast<uint32_t>(at - inner->ids) - 1;
  }
  Leaf* find_leaf(const StreamId& id) const {
    if (id >= last_->entries[0].id) return last_;
    if (id <= first_->entries[first_->count - 1].id) return first_;
    void* node = root_;
    for (int level = height_; level > 0; --level) {
      auto* inner = static_cast<Inner*>(node);
      node = inner->children[child_for(inner, id)];
    }
    return static_cast<Leaf*>(node);
  }
  Leaf* descend(const StreamId& id, Path* path) const {
    void* node = root_;
    for (int level = height_; level > 0; --level) {
      auto* inner = static_cast<Inner*>(node);
      path->inner[level] = inner;
      path->index[level] = child_for(inner, id);
      node = inner->children[path->index[level]];
    }
    return static_cast<Leaf*>(node);
  }

  Value* place(Leaf* leaf, uint32_t index, const StreamId& id, const Value& value) {
    Entry* at = leaf->entries + index;
    std::memmove(static_cast<void*>(at + 1), at, (leaf->count - index) * sizeof(Entry));
    at->id = id;
    at->value = value;
    ++leaf->count;
    ++size_;
    return &at->value;
  }
  Leaf* grow_lone_leaf() {
    Leaf* old = first_;
    const uint32_t capacity = std::min(kLeafMax, old->capacity * 2);
    first_ = static_cast<Leaf*>(checked(std::realloc(old, leaf_bytes(capacity))));
    first_->capacity = capacity;
    root_ = last_ = first_;
    return first_;
  }
  Leaf* split_leaf(Leaf* leaf, uint32_t index);
  void add_child(Path& path, int level, const StreamId& id, void* child);
  void remove_child(Path& path, int level);
  void merge_leaf(Path& path, Leaf* leaf);
  void merge_inner(Path& path, int level);
  static void append_children(Inner* to, const Inner* from, uint32_t begin);
  static void drop_child(Inner* inner, uint32_t index);
  void shrink_root() {
    while (height_ > 0 && static_cast<Inner*>(root_)->count == 1) {
      void* old = root_;
      root_ = static_cast<Inner*>(root_)->children[0];
      free_node(old);
      --height_;
    }
  }

  void* root_ = nullptr;  // a leaf when height_ is 0
  Leaf* first_ = nullptr;
  Leaf* last_ = nullptr;
  uint64_t size_ = 0;
  uint32_t nodes_ = 0;
  int height_ = 0;
};

template <typename Value>
std::pair<Value*, bool> IdTree<Value>::insert(const StreamId& id, const Value& value) {
  if (root_ == nullptr) {
    root_ = first_ = last_ = new_leaf(1);
    return {place(first_, 0, id, value), true};
  }
  if (last_->count < last_->capacity && last_->entries[last_->count - 1].id < id) {
    return {place(last_, last_->count, id, value), true};
  }
  Path path;
  Leaf* leaf = descend(id, &path);
  uint32_t index = lower_bound(leaf, id);
  if (index < leaf->count && leaf->entries[index].id == id) {
    return {&leaf->entries[index].value, false};
  }
  if (leaf->count == leaf->capacity && leaf->capacity < kLeafMax) leaf = grow_lone_leaf();
  if (leaf->count == kLeafMax) {
    Leaf* right = split_leaf(leaf, index);
    const StreamId first = right->count == 0 ? id : right->entries[0].id;
    add_child(path, 1, first, right);
    if (index >= leaf->count && (right->count == 0 || id > first)) {
      index -= leaf->count;
      leaf = right;
    }
  }
  return {place(leaf, index, id, value), true};
}

// Makes a leaf to the right of a full one, with its upper half; empty when the new entry, at
// `index`, comes behind all.
template <typename Value>
typename IdTree<Value>::Leaf* IdTree<Value>::split_leaf(Leaf* leaf, uint32_t index) {
  Leaf* right = new_leaf(kLeafMax);
  const bool at_end = leaf == last_ && index == leaf->count;
  const uint32_t keep = at_end ? leaf->count : leaf->count / 2;
  right->count = leaf->count - keep;
  std::memcpy(static_cast<void*>(right->entries), leaf->entries + keep,
              right->count * sizeof(Entry));
  leaf->count = keep;
  right->next = leaf->next;
  right->prev = leaf;
  leaf->next = right;
  if (right->next != nullptr) {
    right->next->prev = right;
  } else {
    last_ = right;
  }
  return right;
}

// Puts a child behind the one that `path` names at `level`.
template <typename Value>
void IdTree<Value>::add_child(Path& path, int level, const StreamId& id, void* child) {
  if (level > height_) {
    HF_ASSERT(level < kMaxHeight);
    Inner* root = new_inner();
    root->count = 2;
    root->ids[0] = StreamId();
    root->children[0] = root_;
    root->ids[1] = id;
    root->children[1] = child;
    root_ = root;
    height_ = level;
    return;
  }
  Inner* inner = path.inner[level];
  uint32_t index = path.index[level] + 1;
  if (inner->count == kInnerMax) {
    Inner* right = new_inner();
    const uint32_t keep = index == kInnerMax ? kInnerMax : kInnerMax / 2;
    append_children(right, inner, keep);
    inner->count = keep;
    add_child(path, level + 1, right->count == 0 ? id : right->ids[0], right);
    if (index > keep || right->count == 0) {
      index -= keep;
      inner = right;
    }
  }
  std::memmove(inner->ids + index + 1, inner->ids + index,
               (inner->count - index) * sizeof(StreamId));
  std::memmove(inner->children + index + 1, inner->children + index,
               (inner->count - index) * sizeof(void*));
  inner->ids[index] = id;
  inner->children[index] = child;
  ++inner->count;
}

template <typename Value>
void IdTree<Value>::append_children(Inner* to, const Inner* from, uint32_t begin) {
  const uint32_t count = from->count - begin;
  std::memcpy(to->ids + to->count, from->ids + begin, count * sizeof(StreamId));
  std::memcpy(to->children + to->count, from->children + begin, count * sizeof(void*));
  to->count += count;
}

template <typename Value>
void IdTree<Value>::drop_child(Inner* inner, uint32_t index) {
  const uint32_t behind = --inner->count - index;
  std::memmove(inner->ids + index, inner->ids + index + 1, behind * sizeof(StreamId));
  std::memmove(inner->children + index, inner->children + index + 1, behind * sizeof(void*));
}

template <typename Value>
bool IdTree<Value>::erase(const StreamId& id) {
  if (root_ == nullptr) return false;
  Path path;
  Leaf* leaf = descend(id, &path);
  const uint32_t index = lower_bound(leaf, id);
  if (index == leaf->count || leaf->entries[index].id != id) return false;
  --size_;
  --leaf->count;
  std::memmove(static_cast<void*>(leaf->entries + index), leaf->entries + index + 1,
               (leaf->count - index) * sizeof(Entry));
  if (leaf->count == 0) {
    (leaf->prev == nullptr ? first_ : leaf->prev->next) = leaf->next;
    (leaf->next == nullptr ? last_ : leaf->next->prev) = leaf->prev;
    free_node(leaf);
    if (height_ == 0) {
      root_ = nullptr;
    } else {
      remove_child(path, 1);
    }
  } else if (height_ > 0 && leaf->count < kLeafMax / 4) {
    merge_leaf(path, leaf);
  }
  return true;
}

template <typename Value>
void IdTree<Value>::remove_child(Path& path, int level) {
  Inner* inner = path.inner[level];
  drop_child(inner, path.index[level]);
  if (inner->count == 0) {  // never the root: that one has two children at least
    free_node(inner);
    remove_child(path, level + 1);
    return;
  }
  if (level == height_) {
    shrink_root();
  } else if (inner->count < kInnerMax / 4) {
    merge_inner(path, level);
  }
}

// Joins a leaf that has become small with one beside it, under the same node, if there is room.
template <typename Value>
void IdTree<Value>::merge_leaf(Path& path, Leaf* leaf) {
  Inner* parent = path.inner[1];
  uint32_t index = path.index[1];
  const auto joins = [leaf](const Leaf* other) {
    return leaf->count + other->count <= kLeafMax * 3 / 4;
  };
  Leaf* left = leaf;
  if (index + 1 < parent->count && joins(leaf->next)) {
    ++index;
  } else if (index > 0 && joins(leaf->prev)) {
    left = leaf->prev;
  } else {
    return;
  }
  Leaf* right = left->next;
  std::memcpy(static_cast<void*>(left->entries + left->count), right->entries,
              right->count * sizeof(Entry));
  left->count += right->count;
  left->next = right->next;
  (right->next == nullptr ? last_ : right->next->prev) = left;
  free_node(right);
  path.index[1] = index;
  remove_child(path, 1);
}

template <typename Value>
void IdTree<Value>::merge_inner(Path& path, int level) {
  Inner* parent = path.inner[level + 1];
  uint32_t index = path.index[level + 1];
  const auto child = [parent](uint32_t i) { return static_cast<Inner*>(parent->children[i]); };
  const auto joins = [&](uint32_t i) {
    return child(i)->count + child(i + 1)->count <= kInnerMax * 3 / 4;
  };
  if (index + 1 < parent->count && joins(index)) {
    ++index;
  } else if (index == 0 || !joins(index - 1)) {
    return;
  }
  Inner* right = child(index);
  right->ids[0] = parent->ids[index];  // now it is looked at
  append_children(child(index - 1), right, 0);
  free_node(right);
  path.index[level + 1] = index;
  remove_child(path, level + 1);
}

template <typename Value>
template <typename Take>
bool IdTree<Value>::clear_some(uint64_t* budget, Take take) {
  // Inner nodes first: without them the tree is only a list of leaves.
  const auto free_inner = [this](const auto& self, void* node, int level) -> void {
    if (level == 0) return;
    auto* inner = static_cast<Inner*>(node);
    for (uint32_t i = 0; i < inner->count && level > 1; ++i) {
      self(self, inner->children[i], level - 1);
    }
    free_node(inner);
  };
  free_inner(free_inner, root_, height_);
  height_ = 0;
  root_ = nullptr;
  while (first_ != nullptr) {
    if (*budget == 0) return false;
    for (uint32_t i = 0; i < first_->count; ++i) take(first_->entries[i].value);
    *budget -= std::min<uint64_t>(*budget, first_->count);
    size_ -= first_->count;
    Leaf* next = first_->next;
    free_node(first_);
    first_ = next;
  }
  last_ = nullptr;
  return true;
}

}  // namespace holdfast
