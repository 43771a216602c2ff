// Outcomes: what is remembered of numbered writes, for how long, and the bytes of it (pinned;
// docs/ONDISK.md shows the same example).
#include "store/outcomes.h"

#include <doctest/doctest.h>

#include <string>

#include "replica/checkpoint.h"
#include "store/effect.h"

using namespace holdfast;

namespace {

WriteTag tag(uint64_t session, uint64_t number, uint64_t first) {
  return {0x0102030405060708, session, number, first};
}

void note(Outcomes& outcomes, const WriteTag& tag, std::string_view reply, Seq seq) {
  outcomes.note({tag, true, reply}, seq);
}

}  // namespace

TEST_CASE("outcomes: golden bytes") {
  const std::string bytes = Remembered{tag(300, 7, 5), true, "+OK\r\n"}.encode();
  CHECK(bytes == std::string("\x08\x07\x06\x05\x04\x03\x02\x01\xac\x02\x07\x02\x01+OK\r\n", 18));
  Remembered back;
  REQUIRE(Remembered::decode(bytes, &back));
  CHECK(back.tag.session == 300);
  CHECK(back.tag.number == 7);
  CHECK(back.tag.first == 5);
  CHECK(back.reply == "+OK\r\n");
  for (size_t size = 0; size < 13; ++size) {
    CHECK(!Remembered::decode(std::string_view(bytes).substr(0, size), &back));
  }
  CHECK(!Remembered::decode(Remembered{tag(1, 0, 0), true, ""}.encode(), &back));
}

TEST_CASE("outcomes: a write is known until its client has the answer (O1, O2)") {
  Outcomes outcomes;
  CHECK(outcomes.find(tag(1, 1, 1)).found == Outcomes::Found::kNothing);
  note(outcomes, tag(1, 1, 1), ":1\r\n", 10);
  note(outcomes, tag(1, 3, 1), ":3\r\n", 11);
  note(outcomes, tag(2, 1, 1), ":9\r\n", 12);
  CHECK(outcomes.find(tag(1, 1, 1)).reply == ":1\r\n");
  CHECK(outcomes.find(tag(1, 1, 1)).seq == 10);
  CHECK(outcomes.find(tag(1, 2, 1)).found == Outcomes::Found::kNothing);  // of another shard
  CHECK(outcomes.find(tag(1, 4, 1)).found == Outcomes::Found::kNothing);
  CHECK(outcomes.newest() == 12);
  note(outcomes, tag(1, 4, 3), ":4\r\n", 13);
  CHECK(outcomes.find(tag(1, 1, 1)).found == Outcomes::Found::kForgotten);
  CHECK(outcomes.find(tag(1, 2, 1)).found == Outcomes::Found::kForgotten);
  CHECK(outcomes.find(tag(1, 3, 3)).reply == ":3\r\n");
  // Applied again, or a late one: nothing changes.
  note(outcomes, tag(1, 1, 1), ":1\r\n", 10);
  note(outcomes, tag(1, 3, 1), ":7\r\n", 11);
  CHECK(outcomes.find(tag(1, 1, 1)).found == Outcomes::Found::kForgotten);
  CHECK(outcomes.find(tag(1, 3, 3)).reply == ":3\r\n");
  outcomes.note({tag(1, 5, 5), false, {}}, 14);
  CHECK(outcomes.find(tag(1, 5, 5)).found == Outcomes::Found::kForgotten);
  CHECK(outcomes.find(tag(1, 5, 5)).seq == 14);
}

TEST_CASE("outcomes: bounded; who wrote longest ago is forgotten (O3)") {
  Outcomes outcomes;
  const std::string reply(4000, 'x');
  for (uint64_t client = 1; client <= 10'000; ++client) {
    note(outcomes, tag(client, 1, 1), reply, client);
    note(outcomes, tag(1, client + 1, client), "+OK\r\n", client);
  }
  CHECK(outcomes.bytes() <= Outcomes::kMaxBytes);
  CHECK(outcomes.clients() < 4000);
  CHECK(outcomes.find(tag(2, 1, 1)).found == Outcomes::Found::kNothing);
  CHECK(outcomes.find(tag(10'000, 1, 1)).reply == reply);
  CHECK(outcomes.find(tag(1, 10'001, 10'000)).reply == "+OK\r\n");
}

TEST_CASE("outcomes: applied as an effect, kept by a checkpoint's state") {
  Keyspace keyspace(1);
  const auto remember = [&](const WriteTag& tag, std::string_view reply, Seq seq) {
    apply(Effect::remember(Remembered{tag, true, reply}.encode()), seq, keyspace);
  };
  remember(tag(1, 1, 1), ":1\r\n", 5);
  remember(tag(2, 8, 8), ":8\r\n", 6);
  remember(tag(1, 2, 1), ":2\r\n", 7);
  const std::string state = encode_checkpoint_state({}, {}, keyspace);
  Keyspace other(2);
  LogSummary log;
  Membership members;
  bool whole = false;
  REQUIRE(load_checkpoint_state(state, &log, &members, other, &whole).ok());
  CHECK(other.outcomes().clients() == 2);
  CHECK(other.outcomes().find(tag(1, 1, 1)).reply == ":1\r\n");
  CHECK(other.outcomes().find(tag(1, 2, 1)).reply == ":2\r\n");
  CHECK(other.outcomes().find(tag(2, 7, 7)).found == Outcomes::Found::kForgotten);
  CHECK(encode_checkpoint_state({}, {}, other) == state);
  CHECK(!load_checkpoint_state(state.substr(0, state.size() - 1), &log, &members, other, &whole)
             .ok());
  // Of a version before: without outcomes.
  const std::string empty = encode_checkpoint_state({}, {}, Keyspace(3));
  std::string older = empty.substr(0, empty.size() - 1);
  older[0] = 3;
  Keyspace third(4);
  CHECK(load_checkpoint_state(older, &log, &members, third, &whole).ok());
  CHECK(third.outcomes().clients() == 0);
}
