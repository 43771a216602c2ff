// MemEngine without a log, and ScriptedEngine's script.
#include "engine/mem_engine.h"

#include <doctest/doctest.h>

#include "tests/unit/engine/engine_fixtures.h"

using namespace holdfast;

TEST_CASE("mem engine: by default it keeps nothing, in memory too") {
  MemEngine engine;
  CHECK(!engine.info().durable);
  CHECK(!engine.info().wants_checkpoints);
  CHECK(engine.info().inline_completion);
  int done = 0;
  const auto count = [&done](const Status& status) { done += status.ok(); };
  engine.append(0, make_group(1, 3), count);
  engine.append(0, make_group(4, 4), count);
  engine.save_hard_state(0, {1, 1}, count);
  engine.write_records(0, {{{0, 1, "k"}, false, "v"}},
                       [&count](const Status& status, const auto&) { count(status); });
  engine.finish_checkpoint(0, {4, ""}, count);
  engine.release_prefix(0, 4, count);
  CHECK(done == 6);
  CHECK(engine.log_bytes() == 0);
  CHECK(engine.stats().appended_groups == 2);
  CHECK(!engine.read_record(0, {0, 1, "k"}).ok());
  CHECK(!engine.read_log(0, 1, 1, [](auto...) { return true; }).ok());
  const auto found = engine.open();
  REQUIRE(found.ok());
  for (const RecoveredShard& shard : found.value()) {
    CHECK(shard.last_seq == 0);
    CHECK(shard.checkpoint.seq == 0);
    CHECK(shard.hard_state.promised_epoch == 0);
  }
}

TEST_CASE("mem engine: a copy is what a crash leaves; the original goes on alone") {
  MemFixture f;
  REQUIRE(f.append(make_group(1, 3)).ok());
  MemEngine copy = static_cast<MemEngine&>(f.engine());
  REQUIRE(f.append(make_group(4, 6)).ok());
  const auto found = copy.open();
  REQUIRE(found.ok());
  CHECK(found.value().at(0).last_seq == 3);
}

TEST_CASE("scripted engine: held groups complete when they are released, and only they survive") {
  ScriptedFixture f;
  f.scripted().hold();
  std::vector<Seq> done;
  for (const Seq seq : {1, 2, 3}) {
    f.engine().append(kShard, make_group(seq, seq), [&done, seq](const Status& status) {
      CHECK(status.ok());
      done.push_back(seq);
    });
  }
  CHECK(f.scripted().held() == 3);
  CHECK(done.empty());
  f.scripted().release(2);
  CHECK(done == std::vector<Seq>{1, 2});
  CHECK(f.scripted().survivor()->open().value().at(0).last_seq == 2);
  f.scripted().crash();
  f.reopen();
  CHECK(f.recovered(kShard).last_seq == 2);
  CHECK(done == std::vector<Seq>{1, 2});  // a lost append never completes
  f.scripted().stop_holding();
  CHECK(f.append(make_group(3, 3)).ok());
}

TEST_CASE("scripted engine: a truncation does not pass by the appends that it undoes") {
  ScriptedFixture f;
  f.scripted().hold();
  const auto ignore = [](const Status&) {};
  f.engine().append(kShard, make_group(1, 3), ignore);
  f.engine().truncate_suffix(kShard, 2, ignore);
  f.engine().append(kShard, make_group(3, 4, "new"), ignore);
  f.scripted().release_all();
  CHECK(f.read(1, 4).at(3) == entry_of(3, "new"));
}

TEST_CASE("scripted engine: after a failure every write is refused as poisoned (E3)") {
  ScriptedFixture f;
  REQUIRE(f.append(make_group(1, 1)).ok());
  f.scripted().fail_next(Status::io("no device"));
  CHECK(f.append(make_group(2, 2)).code() == Code::kIo);
  CHECK(f.append(make_group(3, 3)).code() == Code::kPoisoned);
  CHECK(f.truncate(1).code() == Code::kPoisoned);
  CHECK(f.save({1, 1}).code() == Code::kPoisoned);
  CHECK(f.write({}).code() == Code::kPoisoned);
  CHECK(f.finish({1, ""}).code() == Code::kPoisoned);
  CHECK(f.erase_database(0).code() == Code::kPoisoned);
  f.scripted().crash();
  f.reopen();
  CHECK(f.recovered(kShard).last_seq == 1);
  CHECK(f.append(make_group(2, 2)).ok());
}
