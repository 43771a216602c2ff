// Object: layout, encodings in Redis's words, changes in place against a plain string.
#include "store/object.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "base/random.h"

using namespace holdfast;

namespace {

std::string value_of(const Object* object) {
  IntScratch scratch;
  return std::string(object->string(scratch));
}

std::string encoding_of_value(const std::string& value) {
  Object* object = Object::create_string("k", value, 0);
  const std::string name(object->encoding_name());
  Object::destroy(object);
  return name;
}

// Strings of all encodings, of sizes around their borders.
std::string random_value(Random& random) {
  switch (random.below(5)) {
    case 0:
      return std::to_string(static_cast<int64_t>(random.next()) >> random.below(64));
    case 1:
      return std::string(random.below(50), 'e');
    case 2:
      return std::string(1000 + random.below(50), 'b');
    case 3:
      return std::string(random.below(5000), 'r');
    default:
      return std::to_string(random.below(100));
  }
}

}  // namespace

TEST_CASE("object: Redis's rule for a string that is an integer") {
  int64_t n = 0;
  for (const char* text : {"0", "1", "-1", "42", "9223372036854775807", "-9223372036854775808"}) {
    REQUIRE(parse_int64(text, &n));
    CHECK(std::to_string(n) == text);
  }
  for (const char* text : {"", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1.0", "0x1", "a",
                           "9223372036854775808", "-9223372036854775809", "99999999999999999999"}) {
    CHECK_FALSE(parse_int64(text, &n));
  }
  CHECK_FALSE(parse_int64(std::string_view("1\0", 2), &n));
  char out[24];
  CHECK(format_int64(std::numeric_limits<int64_t>::min(), out) == "-9223372036854775808");
}

TEST_CASE("object: encodings") {
  CHECK(encoding_of_value("123") == "int");
  CHECK(encoding_of_value("-9223372036854775808") == "int");
  CHECK(encoding_of_value("9223372036854775808") == "embstr");
  CHECK(encoding_of_value("") == "embstr");
  CHECK(encoding_of_value(std::string(44, 'x')) == "embstr");
  CHECK(encoding_of_value(std::string(45, 'x')) == "raw");
  CHECK(encoding_of_value(std::string(100'000, 'x')) == "raw");
}

TEST_CASE("object: what was edited in place is raw, however short, until it is set again") {
  Object* object = Object::create_string("k", "10", 0);
  object = Object::into_raw(object, 3);
  object->write_range(2, "5");
  CHECK(value_of(object) == "105");
  CHECK(object->encoding_name() == "raw");
  int64_t n;
  CHECK(object->integer(&n));
  CHECK(n == 105);
  CHECK_FALSE(object->assign_string("short"));  // a raw value is not kept for a short one
  Object::destroy(object);
}

TEST_CASE("object: keys of every length class, with and without expiry") {
  for (const size_t size : {0, 1, 16, 300, 65534, 65535, 65536, 200'000}) {
    for (const int64_t expire : {int64_t{0}, int64_t{1234567890123}}) {
      const std::string key(size, 'k');
      for (const std::string& value :
           {std::string("7"), std::string("v"), std::string(3000, 'v')}) {
        Object* object = Object::create_string(key, value, expire);
        CHECK(object->key().size() == size);
        CHECK((object->key() == key));
        CHECK((value_of(object) == value));
        CHECK(object->string_size() == value.size());
        CHECK(object->expire_at_ms() == expire);
        CHECK(object->has_prefix() == (expire != 0));
        CHECK(object->mod_seq() == 0);
        CHECK_FALSE(object->dirty());
        CHECK(object->memory() >= size + value.size() / 2);
        Object::destroy(object);
      }
    }
  }
}

TEST_CASE("object: header fields do not touch each other") {
  Object* object = Object::create_string("k", "v", 55);
  object->set_mod_seq((1ULL << 48) - 1);
  object->set_access(0xffffffff);
  object->set_heap_index(77);
  object->set_dirty(true);
  CHECK(object->mod_seq() == (1ULL << 48) - 1);
  CHECK(object->access() == 0xffffffff);
  CHECK(object->heap_index() == 77);
  CHECK(object->dirty());
  CHECK(object->type() == ObjectType::kString);
  CHECK(object->encoding() == Encoding::kEmbedded);
  CHECK(object->expire_at_ms() == 55);
  object->set_clean();
  CHECK_FALSE(object->dirty());
  CHECK(object->has_prefix());
  Object::destroy(object);
}

TEST_CASE("object: laying out anew keeps everything") {
  for (const std::string& value :
       {std::string("12"), std::string("text"), std::string(2000, 'r')}) {
    Object* object = Object::create_string("key", value, 0);
    object->set_mod_seq(99);
    object->set_access(1000);
    object->set_dirty(true);
    const auto check = [&] {
      CHECK(object->key() == "key");
      CHECK((value_of(object) == value));
      CHECK(object->mod_seq() == 99);
      CHECK(object->access() == 1000);
      CHECK(object->dirty());
    };
    object = Object::into_prefixed(object, 5000);
    check();
    CHECK(object->expire_at_ms() == 5000);
    object->set_heap_index(3);
    if (object->encoding() != Encoding::kRaw) object = Object::into_raw(object, 10);
    check();
    CHECK(object->encoding() == Encoding::kRaw);
    CHECK(object->expire_at_ms() == 5000);
    CHECK(object->heap_index() == 3);
    Object::destroy(object);
  }
}

TEST_CASE("object: random changes in place agree with a string") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SeededRandom random(seed);
    std::string model = random_value(random);
    Object* object = Object::create_string("some key", model, seed % 2 == 0 ? 1 : 0);
    for (int i = 0; i < 20000; ++i) {
      if (random.one_in(3)) {
        const std::string value = random_value(random);
        if (object->assign_string(value)) {
          model = value;
        } else {
          Object::destroy(object);
          model = value;
          object = Object::create_string("some key", model, seed % 2 == 0 ? 1 : 0);
        }
      } else {
        const uint64_t offset = random.below(model.size() + 30);
        const std::string bytes(random.below(40), 'w');
        if (object->encoding() != Encoding::kRaw) {
          object = Object::into_raw(object, offset + bytes.size());
        }
        object->write_range(offset, bytes);
        if (model.size() < offset + bytes.size()) model.resize(offset + bytes.size());
        model.replace(offset, bytes.size(), bytes);
      }
      REQUIRE((value_of(object) == model));
      REQUIRE(object->string_size() == model.size());
      REQUIRE(object->key() == "some key");
    }
    Object::destroy(object);
  }
}

TEST_CASE("object: a value may be assigned from itself") {
  Object* object = Object::create_string("k", "abcdef", 0);
  IntScratch scratch;
  CHECK(object->assign_string(object->string(scratch).substr(0, 6)));
  CHECK(value_of(object) == "abcdef");
  Object::destroy(object);
}

TEST_CASE("object: growing by small pieces does not copy each time") {
  Object* object = Object::into_raw(Object::create_string("k", "", 0), 1);
  size_t grown = 0;
  size_t memory = object->memory();
  for (uint64_t i = 0; i < 100'000; ++i) {
    object->write_range(i, "x");
    if (object->memory() != memory) ++grown;
    memory = object->memory();
  }
  CHECK(object->string_size() == 100'000);
  CHECK(grown < 30);
  Object::destroy(object);
}

TEST_CASE("object: views without an address are empty strings") {
  Object* object = Object::create_string(std::string_view(), std::string_view(), 0);
  CHECK(object->key().empty());
  CHECK(value_of(object).empty());
  CHECK(object->assign_string(std::string_view()));
  object = Object::into_raw(object, 0);
  object->write_range(0, std::string_view());
  CHECK(object->string_size() == 0);
  Object::destroy(object);
}
