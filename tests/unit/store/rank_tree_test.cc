// RankTree against a sorted vector: order, ranks, bounds and cursors while members come, go and
// move, in random and in sorted order; how much memory it takes.
#include "store/types/rank_tree.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"

using namespace holdfast;

namespace {

bool before(const ScoredMember* a, const ScoredMember* b) {
  return scored_before(a->score, a, b->score, b->member());
}

// A tree that owns its members, and the order that it should have.
class Model {
 public:
  ~Model() {
    for (ScoredMember* entry : sorted) ScoredMember::destroy(entry);
  }

  void insert(const std::string& member, double score) {
    ScoredMember* entry = ScoredMember::create(member, score);
    tree.insert(entry);
    sorted.insert(std::lower_bound(sorted.begin(), sorted.end(), entry, before), entry);
  }

  void erase(size_t rank) {
    tree.erase(sorted[rank]);
    ScoredMember::destroy(sorted[rank]);
    sorted.erase(sorted.begin() + static_cast<ptrdiff_t>(rank));
  }

  void move(size_t rank, double score) {
    ScoredMember* entry = sorted[rank];
    sorted.erase(sorted.begin() + static_cast<ptrdiff_t>(rank));
    tree.move(entry, score);
    sorted.insert(std::lower_bound(sorted.begin(), sorted.end(), entry, before), entry);
  }

  // Everything, by cursors in both directions.
  bool agrees() const {
    if (!tree.consistent() || tree.size() != sorted.size()) return false;
    RankTree::Cursor cursor = tree.at(0);
    for (const ScoredMember* entry : sorted) {
      if (!cursor.valid() || cursor.get() != entry) return false;
      cursor.next();
    }
    if (cursor.valid()) return false;
    if (sorted.empty()) return true;
    cursor = tree.at(sorted.size() - 1);
    for (size_t i = sorted.size(); i-- > 0; cursor.prev()) {
      if (!cursor.valid() || cursor.get() != sorted[i]) return false;
    }
    return !cursor.valid();
  }

  bool agrees_at(size_t rank) const {
    return tree.rank(sorted[rank]) == rank && tree.at(rank).get() == sorted[rank];
  }

  bool agrees_on_bound(double score) const {
    const auto below = [score](double s, const ScoredMember*) { return s < score; };
    const auto expected =
        std::count_if(sorted.begin(), sorted.end(), [&](auto* e) { return e->score < score; });
    return tree.count_before(below) == static_cast<uint64_t>(expected);
  }

  RankTree tree;
  std::vector<ScoredMember*> sorted;
};

}  // namespace

TEST_CASE("rank tree: random changes agree with a sorted vector") {
  for (const uint64_t scores : {uint64_t{1}, uint64_t{5}, uint64_t{1000000}}) {
    CAPTURE(scores);
    SeededRandom random(scores);
    Model model;
    CHECK(model.agrees());
    CHECK(!model.tree.at(0).valid());
    uint64_t next = 0;
    // Grows to some thousands, shrinks to nothing, and again.
    for (int phase = 0; phase < 6; ++phase) {
      const uint64_t inserts = phase % 2 == 0 ? 8 : 2;
      for (int step = 0; step < 8000; ++step) {
        const auto score = static_cast<double>(random.below(scores)) - 2;
        if (model.sorted.empty() || random.below(10) < inserts) {
          model.insert("m" + std::to_string(random.below(1000)) + "." + std::to_string(next++),
                       score);
        } else if (random.one_in(2)) {
          model.erase(random.below(model.sorted.size()));
        } else {
          model.move(random.below(model.sorted.size()), score);
        }
        if (!model.sorted.empty()) {
          REQUIRE(model.agrees_at(random.below(model.sorted.size())));
        }
        if (step % 500 == 0) {
          REQUIRE(model.agrees_on_bound(score));
          REQUIRE(model.agrees());
        }
      }
      while (phase % 2 == 1 && !model.sorted.empty()) {
        model.erase(phase == 1 ? 0 : model.sorted.size() - 1);
      }
      REQUIRE(model.agrees());
    }
    CHECK(model.tree.memory() == 0);
  }
}

TEST_CASE("rank tree: members that come in order fill the leaves, erasing gives nodes back") {
  constexpr int kMany = 50000;
  for (const int direction : {1, -1}) {
    Model model;
    for (int i = 0; i < kMany; ++i) {
      ScoredMember* entry = ScoredMember::create("m", i * direction);
      model.tree.insert(entry);
      model.sorted.push_back(entry);
    }
    if (direction < 0) std::reverse(model.sorted.begin(), model.sorted.end());
    CHECK(model.agrees());
    CHECK(model.tree.memory() < kMany * 10);
    // Nine of ten go, all over.
    for (size_t rank = 0; rank < model.sorted.size(); ++rank) {
      for (int i = 0; i < 9; ++i) model.erase(rank);
    }
    CHECK(model.agrees());
    CHECK(model.tree.memory() < model.sorted.size() * 32);
  }
}

TEST_CASE("rank tree: taken apart leaf by leaf, without a look at the members") {
  RankTree tree;
  for (int i = 0; i < 50000; ++i) tree.insert(ScoredMember::create(std::to_string(i), i % 7));
  for (RankTree::Cursor c = tree.at(0); c.valid(); c.next()) ScoredMember::destroy(c.get());
  int leaves = 0;
  while (tree.drop_leaf()) ++leaves;
  CHECK(leaves > 50000 / 61);
  CHECK(tree.memory() == 0);
  CHECK(tree.size() == 0);
}
