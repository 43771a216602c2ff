// RankTree: the order of a large sorted set: members by score, those of one score by their bytes. A
// B+ tree whose inner nodes count what is below them, so that rank and element are found from each
// other, and the bounds of a range, in O(log n).
//
// Invariants:
//   R1  an inner node knows for each child the number of members below it, the first of them, and
//       that one's score, which decides most comparisons without a look at the member;
//   R2  no node is empty; one that loses a member is joined with a neighbour if both fill no more
//       than three quarters of a node. Members that come in order fill their leaves.
//
// The tree does not own the members.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast {

// A member with its score, one allocation.
struct ScoredMember {
  double score;
  uint32_t size;
  char bytes[];

  static ScoredMember* create(std::string_view member, double score);
  static void destroy(ScoredMember* entry);

  std::string_view member() const { return {bytes, size}; }
  size_t memory() const;
};

// Whether (score, entry's member) comes before (other_score, other).
inline bool scored_before(double score, const ScoredMember* entry, double other_score,
                          std::string_view other) {
  return score < other_score || (score == other_score && entry->member() < other);
}

class RankTree {
  struct Leaf;
  struct Inner;

 public:
  RankTree() = default;
  ~RankTree() { clear(); }
  RankTree(const RankTree&) = delete;
  RankTree& operator=(const RankTree&) = delete;

  uint64_t size() const { return size_; }

  // A member in the tree, or none. Valid until the tree changes.
  class Cursor {
   public:
    bool valid() const { return leaf_ != nullptr; }
    ScoredMember* get() const;
    void next();
    void prev();

   private:
    friend class RankTree;
    Leaf* leaf_ = nullptr;
    uint32_t index_ = 0;
  };

  // REQUIRES: no equal member of equal score is there.
  void insert(ScoredMember* entry);
  // REQUIRES: it is there.
  void erase(const ScoredMember* entry);
  // Gives the member another score and its place. REQUIRES: it is there.
  void move(ScoredMember* entry, double score);

  // How many members come before the entry. REQUIRES: it is there.
  uint64_t rank(const ScoredMember* entry) const;
  // How many members from the first on `before` is true of; it is called with the score and the
  // entry, and must be true up to some member and false from there on.
  template <typename Before>
  uint64_t count_before(Before before) const;
  // The member of this rank; none when there is none.
  Cursor at(uint64_t rank) const;

  // Takes all members out, without touching them.
  void clear();
  // For a tree that is being thrown away piece by piece, its members perhaps freed already: frees
  // one leaf. False when none is left. REQUIRES: nothing else is called from now on.
  bool drop_leaf();

  size_t memory() const;
  // Whether all invariants hold; for tests.
  bool consistent() const;

 private:
  static constexpr int kMaxHeight = 16;
  // Where a descent went: the inner nodes from the root on, the child taken in each, and the leaf
  // with an index, at which the wanted place is.
  struct Path {
    Inner* node[kMaxHeight];
    uint32_t index[kMaxHeight];
    Leaf* leaf;
    uint32_t at;
  };

  template <typename Before>
  void descend(Before before, Path* path) const;
  void locate(const ScoredMember* entry, Path* path) const;
  uint64_t rank_of(const Path& path) const;
  void insert_at(const Path& path, ScoredMember* entry);
  Leaf* put_into_leaf(Leaf* leaf, uint32_t at, ScoredMember* entry);
  Inner* put_into_inner(const Path& path, int level, void* child, uint32_t count);
  void grow(void* right, uint32_t count);
  void erase_at(const Path& path);
  bool leaf_level(int level) const { return level == height_ - 1; }
  void refresh(Inner* node, uint32_t i, int level) const;
  void join_around(Inner* node, uint32_t i, int level);
  bool join(Inner* node, uint32_t left, int level);
  void remove_child(Inner* node, uint32_t i, int level);
  void free_below(void* node, int level);
  bool consistent_below(const void* node, int level, uint64_t* count, const Leaf** previous) const;

  void* root_ = nullptr;  // a leaf when height_ is 0
  int height_ = 0;        // inner nodes between the root and a leaf
  uint32_t leaves_ = 0;
  uint32_t inners_ = 0;
  uint64_t size_ = 0;
};

// --- nodes ---

struct RankTree::Leaf {
  static constexpr uint32_t kMax = 61;  // 512 bytes in all
  Leaf* prev;
  Leaf* next;
  uint32_t used;
  ScoredMember* entries[kMax];
};

struct RankTree::Inner {
  static constexpr uint32_t kMax = 36;  // just below 1 KiB in all
  uint32_t used;
  uint32_t counts[kMax];
  double scores[kMax];
  ScoredMember* firsts[kMax];
  void* children[kMax];
};

inline ScoredMember* RankTree::Cursor::get() const { return leaf_->entries[index_]; }

inline void RankTree::Cursor::next() {
  if (++index_ < leaf_->used) return;
  leaf_ = leaf_->next;
  index_ = 0;
}

inline void RankTree::Cursor::prev() {
  if (index_-- > 0) return;
  leaf_ = leaf_->prev;
  if (leaf_ != nullptr) index_ = leaf_->used - 1;
}

template <typename Before>
void RankTree::descend(Before before, Path* path) const {
  void* node = root_;
  for (int level = 0; level < height_; ++level) {
    auto* inner = static_cast<Inner*>(node);
    // The last child that begins with a member before the place; the place is in it.
    uint32_t low = 0;
    uint32_t high = inner->used;
    while (high - low > 1) {
      const uint32_t middle = (low + high) / 2;
      (before(inner->scores[middle], inner->firsts[middle]) ? low : high) = middle;
    }
    path->node[level] = inner;
    path->index[level] = low;
    node = inner->children[low];
  }
  auto* leaf = static_cast<Leaf*>(node);
  uint32_t low = 0;
  uint32_t high = leaf->used;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (before(leaf->entries[middle]->score, leaf->entries[middle])) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  path->leaf = leaf;
  path->at = low;
}

template <typename Before>
uint64_t RankTree::count_before(Before before) const {
  if (root_ == nullptr) return 0;
  Path path;
  descend(before, &path);
  return rank_of(path);
}

}  // namespace holdfast
