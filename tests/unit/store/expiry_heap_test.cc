// ExpiryHeap against a multimap: the soonest first, every member knowing its place.
#include "store/expiry_heap.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

using namespace holdfast;

namespace {

Object* make(int64_t at_ms) { return Object::create_string("key", "value", at_ms); }

}  // namespace

TEST_CASE("expiry heap: random adds, removals and changes agree with an ordered set") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SeededRandom random(seed);
    ExpiryHeap heap;
    std::vector<Object*> members;
    std::multiset<int64_t> times;
    for (int i = 0; i < 40000; ++i) {
      // Few distinct times, so that equal ones are frequent; grows, then shrinks.
      const int64_t at_ms = 1 + static_cast<int64_t>(random.below(500));
      const uint64_t choice = random.below(100);
      if (members.empty() || choice < (i < 20000 ? 50U : 20U)) {
        Object* object = make(at_ms);
        heap.add(object);
        members.push_back(object);
        times.insert(at_ms);
      } else {
        const size_t which = random.below(members.size());
        Object* object = members[which];
        times.erase(times.find(object->expire_at_ms()));
        if (choice < 75) {
          object->set_expire_at_ms(at_ms);
          heap.update(object);
          times.insert(at_ms);
        } else {
          if (random.one_in(2)) object->set_expire_at_ms(0);  // allowed before remove
          heap.remove(object);
          Object::destroy(object);
          members[which] = members.back();
          members.pop_back();
        }
      }
      REQUIRE(heap.size() == times.size());
      REQUIRE(heap.first_ms() == (times.empty() ? ExpiryHeap::kNever : *times.begin()));
      if (!times.empty()) REQUIRE(heap.first()->expire_at_ms() == heap.first_ms());
    }
    for (Object* object : members) {
      heap.remove(object);
      Object::destroy(object);
    }
    CHECK(heap.size() == 0);
    CHECK(heap.first_ms() == ExpiryHeap::kNever);
    CHECK(heap.memory() == 0);
  }
}

TEST_CASE("expiry heap: taking the first again and again gives the times in order") {
  SeededRandom random(9);
  ExpiryHeap heap;
  for (int i = 0; i < 5000; ++i) heap.add(make(1 + static_cast<int64_t>(random.below(1 << 20))));
  int64_t last = 0;
  while (heap.size() > 0) {
    Object* object = heap.first();
    CHECK(object->expire_at_ms() >= last);
    last = object->expire_at_ms();
    heap.remove(object);
    Object::destroy(object);
  }
}

TEST_CASE("expiry heap: an object whose allocation moved stays where it was") {
  ExpiryHeap heap;
  std::vector<Object*> members;
  for (int64_t at = 100; at > 0; --at) {
    members.push_back(make(at));
    heap.add(members.back());
  }
  for (Object*& object : members) {
    object = Object::into_raw(object, 100);
    heap.moved(object);
  }
  int64_t expected = 0;
  while (heap.size() > 0) {
    Object* object = heap.first();
    CHECK(object->expire_at_ms() == ++expected);
    CHECK(object->encoding() == Encoding::kRaw);
    heap.remove(object);
  }
  for (Object* object : members) Object::destroy(object);
}
