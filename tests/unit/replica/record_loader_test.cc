// RecordLoader: a store that is larger than the memory it may take.
#include "replica/record_loader.h"

#include <doctest/doctest.h>

#include "store/effect.h"

using namespace holdfast;

namespace {

constexpr Seq kCovered = 1000;

std::string name_of(int i) { return "key:" + std::to_string(i); }

struct Loading {
  explicit Loading(std::function<bool()> memory_is_short)
      : loader(keyspace, kCovered, std::move(memory_is_short)) {}

  void add(int i, Seq seq, size_t size) {
    const std::string name = name_of(i);
    Object* object = Object::create_string(name, std::string(size, 'v'), 0);
    object->set_mod_seq(seq);
    std::string image;
    encode_record(*object, &image);
    Object::destroy(object);
    const RecordKey record{0, keyspace.key(name).slot, name, static_cast<RecordRef>(i + 1)};
    REQUIRE(loader.add(record, image).ok());
  }
  const Object* find(int i) { return keyspace.find(0, keyspace.key(name_of(i))); }
  uint64_t memory() {
    uint64_t bytes = 0, cursor = 0;
    do {
      cursor = keyspace.scan(0, cursor, [&](Object* object) { bytes += object->memory(); });
    } while (cursor != 0);
    return bytes;
  }

  Keyspace keyspace{7};
  RecordLoader loader;
};

}  // namespace

TEST_CASE("record loader: values stay on the device while memory is short, and make room") {
  constexpr int kKeys = 20'000;
  constexpr uint64_t kRoom = 4 << 20;
  uint64_t most = 0;
  Loading* self = nullptr;
  Loading loading([&] {
    most = std::max(most, self->memory());
    return self->memory() > kRoom;
  });
  self = &loading;
  for (int i = 0; i < kKeys; ++i) loading.add(i, 1, 1000);
  REQUIRE(loading.loader.finish().ok());
  CHECK(loading.loader.count() == kKeys);
  CHECK(most < kRoom + 2 * RecordLoader::kAskBytes);
  CHECK(loading.memory() < kRoom + 2 * RecordLoader::kAskBytes);
  CHECK(loading.memory() > kRoom / 2);
  for (int i = 0; i < kKeys; i += 100) CHECK(loading.find(i)->string_size() == 1000);
}

TEST_CASE("record loader: where keys alone are too much, it looks through them once and goes on") {
  int asked = 0;
  Loading loading([&asked] {
    ++asked;
    return true;
  });
  for (int i = 0; i < 100'000; ++i) loading.add(i, 1, 8);
  REQUIRE(loading.loader.finish().ok());
  CHECK(loading.loader.count() == 100'000);
  CHECK(loading.keyspace.cool_rounds() <= 3);
  CHECK(asked == 1);
}

TEST_CASE("record loader: what was loaded counts as not used") {
  Loading loading({});
  for (int i = 0; i < 100; ++i) loading.add(i, 1, 1000);
  REQUIRE(loading.loader.finish().ok());
  while (loading.keyspace.cool_rounds() == 0) {
    loading.keyspace.cool_some([](RecordRef) { return true; });
  }
  for (int i = 0; i < 100; ++i) CHECK(loading.find(i)->cold());
}

TEST_CASE("record loader: what is newer than the checkpoint keeps its value and its number") {
  Loading loading([] { return true; });
  loading.add(1, kCovered + 1, 1000);
  for (int i = 2; i < 5000; ++i) loading.add(i, 1, 1000);
  REQUIRE(loading.loader.finish().ok());
  CHECK(loading.find(2)->cold());
  CHECK_FALSE(loading.find(1)->cold());
  CHECK(loading.find(1)->mod_seq() == kCovered + 1);
}
