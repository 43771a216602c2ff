// Shard and Checkpoint: numbering, commit, recovery over fuzzy checkpoints.
#include "replica/shard.h"

#include <doctest/doctest.h>

#include <map>

#include "base/random.h"
#include "base/sim/sim_reactor.h"
#include "tests/support/random_replica.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

TEST_CASE("shard: entries of a turn are one group; commit follows the engine") {
  SimReactor reactor;
  ScriptedEngine engine;
  RandomReplica r(reactor, engine);
  REQUIRE(open_and_recover(r.shard).ok());
  engine.hold();
  int commits = 0;
  r.shard.on_commit([&commits] { ++commits; });
  for (int i = 0; i < 3; ++i) {
    r.shard.begin_command(1000);
    r.shard.emit(Effect::put_string(0, r.keyspace.key("k"), "v", 0));
    CHECK(r.shard.end_command() == static_cast<Seq>(i + 1));
  }
  r.shard.begin_command(1000);
  CHECK(r.shard.end_command() == 0);  // nothing was emitted
  r.shard.submit();
  CHECK(engine.held() == 1);
  CHECK(r.shard.last_seq() == 3);
  CHECK(r.shard.commit_seq() == 0);
  CHECK(r.shard.uncommitted_bytes() > 0);
  engine.release_all();
  CHECK(r.shard.commit_seq() == 3);
  CHECK(r.shard.uncommitted_bytes() == 0);
  CHECK(commits == 1);
}

TEST_CASE("shard: recovery gives the same keyspace, from the log alone") {
  SimReactor reactor;
  SeededRandom random(3);
  ScriptedEngine engine;
  RandomReplica r(reactor, engine);
  REQUIRE(open_and_recover(r.shard).ok());
  for (int i = 0; i < 2000; ++i) {
    r.random_command(random);
    if (random.one_in(3)) r.shard.submit();
  }
  r.shard.submit();
  const auto survivor = engine.survivor();
  RandomReplica again(reactor, *survivor);
  REQUIRE(open_and_recover(again.shard).ok());
  CHECK(again.shard.last_seq() == r.shard.last_seq());
  CHECK(contents(again.keyspace) == contents(r.keyspace));
  CHECK(again.keyspace.db_map() == r.keyspace.db_map());
}

TEST_CASE("shard: recovery over checkpoints taken while writes go on (crash at any moment)") {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    SimReactor reactor;
    SeededRandom random(seed);
    ScriptedEngine engine;
    RandomReplica r(reactor, engine);
    REQUIRE(open_and_recover(r.shard).ok());
    for (int i = 0; i < 600; ++i) {
      r.random_command(random);
      if (random.one_in(4)) r.shard.submit();
      if (random.one_in(40)) r.shard.checkpoint().start();
      if (random.one_in(2)) reactor.run_for(static_cast<int64_t>(random.below(2)));
      if (!random.one_in(25)) continue;
      r.shard.submit();
      const auto survivor = engine.survivor();  // a crash here
      RandomReplica again(reactor, *survivor);
      REQUIRE(open_and_recover(again.shard).ok());
      REQUIRE(contents(again.keyspace) == contents(r.keyspace));
      REQUIRE(again.keyspace.db_map() == r.keyspace.db_map());
    }
    CHECK(r.shard.checkpoint().finished_count() > 0);
  }
}

TEST_CASE("shard: recovered twice over its own checkpoints it is still the same") {
  SimReactor reactor;
  SeededRandom random(11);
  std::unique_ptr<MemEngine> engine = std::make_unique<MemEngine>(true);
  Model expected;
  for (int life = 0; life < 10; ++life) {
    RandomReplica r(reactor, *engine);
    REQUIRE(open_and_recover(r.shard).ok());
    CHECK(contents(r.keyspace) == expected);
    for (int i = 0; i < 200; ++i) {
      r.random_command(random);
      r.shard.submit();
      if (i == 100) r.shard.checkpoint().start();
      reactor.run_for(1);
    }
    reactor.run_for(100);
    expected = contents(r.keyspace);
  }
}

TEST_CASE("checkpoint: an image waits for the commit of what it contains (S3)") {
  SimReactor reactor;
  ScriptedEngine engine;
  RandomReplica r(reactor, engine);
  REQUIRE(open_and_recover(r.shard).ok());
  r.shard.begin_command(1000);
  r.shard.emit(Effect::put_string(0, r.keyspace.key("k"), "old", 0));
  r.shard.end_command();
  r.shard.submit();
  engine.hold();
  r.shard.begin_command(1000);
  r.shard.emit(Effect::put_string(0, r.keyspace.key("k"), "new", 0));
  r.shard.end_command();
  r.shard.submit();
  bool done = false;
  r.shard.checkpoint().start([&done](const Status&) { done = true; });
  reactor.run_for(100);
  CHECK(!done);
  CHECK(!engine.read_record(0, {0, slot_of("k"), "k"}).ok());
  engine.release_all();
  reactor.run_for(100);
  CHECK(done);
  CHECK(engine.read_record(0, {0, slot_of("k"), "k"}).ok());
  CHECK(r.shard.checkpoint().finished_seq() == 1);  // where it began
}

TEST_CASE("checkpoint: of a key erased before it and made anew meanwhile nothing old is left") {
  SimReactor reactor;
  ScriptedEngine engine;  // which finds records by key
  RandomReplica r(reactor, engine);
  REQUIRE(open_and_recover(r.shard).ok());
  const KeyRef key = r.keyspace.key("k");
  const auto push = [&](const char* element) {
    std::string operands;
    put_fixed(operands, ListSide::kBack);
    put_bytes(operands, element);
    r.command(Effect::edit(EffectType::kListPush, 0, key, operands));
    r.shard.submit();
  };
  const auto again = [&] {
    const auto survivor = engine.survivor();
    RandomReplica other(reactor, *survivor);
    REQUIRE(open_and_recover(other.shard).ok());
    return contents(other.keyspace);
  };
  push("old");
  r.shard.checkpoint().start();
  reactor.run_for(100);
  r.command(Effect::erase(0, key));
  r.shard.submit();
  SUBCASE("once") {}
  SUBCASE("it is listed twice") { push("between"); }
  r.shard.checkpoint().start();
  push("new");
  CHECK(again() == contents(r.keyspace));
  reactor.run_for(100);
  CHECK(r.shard.checkpoint().finished_count() == 2);
  CHECK(again() == contents(r.keyspace));
  push("newest");
  CHECK(again() == contents(r.keyspace));
  r.shard.checkpoint().start();
  reactor.run_for(100);
  CHECK(again() == contents(r.keyspace));
}

TEST_CASE("shard: what a replay has of a key that is gone ends with the key") {
  SimReactor reactor;
  ScriptedEngine engine;
  RandomReplica r(reactor, engine);
  REQUIRE(open_and_recover(r.shard).ok());
  const KeyRef key = r.keyspace.key("k");
  const auto edit = [&](EffectType type, const std::string& operands) {
    r.command(Effect::edit(type, 0, key, operands));
    r.shard.submit();
  };
  const auto push = [&](const char* element) {
    std::string operands;
    put_fixed(operands, ListSide::kBack);
    put_bytes(operands, element);
    edit(EffectType::kListPush, operands);
  };
  const auto remove = [&](const char* element) {
    std::string operands;
    put_list_remove(operands, ListSide::kFront, 1, element);
    edit(EffectType::kListRemove, operands);
  };
  push("first");
  r.shard.checkpoint().start();
  // The checkpoint begins behind the first element and finds no key: a replay makes the list of
  // the second one only, which what follows does not meet.
  push("second");
  std::string operands;
  put_list_element(operands, 1, "changed");
  edit(EffectType::kListSet, operands);
  remove("changed");
  remove("first");
  REQUIRE(r.keyspace.find(0, key) == nullptr);
  reactor.run_for(100);
  REQUIRE(r.shard.checkpoint().finished_seq() == 1);
  SUBCASE("nothing comes after it") {}
  SUBCASE("a list") { push("new"); }
  SUBCASE("another type") {
    operands.clear();
    put_bytes(operands, "member");
    edit(EffectType::kSetAdd, operands);
  }
  const auto survivor = engine.survivor();
  RandomReplica again(reactor, *survivor);
  REQUIRE(open_and_recover(again.shard).ok());
  CHECK(contents(again.keyspace) == contents(r.keyspace));
}

// The checkpoint leaves a database alone that is dropped while it runs, so the replay comes to the
// drop with the records of before.
TEST_CASE("shard: a replay over stale records of a database that is dropped") {
  SimReactor reactor;
  ScriptedEngine engine;
  RandomReplica r(reactor, engine);
  REQUIRE(open_and_recover(r.shard).ok());
  const KeyRef key = r.keyspace.key("k");
  const auto run = [&](const Effect& effect) {
    r.command(effect);
    r.shard.submit();
    reactor.run_for(10);
  };
  std::string operands;
  put_fixed(operands, 1.5);
  put_bytes(operands, "member");
  run(Effect::edit(EffectType::kZsetAdd, 0, key, operands));
  r.shard.checkpoint().start();
  reactor.run_for(100);
  REQUIRE(r.shard.checkpoint().finished_count() == 1);
  // Another type in its place, then a checkpoint during which it changes and the database goes.
  std::string member;
  put_bytes(member, "of a set");
  run(Effect::erase(0, key));
  run(Effect::edit(EffectType::kSetAdd, 0, key, member));
  r.shard.checkpoint().start();
  r.command(Effect::edit(EffectType::kSetAdd, 0, key, member));
  r.command(Effect::write_range(0, r.keyspace.key("new"), 0, "x"));
  r.flush(0);
  r.shard.submit();
  reactor.run_for(100);
  REQUIRE(r.shard.checkpoint().finished_count() == 2);
  r.command(Effect::edit(EffectType::kSetAdd, 0, key, member));
  r.shard.submit();
  reactor.run_for(10);
  const auto survivor = engine.survivor();
  RandomReplica again(reactor, *survivor);
  REQUIRE(open_and_recover(again.shard).ok());
  CHECK(contents(again.keyspace) == contents(r.keyspace));
}

TEST_CASE("checkpoint: a flush that was only replayed is in it too") {
  SimReactor reactor;
  MemEngine engine(true);
  const auto checkpoint = [&reactor](RandomReplica& r) {
    r.shard.submit();
    reactor.run_for(10);
    r.shard.checkpoint().start();
    reactor.run_for(100);
    CHECK(r.shard.checkpoint().finished_count() == 1);
  };
  {
    RandomReplica r(reactor, engine);
    REQUIRE(open_and_recover(r.shard).ok());
    r.put(0, "k");
    checkpoint(r);
    r.flush(0);
    r.shard.submit();
    reactor.run_for(10);
  }
  {
    RandomReplica r(reactor, engine);
    REQUIRE(open_and_recover(r.shard).ok());
    CHECK(r.keyspace.size(0) == 0);
    r.put(1, "other");
    checkpoint(r);  // releases the entry of the flush
  }
  RandomReplica r(reactor, engine);
  REQUIRE(open_and_recover(r.shard).ok());
  CHECK(r.keyspace.size(0) == 0);
  CHECK(r.keyspace.size(1) == 1);
}

TEST_CASE("checkpoint: neither a flush nor a swap is in it before it is committed (S3)") {
  for (const bool swap : {false, true}) {
    SimReactor reactor;
    ScriptedEngine engine;
    RandomReplica r(reactor, engine);
    REQUIRE(open_and_recover(r.shard).ok());
    r.put(0, "k");
    r.shard.submit();
    r.shard.checkpoint().start();
    reactor.run_for(100);
    CHECK(r.shard.checkpoint().finished_count() == 1);

    engine.hold();
    if (swap) {
      r.swap(0, 1);
    } else {
      r.flush(0);
    }
    r.shard.checkpoint().start();  // even before the entry is submitted
    r.shard.submit();
    reactor.run_for(100);
    CHECK(r.shard.checkpoint().finished_count() == 1);
    {
      const auto survivor = engine.survivor();  // a crash that loses the entry
      RandomReplica again(reactor, *survivor);
      REQUIRE(open_and_recover(again.shard).ok());
      CHECK(again.keyspace.size(again.keyspace.physical(0)) == 1);
    }
    engine.release_all();
    reactor.run_for(100);
    CHECK(r.shard.checkpoint().finished_count() == 2);
    const auto survivor = engine.survivor();
    RandomReplica again(reactor, *survivor);
    REQUIRE(open_and_recover(again.shard).ok());
    CHECK(again.keyspace.size(again.keyspace.physical(0)) == 0);
    CHECK(again.keyspace.size(again.keyspace.physical(1)) == (swap ? 1 : 0));
  }
}

TEST_CASE("checkpoint: it starts by itself when enough was logged, and releases the log") {
  SimReactor reactor;
  ScriptedEngine engine;
  RandomReplica r(reactor, engine, 10000);
  REQUIRE(open_and_recover(r.shard).ok());
  for (int i = 0; i < 1000; ++i) {
    r.shard.begin_command(1000);
    r.shard.emit(Effect::put_string(0, r.keyspace.key("k" + std::to_string(i)), "value", 0));
    r.shard.end_command();
    r.shard.submit();
    reactor.run_for(1);
  }
  reactor.run_for(10);
  CHECK(r.shard.checkpoint().finished_count() > 1);
  CHECK(engine.log_bytes() < 40000);
}

TEST_CASE("shard: a damaged entry stops recovery and is never taken for the end of the log") {
  SimReactor reactor;
  MemEngine engine(true);
  {
    RandomReplica r(reactor, engine);
    REQUIRE(open_and_recover(r.shard).ok());
    r.shard.begin_command(1);
    r.shard.emit(Effect::put_string(0, r.keyspace.key("k"), "v", 0));
    r.shard.end_command();
    r.shard.submit();
  }
  std::string bytes;
  EntryWriter writer(&bytes);
  writer.begin({.epoch = 1, .seq = 2, .log_clock_ms = 1});
  writer.add(Effect::erase(0, make_key("k", 0)));
  writer.end();
  bytes[bytes.size() - 1] ^= 1;
  engine.append(0, {2, 2, bytes}, [](const Status&) {});
  RandomReplica again(reactor, engine);
  const auto recovered = open_and_recover(again.shard);
  REQUIRE(!recovered.ok());
  CHECK(recovered.status().code() == Code::kCorrupt);
}

TEST_CASE("shard: due keys are erased as logged effects, within the budget") {
  SimReactor reactor;
  ScriptedEngine engine;
  RandomReplica r(reactor, engine);
  REQUIRE(open_and_recover(r.shard).ok());
  r.shard.begin_command(1000);
  for (int i = 0; i < 1000; ++i) {
    r.shard.emit(Effect::put_string(0, r.keyspace.key("k" + std::to_string(i)), "v", 2000 + i));
  }
  r.shard.end_command();
  bool more = false;
  CHECK(r.shard.expire_due(1999, 1000, {}, &more) == 0);
  CHECK(r.shard.expire_due(2499, 1000, {}, &more) == 500);
  CHECK(r.keyspace.size(0) == 500);
  CHECK(r.shard.expire_due(9999, 0, {}, &more) == 64);  // no time: one entry's worth
  CHECK(more);
  r.shard.submit();
  const auto survivor = engine.survivor();
  RandomReplica again(reactor, *survivor);
  REQUIRE(open_and_recover(again.shard).ok());
  CHECK(again.keyspace.size(0) == 436);
}
