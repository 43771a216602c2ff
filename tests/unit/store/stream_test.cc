// Streams: the id tree and the structure against simple models, the forms of RDB, effects.
#include "store/types/stream.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "store/rdb_value.h"
#include "store/types/stream_effects.h"

using namespace holdfast;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string pair_bytes(const Pairs& pairs) {
  std::string out;
  for (const auto& [field, value] : pairs) {
    put_bytes(out, field);
    put_bytes(out, value);
  }
  return out;
}

void add(Stream& stream, const StreamId& id, const Pairs& pairs, const CollectionLimits& limits) {
  const std::string bytes = pair_bytes(pairs);
  stream.add(id, {pairs.size(), bytes}, limits);
}

using Entries = std::map<StreamId, Pairs>;

Entries range(const Stream& stream, const StreamId& low, const StreamId& high, bool backward) {
  Entries found;
  StreamIterator at(stream, low, high, backward);
  StreamId last = backward ? StreamId::max() : StreamId();
  while (at.next()) {
    CHECK((found.empty() || (backward ? at.id() < last : at.id() > last)));
    last = at.id();
    Pairs& pairs = found[at.id()];
    // Whether all pairs of an entry are read or only some must not matter.
    const uint64_t read = at.id().seq % 7 == 0 ? at.pairs() / 2 : at.pairs();
    for (uint64_t i = 0; i < read; ++i) {
      std::string_view field, value;
      at.pair(&field, &value);
      pairs.emplace_back(field, value);
    }
  }
  return found;
}

Entries model_range(const Entries& model, const StreamId& low, const StreamId& high) {
  Entries found;
  for (const auto& [id, pairs] : model) {
    if (id < low || id > high) continue;
    const size_t read = id.seq % 7 == 0 ? pairs.size() / 2 : pairs.size();
    found[id] = Pairs(pairs.begin(), pairs.begin() + static_cast<ptrdiff_t>(read));
  }
  return found;
}

std::string encoded(const Stream& stream) {
  std::string out;
  kStreamType.encode({Encoding::kStream, const_cast<Stream*>(&stream)}, &out);
  return out;
}

// The bytes of a string in hex.
std::string unhex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

StreamId random_id(Random& random, uint64_t most) { return {random.below(most), random.below(3)}; }

}  // namespace

TEST_CASE("stream id: text in all forms") {
  struct Case {
    std::string_view text;
    bool ok;
    StreamId id;
  };
  const Case cases[] = {
      {"5", true, {5, 9}},
      {"5-3", true, {5, 3}},
      {"0-0", true, {0, 0}},
      {"18446744073709551615-18446744073709551615", true, StreamId::max()},
      {"18446744073709551616-0", false, {}},
      {"", false, {}},
      {"-", false, {}},
      {"5-", false, {}},
      {"-5", false, {}},
      {"5--1", false, {}},
      {"5-3-1", false, {}},
      {"5-*", false, {}},
      {"5 ", false, {}},
      {"007-01", true, {7, 1}},
      {std::string_view("5-3\0x", 5), true, {5, 3}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    StreamId id;
    CHECK(parse_stream_id(c.text, 9, &id) == c.ok);
    if (c.ok) CHECK(id == c.id);
  }
  CHECK_FALSE(parse_stream_id(std::string(200, '1'), 0, nullptr));
  StreamId id;
  bool seq_given = true;
  CHECK(!parse_new_stream_id({}, &id, &seq_given));
  CHECK((parse_new_stream_id("5-*", &id, &seq_given) && !seq_given && id == StreamId{5, 0}));
  CHECK((parse_new_stream_id("5", &id, &seq_given) && seq_given && id == StreamId{5, 0}));
  StreamIdScratch scratch;
  CHECK(format_stream_id(StreamId::max(), scratch) == "18446744073709551615-18446744073709551615");
  CHECK(format_stream_id({0, 10}, scratch) == "0-10");
  id = {1, UINT64_MAX};
  CHECK((id.step_forward() && id == StreamId{2, 0}));
  CHECK((id.step_back() && id == StreamId{1, UINT64_MAX}));
  id = StreamId::max();
  CHECK_FALSE(id.step_forward());
  id = {};
  CHECK_FALSE(id.step_back());
}

TEST_CASE("id tree: random changes against a map") {
  SeededRandom random(7);
  for (const uint64_t span : {40U, 3000U, 200000U}) {
    IdTree<uint64_t> tree;
    std::map<StreamId, uint64_t> model;
    uint64_t next_ms = 1;
    for (int round = 0; round < 60000; ++round) {
      // Now it grows, now it shrinks; at the end, at the front and anywhere.
      const bool grows = round / 12000 % 2 == 0;
      const StreamId any = random_id(random, span);
      if (random.below(10) < (grows ? 7 : 2)) {
        const StreamId id = random.one_in(2) ? any : StreamId{span + next_ms++, 0};
        const uint64_t value = random.next();
        const auto [place, added] = tree.insert(id, value);
        CHECK_EQ(added, model.try_emplace(id, value).second);
        CHECK_EQ(*place, model[id]);
      } else if (random.one_in(2) && !model.empty()) {
        const StreamId id = model.begin()->first;
        REQUIRE(tree.erase(id));
        model.erase(id);
      } else {
        const auto above = model.lower_bound(any);
        const StreamId id = above != model.end() && random.one_in(2) ? above->first : any;
        CHECK_EQ(tree.erase(id), model.erase(id) == 1);
      }
      REQUIRE_EQ(tree.size(), model.size());
      const auto above = model.lower_bound(any);
      const auto at = tree.at_or_after(any);
      REQUIRE_EQ(static_cast<bool>(at), above != model.end());
      if (at) REQUIRE((at.id() == above->first && at.value() == above->second));
      const auto below = model.upper_bound(any);
      const auto before = tree.at_or_before(any);
      REQUIRE_EQ(static_cast<bool>(before), below != model.begin());
      if (before) REQUIRE(before.id() == std::prev(below)->first);
      REQUIRE_EQ(tree.find(any) != nullptr, model.contains(any));
      if (round % 5000 != 0) continue;
      auto forward = tree.first();
      for (const auto& [id, value] : model) {
        REQUIRE((forward && forward.id() == id && forward.value() == value));
        forward.next();
      }
      CHECK_FALSE(static_cast<bool>(forward));
      auto backward = tree.last();
      for (auto entry = model.rbegin(); entry != model.rend(); ++entry, backward.prev()) {
        REQUIRE((backward && backward.id() == entry->first));
      }
      CHECK_FALSE(static_cast<bool>(backward));
    }
    uint64_t budget = 1;
    uint64_t taken = 0;
    while (!tree.clear_some(&budget, [&taken](uint64_t&) { ++taken; })) budget = 1;
    CHECK_EQ(taken, model.size());
    CHECK_EQ(tree.nodes(), 0);
  }
}

TEST_CASE("id tree: what is added at the end leaves no room unused") {
  IdTree<uint64_t> tree;
  constexpr uint64_t kEntries = 100000;
  for (uint64_t i = 1; i <= kEntries; ++i) tree.insert({i, 0}, i);
  CHECK(tree.memory() < kEntries * 26);
  IdTree<uint64_t> one;
  one.insert({1, 1}, 1);
  CHECK(one.memory() <= 64);
}

TEST_CASE("stream: random changes against a map, and the same out of its RDB form") {
  SeededRandom random(11);
  for (const uint64_t max_entries : {1U, 5U, 100U, 0U}) {
    CollectionLimits limits;
    limits.stream_node_max_entries = max_entries;
    limits.stream_node_max_bytes = max_entries == 0 ? 0 : 600;
    auto stream = std::make_unique<Stream>();
    Entries model;
    StreamId last, max_deleted;
    uint64_t added = 0;
    for (int round = 0; round < 6000; ++round) {
      const uint64_t what = random.below(100);
      if (what < 60) {
        StreamId id = last;
        id.ms += random.below(3);
        id.seq = id.ms == last.ms ? id.seq + 1 + random.below(3) : random.below(9);
        Pairs pairs;
        if (random.one_in(2)) {
          pairs = {{"temperature", std::to_string(random.below(500))}, {"place", "here"}};
        } else {
          for (uint64_t i = random.below(4); i-- > 0;) {
            pairs.emplace_back(std::string(random.below(20), 'f'), std::to_string(random.next()));
          }
        }
        if (pairs.empty()) pairs.emplace_back("7", std::string(random.below(90), 'v'));
        add(*stream, id, pairs, limits);
        model[id] = pairs;
        last = id;
        ++added;
        add(*stream, id, pairs, limits);  // not above the last: nothing
      } else if (what < 90 && !model.empty()) {
        auto at = model.begin();
        std::advance(at, random.below(model.size()));
        StreamId id = at->first;
        if (random.one_in(4)) id.seq += 100000;  // which is not there
        CHECK_EQ(stream->contains(id), model.contains(id));
        stream->remove(id);
        if (model.erase(id) == 1) max_deleted = std::max(max_deleted, id);
      } else if (what < 93) {
        StreamTrim trim;
        trim.strategy = random.one_in(2) ? StreamTrim::kMaxLength : StreamTrim::kMinId;
        trim.max_length = model.size() - std::min<uint64_t>(model.size(), random.below(30));
        trim.min_id = {last.ms - std::min<uint64_t>(last.ms, random.below(20)), random.below(3)};
        trim.whole_blocks = random.one_in(2);
        if (trim.whole_blocks) trim.limit = random.below(40);
        StreamId up_to;
        uint64_t removed = 0;
        if (stream->trim_point(trim, &up_to, &removed)) {
          stream->trim(up_to);
          const auto end = model.upper_bound(up_to);
          CHECK_EQ(static_cast<uint64_t>(std::distance(model.begin(), end)), removed);
          model.erase(model.begin(), end);
        } else {
          CHECK_EQ(removed, 0);
        }
        if (!trim.whole_blocks && trim.strategy == StreamTrim::kMaxLength) {
          CHECK(model.size() <= trim.max_length);
        } else if (!trim.whole_blocks) {
          CHECK((model.empty() || model.begin()->first >= trim.min_id));
        }
        if (trim.limit != 0) CHECK(removed <= trim.limit);
      }
      REQUIRE_EQ(stream->length(), model.size());
      REQUIRE(stream->first_id() == (model.empty() ? StreamId() : model.begin()->first));
      REQUIRE(stream->top_id() == (model.empty() ? StreamId() : model.rbegin()->first));
      REQUIRE(stream->last_id() == last);
      REQUIRE(stream->max_deleted_id() == max_deleted);
      REQUIRE_EQ(stream->entries_added(), added);
      if (round % 50 == 0) {
        const StreamId low = {random.below(last.ms + 2), random.below(5)};
        const StreamId high = {random.below(last.ms + 2), random.below(5)};
        const Entries wanted = model_range(model, low, high);
        REQUIRE(range(*stream, low, high, false) == wanted);
        REQUIRE(range(*stream, low, high, true) == wanted);
      }
      if (round % 500 == 0) {
        Collection copy;
        ObjectType type;
        REQUIRE(decode_collection(encoded(*stream), limits, &type, &copy));
        CHECK(encoded(*static_cast<Stream*>(copy.data)) == encoded(*stream));
        stream.reset(static_cast<Stream*>(copy.data));
      }
    }
    CHECK(range(*stream, {}, StreamId::max(), false) == model_range(model, {}, StreamId::max()));
  }
}

TEST_CASE("stream: the last entry of a block gone, an id goes below a dead one") {
  CollectionLimits limits;
  Stream stream;
  add(stream, {1, 0}, {{"a", "1"}}, limits);
  add(stream, {9, 0}, {{"a", "2"}}, limits);
  stream.remove({9, 0});
  stream.set_ids({3, 0}, 2, {2, 0});  // XSETID lets that be
  add(stream, {5, 0}, {{"a", "3"}}, limits);
  CHECK(stream.contains({5, 0}));
  CHECK_EQ(range(stream, {}, StreamId::max(), false).size(), 2);
  Collection copy;
  ObjectType type;
  REQUIRE(decode_collection(encoded(stream), limits, &type, &copy));
  destroy_collection(type, copy);
}

TEST_CASE("stream: groups against a model") {
  SeededRandom random(3);
  CollectionLimits limits;
  Stream stream;
  StreamGroup* group = stream.make_group("g");
  std::map<StreamId, std::pair<std::string, uint64_t>> model;
  for (int round = 0; round < 30000; ++round) {
    const StreamId id = random_id(random, 2000);
    const std::string name = "consumer " + std::to_string(random.below(5));
    const uint64_t what = random.below(100);
    if (what < 55) {
      auto* consumer = Stream::make_consumer(*group, name);
      Stream::assign(*group, *consumer, id, round, what);
      model[id] = {name, what};
    } else if (what < 99) {
      Stream::acknowledge(*group, id);
      model.erase(id);
    } else {
      Stream::drop_consumer(*group, name);
      std::erase_if(model, [&name](const auto& entry) { return entry.second.first == name; });
    }
    REQUIRE_EQ(group->pending.size(), model.size());
    if (round % 1000 != 0) continue;
    uint64_t owned = 0;
    for (const auto& [consumer, state] : group->consumers) {
      for (auto at = state.pending.first(); at; at.next(), ++owned) {
        REQUIRE(model.at(at.id()).first == consumer);
      }
    }
    CHECK_EQ(owned, model.size());
    for (auto at = group->pending.first(); at; at.next()) {
      REQUIRE_EQ(at.value().deliveries, model.at(at.id()).second);
      REQUIRE(at.value().consumer->first == model.at(at.id()).first);
    }
    Collection copy;
    ObjectType type;
    REQUIRE(decode_collection(encoded(stream), limits, &type, &copy));
    CHECK(encoded(*static_cast<Stream*>(copy.data)) == encoded(stream));
    destroy_collection(type, copy);
  }
  uint64_t budget = 3;
  while (!stream.destroy_some(&budget)) budget = 3;
}

TEST_CASE("stream: any bytes are safe to decode") {
  SeededRandom random(5);
  CollectionLimits limits;
  limits.stream_node_max_entries = 4;
  Stream stream;
  for (uint64_t i = 1; i < 20; ++i) add(stream, {i, i}, {{"f", std::to_string(i)}}, limits);
  stream.remove({3, 3});
  auto* group = stream.make_group("group");
  auto* consumer = Stream::make_consumer(*group, "consumer");
  for (uint64_t i = 1; i < 9; ++i) Stream::assign(*group, *consumer, {i, i}, 1000, 1);
  const std::string good = encoded(stream);
  uint64_t taken = 0;
  for (int round = 0; round < 60000; ++round) {
    std::string bytes = good;
    if (random.one_in(3)) bytes.resize(random.below(bytes.size()));
    for (uint64_t i = 1 + random.below(3); i-- > 0 && bytes.size() > 1;) {
      bytes[1 + random.below(bytes.size() - 1)] = static_cast<char>(random.next());
    }
    ObjectType type;
    Collection value;
    if (!decode_collection(bytes, limits, &type, &value)) continue;
    ++taken;
    // What is taken is sound enough to be used.
    auto& decoded = *static_cast<Stream*>(value.data);
    const uint64_t length = decoded.length();
    CHECK_EQ(range(decoded, {}, StreamId::max(), random.one_in(2)).size(), length);
    decoded.trim({5, 5});
    while (decoded.length() > 0) decoded.remove(decoded.first_id());
    destroy_collection(type, value);
  }
  CHECK(taken > 0);
}

TEST_CASE("stream: what redis-server 7.0 has dumped, and we for it") {
  // XADD x 1-1 f v n 7, 2-0 f w n -8, 2-5 other z, 9-0 f gone; XDEL x 9-0; XGROUP CREATE x g 2-0
  // ENTRIESREAD 2; XCLAIM x g ann 0 1-1 2-0 FORCE TIME 1000 RETRYCOUNT 3; DUMP x.
  const std::string payload = unhex(
      "130110000000000000000100000000000000014059590000002000030101010201816602816e0200010201000100"
      "018176020701050102010101dfff02817702dff80205010001010104010101856f7468657206817a020601010108"
      "01dfff02010181660284676f6e65050601ff03090001010900040101670200020200000000000000010000000000"
      "000001e8030000000000000300000000000000020000000000000000e803000000000000030103616e6e312930ff"
      "a10100000200000000000000010000000000000001000000000000000200000000000000000a0079c3e90decaab1"
      "65");
  REQUIRE(dump_is_intact(payload));
  RestoredValue value;
  REQUIRE(restore_value(payload, 1 << 20, {}, &value));
  REQUIRE(value.type == ObjectType::kStream);
  ObjectType type;
  Collection collection;
  REQUIRE(decode_collection(value.bytes, {}, &type, &collection));
  const auto& stream = *static_cast<Stream*>(collection.data);
  CHECK(range(stream, {}, StreamId::max(), false) ==
        Entries{{{1, 1}, {{"f", "v"}, {"n", "7"}}},
                {{2, 0}, {{"f", "w"}}},  // range() reads such entries by half
                {{2, 5}, {{"other", "z"}}}});
  CHECK((stream.last_id() == StreamId{9, 0} && stream.max_deleted_id() == StreamId{9, 0}));
  CHECK_EQ(stream.entries_added(), 4);
  const StreamGroup* group = stream.group("g");
  REQUIRE(group != nullptr);
  CHECK((group->last_id == StreamId{2, 0} && group->entries_read == 2));
  CHECK_EQ(group->pending.size(), 2);
  const StreamPending* pending = group->pending.find({2, 0});
  REQUIRE(pending != nullptr);
  CHECK((pending->delivered_ms == 1000 && pending->deliveries == 3));
  CHECK_EQ(pending->consumer->first, "ann");
  CHECK_EQ(group->consumer("ann")->second.active_ms, group->consumer("ann")->second.seen_ms);
  // Back into the form that Redis 7.0 reads: the same bytes, but that it compressed nothing here.
  std::string dumped;
  kStreamType.dump(collection, &dumped);
  CHECK_EQ(dumped.substr(0, 20), payload.substr(0, 20));
  CHECK_EQ(dumped.size(), payload.size() - 10);
  CHECK_EQ(dumped.substr(dumped.size() - 100), payload.substr(payload.size() - 110, 100));
  destroy_collection(type, collection);
}

TEST_CASE("stream: effects, byte by byte") {
  Collection value = kStreamType.create();
  Stream& stream = *static_cast<Stream*>(value.data);
  const auto apply = [&value](int type, std::string_view hex) {
    const std::string operands = unhex(hex);
    Reader in(operands);
    kStreamType.apply(static_cast<EffectType>(type), in, {}, &value);
    CHECK((in.ok() && in.at_end()));
  };
  apply(96,
        "0501"
        "01"
        "0166"
        "0176");  // 5-1, one pair: f v
  apply(96,
        "0600"
        "01"
        "0166"
        "0177");
  apply(96,
        "0700"
        "01"
        "0166"
        "0178");
  CHECK((stream.length() == 3 && stream.contains({5, 1}) && stream.last_id() == StreamId{7, 0}));
  apply(100,
        "0167"
        "0000"
        "00");  // g behind 0-0, entries read unknown
  apply(101,
        "026e6f"
        "0000"
        "00");  // of no group: nothing
  CHECK((stream.groups().size() == 1 && stream.group("g")->entries_read == -1));
  apply(103,
        "0167"
        "0164"
        "09");  // consumer d, seen at 9
  // Up to 6-0, of which two were read, consumer c at 10: 5-1 and 6-0.
  apply(105,
        "0167"
        "0600"
        "03"
        "0163"
        "0a"
        "0501"
        "0100");
  const StreamGroup& group = *stream.group("g");
  CHECK((group.last_id == StreamId{6, 0} && group.entries_read == 2));
  CHECK((group.consumer("c")->second.pending.size() == 2 &&
         group.consumer("c")->second.active_ms == 10));
  CHECK((group.consumer("d")->second.seen_ms == 9 && group.consumer("d")->second.active_ms == -1));
  apply(106,
        "0167"
        "0164"
        "0b"
        "01"
        "08"
        "0501"
        "04");  // d at 11 has 5-1 from 8, the fourth time
  const StreamPending* pending = group.pending.find({5, 1});
  REQUIRE(pending != nullptr);
  CHECK((pending->delivered_ms == 8 && pending->deliveries == 4));
  CHECK((pending->consumer->first == "d" && pending->consumer->second.active_ms == 11));
  apply(107,
        "0167"
        "0600"
        "0000");  // 6-0, and 6-0 again, which is nothing
  CHECK_EQ(group.pending.size(), 1);
  apply(104,
        "0167"
        "0164");
  CHECK((group.pending.empty() && group.consumers.size() == 1));
  apply(97, "0600");
  CHECK((stream.length() == 2 && stream.max_deleted_id() == StreamId{6, 0}));
  apply(98, "0501");
  CHECK((stream.length() == 1 && stream.first_id() == StreamId{7, 0}));
  apply(99,
        "0900"
        "05"
        "0800");
  CHECK((stream.last_id() == StreamId{9, 0} && stream.entries_added() == 5 &&
         stream.max_deleted_id() == StreamId{8, 0}));
  apply(102, "0167");
  CHECK(stream.groups().empty());
  destroy_collection(ObjectType::kStream, value);
}

// Else the arithmetic of XPENDING and XINFO would overflow.
TEST_CASE("stream: times and counts that nobody writes are taken for the nearest that are") {
  Stream stream;
  auto* group = stream.make_group("g");
  group->entries_read = INT64_MIN;
  auto* consumer = Stream::make_consumer(*group, "c");
  consumer->second.seen_ms = consumer->second.active_ms = INT64_MIN;
  Stream::assign(*group, *consumer, {1, 1}, INT64_MIN, 1);
  const auto decode = [](const std::string& bytes, Collection* value) {
    ObjectType type;
    return decode_collection(bytes, CollectionLimits(), &type, value);
  };
  Collection value;
  REQUIRE(decode(encoded(stream), &value));
  auto& decoded = *static_cast<Stream*>(value.data);
  const StreamGroup& read = *decoded.group("g");
  CHECK(read.entries_read == StreamGroup::kUnknownRead);
  CHECK(read.consumers.begin()->second.seen_ms == 0);
  CHECK(read.consumers.begin()->second.active_ms == StreamConsumer::kNever);
  CHECK(read.pending.first().value().delivered_ms == 0);
  destroy_collection(ObjectType::kStream, value);

  stream.set_ids({1, 1}, uint64_t{1} << 63, {});
  CHECK_FALSE(decode(encoded(stream), &value));
}
