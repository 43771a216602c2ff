// See rank_tree.h.
#include "store/types/rank_tree.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>

#include "base/assert.h"

namespace holdfast {
namespace {

// Nodes are joined when what is in both fills at most three quarters of one.
constexpr uint32_t joined_at_most(uint32_t max) { return max * 3 / 4; }

void* allocate(size_t bytes) {
  void* block = std::malloc(bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

// Makes room for one more at `at` among `used`.
template <typename T>
void open_gap(T* items, uint32_t at, uint32_t used) {
  std::memmove(items + at + 1, items + at, (used - at) * sizeof(T));
}

template <typename T>
void close_gap(T* items, uint32_t at, uint32_t used) {
  std::memmove(items + at, items + at + 1, (used - at - 1) * sizeof(T));
}

}  // namespace

ScoredMember* ScoredMember::create(std::string_view member, double score) {
  const size_t bytes = offsetof(ScoredMember, bytes) + member.size();
  auto* entry = static_cast<ScoredMember*>(allocate(std::max(bytes, sizeof(ScoredMember))));
  entry->score = score;
  entry->size = static_cast<uint32_t>(member.size());
  if (!member.empty()) std::memcpy(entry->bytes, member.data(), member.size());
  return entry;
}

void ScoredMember::destroy(ScoredMember* entry) { std::free(entry); }

size_t ScoredMember::memory() const { return malloc_usable_size(const_cast<ScoredMember*>(this)); }

namespace {

template <typename Node>
uint32_t used(const void* node) {
  return static_cast<const Node*>(node)->used;
}

}  // namespace

// Where the entry itself is: path.leaf->entries[path.at].
void RankTree::locate(const ScoredMember* entry, Path* path) const {
  const double score = entry->score;
  const std::string_view member = entry->member();
  descend(
      [score, member](double s, const ScoredMember* e) {
        return s < score || (s == score && e->member() <= member);
      },
      path);
  HF_ASSERT(path->at > 0 && path->leaf->entries[path->at - 1] == entry);
  --path->at;
}

uint64_t RankTree::rank_of(const Path& path) const {
  uint64_t rank = path.at;
  for (int level = 0; level < height_; ++level) {
    const Inner* node = path.node[level];
    for (uint32_t i = 0; i < path.index[level]; ++i) rank += node->counts[i];
  }
  return rank;
}

uint64_t RankTree::rank(const ScoredMember* entry) const {
  Path path;
  locate(entry, &path);
  return rank_of(path);
}

RankTree::Cursor RankTree::at(uint64_t rank) const {
  Cursor cursor;
  if (rank >= size_) return cursor;
  void* node = root_;
  for (int level = 0; level < height_; ++level) {
    const auto* inner = static_cast<const Inner*>(node);
    uint32_t i = 0;
    for (; rank >= inner->counts[i]; ++i) rank -= inner->counts[i];
    node = inner->children[i];
  }
  cursor.leaf_ = static_cast<Leaf*>(node);
  cursor.index_ = static_cast<uint32_t>(rank);
  return cursor;
}

// Tells the parent anew what its child at `i` begins with. `level`: the parent's.
void RankTree::refresh(Inner* node, uint32_t i, int level) const {
  if (leaf_level(level)) {
    node->firsts[i] = static_cast<Leaf*>(node->children[i])->entries[0];
    node->scores[i] = node->firsts[i]->score;
  } else {
    const auto* child = static_cast<const Inner*>(node->children[i]);
    node->firsts[i] = child->firsts[0];
    node->scores[i] = child->scores[0];
  }
}

// --- inserting ---

void RankTree::insert(ScoredMember* entry) {
  if (root_ == nullptr) {
    auto* leaf = static_cast<Leaf*>(allocate(sizeof(Leaf)));
    *leaf = {};
    root_ = leaf;
    ++leaves_;
  }
  const double score = entry->score;
  const std::string_view member = entry->member();
  Path path;
  descend([score, member](double s,
                          const ScoredMember* e) { return scored_before(s, e, score, member); },
          &path);
  insert_at(path, entry);
}

namespace {

// Where a full node is cut for a new item at `at`: at an end of the whole level what is there stays
// together, because the next item is likely to come to the same end.
uint32_t cut_for(uint32_t at, uint32_t used, bool first, bool last) {
  if (at == used && last) return used;
  if (at == 0 && first) return 0;
  return used / 2;
}

// Whether the item at `at` belongs to the part behind the cut.
bool behind_cut(uint32_t at, uint32_t cut) { return at > cut || (at == cut && cut != 0); }

}  // namespace

// Gives the new right neighbour if the leaf was full.
RankTree::Leaf* RankTree::put_into_leaf(Leaf* leaf, uint32_t at, ScoredMember* entry) {
  Leaf* right = nullptr;
  Leaf* target = leaf;
  if (leaf->used == Leaf::kMax) {
    right = static_cast<Leaf*>(allocate(sizeof(Leaf)));
    ++leaves_;
    const uint32_t cut = cut_for(at, leaf->used, leaf->prev == nullptr, leaf->next == nullptr);
    right->used = leaf->used - cut;
    std::memcpy(right->entries, leaf->entries + cut, right->used * sizeof leaf->entries[0]);
    leaf->used = cut;
    right->prev = leaf;
    right->next = leaf->next;
    if (right->next != nullptr) right->next->prev = right;
    leaf->next = right;
    if (behind_cut(at, cut)) {
      target = right;
      at -= cut;
    }
  }
  open_gap(target->entries, at, target->used);
  target->entries[at] = entry;
  ++target->used;
  return right;
}

// Puts a child with `count` members behind the one on the path. Gives the new right neighbour if
// the node was full.
RankTree::Inner* RankTree::put_into_inner(const Path& path, int level, void* child,
                                          uint32_t count) {
  Inner* node = path.node[level];
  uint32_t at = path.index[level] + 1;
  Inner* right = nullptr;
  Inner* target = node;
  if (node->used == Inner::kMax) {
    bool last = true;
    for (int l = 0; l < level; ++l) last = last && path.index[l] + 1 == path.node[l]->used;
    right = static_cast<Inner*>(allocate(sizeof(Inner)));
    ++inners_;
    const uint32_t cut = cut_for(at, node->used, false, last);
    right->used = node->used - cut;
    std::memcpy(right->counts, node->counts + cut, right->used * sizeof node->counts[0]);
    std::memcpy(right->scores, node->scores + cut, right->used * sizeof node->scores[0]);
    std::memcpy(right->firsts, node->firsts + cut, right->used * sizeof node->firsts[0]);
    std::memcpy(right->children, node->children + cut, right->used * sizeof node->children[0]);
    node->used = cut;
    if (behind_cut(at, cut)) {
      target = right;
      at -= cut;
    }
  }
  open_gap(target->counts, at, target->used);
  open_gap(target->scores, at, target->used);
  open_gap(target->firsts, at, target->used);
  open_gap(target->children, at, target->used);
  target->counts[at] = count;
  target->children[at] = child;
  ++target->used;
  refresh(target, at, level);
  return right;
}

// The root was split: a new one above both halves, `count` members being in the right one.
void RankTree::grow(void* right, uint32_t count) {
  HF_ASSERT(height_ < kMaxHeight);
  auto* root = static_cast<Inner*>(allocate(sizeof(Inner)));
  ++inners_;
  root->used = 2;
  root->children[0] = root_;
  root->children[1] = right;
  root->counts[0] = static_cast<uint32_t>(size_) - count;
  root->counts[1] = count;
  root_ = root;
  ++height_;
  refresh(root, 0, 0);
  refresh(root, 1, 0);
}

void RankTree::insert_at(const Path& path, ScoredMember* entry) {
  ++size_;
  // What a split adds to the right of the path, one level below.
  const Leaf* leaf = put_into_leaf(path.leaf, path.at, entry);
  void* added = const_cast<Leaf*>(leaf);
  uint32_t count = leaf == nullptr ? 0 : leaf->used;
  for (int level = height_ - 1; level >= 0; --level) {
    Inner* node = path.node[level];
    node->counts[path.index[level]] += 1 - count;
    refresh(node, path.index[level], level);
    if (added == nullptr) continue;
    Inner* right = put_into_inner(path, level, added, count);
    added = right;
    count = right == nullptr ? 0 : std::accumulate(right->counts, right->counts + right->used, 0U);
  }
  if (added != nullptr) grow(added, count);
}

// --- erasing ---

void RankTree::erase(const ScoredMember* entry) {
  Path path;
  locate(entry, &path);
  erase_at(path);
}

void RankTree::erase_at(const Path& path) {
  --size_;
  Leaf* leaf = path.leaf;
  close_gap(leaf->entries, path.at, leaf->used);
  --leaf->used;
  for (int level = height_ - 1; level >= 0; --level) {
    Inner* node = path.node[level];
    const uint32_t i = path.index[level];
    --node->counts[i];
    if (node->counts[i] == 0) {
      remove_child(node, i, level);
    } else {
      refresh(node, i, level);
      join_around(node, i, level);
    }
  }
  if (size_ == 0) {
    free_below(root_, 0);
    root_ = nullptr;
    height_ = 0;
    return;
  }
  while (height_ > 0 && static_cast<Inner*>(root_)->used == 1) {
    void* only = static_cast<Inner*>(root_)->children[0];
    std::free(root_);
    --inners_;
    root_ = only;
    --height_;
  }
}

// Frees the child's node and takes it out of its parent at `level`.
void RankTree::remove_child(Inner* node, uint32_t i, int level) {
  if (leaf_level(level)) {
    const auto* leaf = static_cast<const Leaf*>(node->children[i]);
    if (leaf->prev != nullptr) leaf->prev->next = leaf->next;
    if (leaf->next != nullptr) leaf->next->prev = leaf->prev;
    --leaves_;
  } else {
    --inners_;
  }
  std::free(node->children[i]);
  close_gap(node->counts, i, node->used);
  close_gap(node->scores, i, node->used);
  close_gap(node->firsts, i, node->used);
  close_gap(node->children, i, node->used);
  --node->used;
}

// Joins the child at `i`, which has become smaller, with a neighbour if both fit (R2).
void RankTree::join_around(Inner* node, uint32_t i, int level) {
  if (i + 1 < node->used && join(node, i, level)) return;
  if (i > 0) join(node, i - 1, level);
}

// Moves all of the child behind `left` into it, if that is not too much.
bool RankTree::join(Inner* node, uint32_t left, int level) {
  void* a = node->children[left];
  void* b = node->children[left + 1];
  if (leaf_level(level)) {
    if (used<Leaf>(a) + used<Leaf>(b) > joined_at_most(Leaf::kMax)) return false;
    auto* to = static_cast<Leaf*>(a);
    const auto* from = static_cast<const Leaf*>(b);
    std::memcpy(to->entries + to->used, from->entries, from->used * sizeof from->entries[0]);
    to->used += from->used;
  } else {
    if (used<Inner>(a) + used<Inner>(b) > joined_at_most(Inner::kMax)) return false;
    auto* to = static_cast<Inner*>(a);
    const auto* from = static_cast<const Inner*>(b);
    const uint32_t n = to->used;
    std::memcpy(to->counts + n, from->counts, from->used * sizeof from->counts[0]);
    std::memcpy(to->scores + n, from->scores, from->used * sizeof from->scores[0]);
    std::memcpy(to->firsts + n, from->firsts, from->used * sizeof from->firsts[0]);
    std::memcpy(to->children + n, from->children, from->used * sizeof from->children[0]);
    to->used += from->used;
  }
  node->counts[left] += node->counts[left + 1];
  remove_child(node, left + 1, level);
  return true;
}

void RankTree::move(ScoredMember* entry, double score) {
  Path path;
  locate(entry, &path);
  // Between the same neighbours only the score changes; at a leaf's edge parents would have to be
  // told, which is left to the general case.
  const Leaf* leaf = path.leaf;
  const uint32_t i = path.at;
  if (i > 0 && i + 1 < leaf->used) {
    const ScoredMember* before = leaf->entries[i - 1];
    const ScoredMember* after = leaf->entries[i + 1];
    if (scored_before(before->score, before, score, entry->member()) &&
        !scored_before(after->score, after, score, entry->member())) {
      entry->score = score;
      return;
    }
  }
  erase_at(path);
  entry->score = score;
  insert(entry);
}

// --- all at once ---

void RankTree::free_below(void* node, int level) {
  if (level < height_) {
    const auto* inner = static_cast<const Inner*>(node);
    for (uint32_t i = 0; i < inner->used; ++i) free_below(inner->children[i], level + 1);
    --inners_;
  } else {
    --leaves_;
  }
  std::free(node);
}

void RankTree::clear() {
  if (root_ != nullptr) free_below(root_, 0);
  root_ = nullptr;
  height_ = 0;
  size_ = 0;
}

bool RankTree::drop_leaf() {
  if (root_ == nullptr) return false;
  Inner* above[kMaxHeight];
  void* node = root_;
  for (int level = 0; level < height_; ++level) {
    above[level] = static_cast<Inner*>(node);
    node = above[level]->children[above[level]->used - 1];
  }
  std::free(node);
  --leaves_;
  for (int level = height_ - 1; level >= 0; --level) {
    if (--above[level]->used > 0) return true;
    std::free(above[level]);
    --inners_;
  }
  root_ = nullptr;
  height_ = 0;
  size_ = 0;
  return true;
}

size_t RankTree::memory() const {
  return leaves_ * sizeof(Leaf) + inners_ * size_t{1024};  // as the allocator rounds it
}

bool RankTree::consistent_below(const void* node, int level, uint64_t* count,
                                const Leaf** previous) const {
  if (level == height_) {
    const auto* leaf = static_cast<const Leaf*>(node);
    *count = leaf->used;
    if (leaf->used == 0 || leaf->used > Leaf::kMax || leaf->prev != *previous) return false;
    if (*previous != nullptr && (*previous)->next != leaf) return false;
    for (uint32_t i = 0; i < leaf->used; ++i) {
      if (i == 0 && *previous == nullptr) continue;
      const ScoredMember* before =
          i > 0 ? leaf->entries[i - 1] : (*previous)->entries[(*previous)->used - 1];
      const ScoredMember* entry = leaf->entries[i];
      if (!scored_before(before->score, before, entry->score, entry->member())) return false;
    }
    *previous = leaf;
    return true;
  }
  const auto* inner = static_cast<const Inner*>(node);
  *count = 0;
  if (inner->used == 0 || inner->used > Inner::kMax) return false;
  for (uint32_t i = 0; i < inner->used; ++i) {
    const void* child = inner->children[i];
    uint64_t below = 0;
    if (!consistent_below(child, level + 1, &below, previous)) return false;
    const bool leaves = leaf_level(level);
    const ScoredMember* first = leaves ? static_cast<const Leaf*>(child)->entries[0]
                                       : static_cast<const Inner*>(child)->firsts[0];
    if (below != inner->counts[i] || first != inner->firsts[i]) return false;
    if (first->score != inner->scores[i]) return false;
    *count += below;
  }
  return true;
}

bool RankTree::consistent() const {
  if (root_ == nullptr) return size_ == 0 && height_ == 0 && leaves_ == 0 && inners_ == 0;
  uint64_t count = 0;
  const Leaf* last = nullptr;
  return consistent_below(root_, 0, &count, &last) && last->next == nullptr && count == size_;
}

}  // namespace holdfast
