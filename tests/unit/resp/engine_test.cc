// ENGINE: what the storage engine tells, on an engine that has all parts and on one that has none.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/disk_server.h"

using namespace holdfast;

namespace {

bool has(const std::string& reply, const std::string& part) {
  return reply.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("engine info: a map in RESP3, pairs in RESP2, on every engine") {
  CommandFixture f;
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  CHECK(f.run({"ENGINE", "INFO"}).starts_with("*26\r\n$6\r\nengine\r\n$3\r\nmem\r\n"));
  const std::string reply = f.run3({"ENGINE", "INFO"});
  CHECK(reply.starts_with("%13\r\n$6\r\nengine\r\n$3\r\nmem\r\n$10\r\ndurability\r\n"));
  CHECK(has(reply, "$15\r\nappended_groups\r\n:1\r\n"));
  CHECK(has(reply, "$12\r\nout_of_space\r\n:0\r\n"));
  DiskServer disk;
  CHECK(disk.run({"SET", "k", "v"}) == "+OK\r\n");
  CHECK(disk.number({"ENGINE", "INFO"}, "appended_groups") == 1);
  CHECK(disk.number({"ENGINE", "INFO"}, "flushes") >= 1);
  CHECK(disk.number({"ENGINE", "INFO"}, "data_file_bytes") >= 64 << 20);
  CHECK(disk.number({"ENGINE", "INFO"}, "poisoned") == 0);
}

TEST_CASE("engine: an engine without a part says so") {
  CommandFixture f;
  CHECK(f.run({"ENGINE", "SUPERBLOCK"}) == "-ERR the engine 'mem' has no superblock\r\n");
  CHECK(f.run({"ENGINE", "WAL"}) == "-ERR the engine 'mem' has no log of its own\r\n");
  CHECK(f.run({"ENGINE", "SEGMENTS"}) == "-ERR the engine 'mem' has no segments\r\n");
  CHECK(f.run({"ENGINE", "SCRUB"}) == "-ERR the engine 'mem' has no scrub\r\n");
  CHECK(f.run({"ENGINE", "SCRUB", "START"}) == "-ERR the engine 'mem' has no scrub\r\n");
  CHECK(f.run({"ENGINE", "SCRUB", "STOP"}) == "+OK\r\n");
}

TEST_CASE("engine superblock and wal: what a checkpoint moves") {
  DiskServer f;
  CHECK(f.number({"ENGINE", "SUPERBLOCK"}, "sequence") == 1);
  CHECK(f.number({"ENGINE", "SUPERBLOCK"}, "checkpoint_id") == 0);
  CHECK(!has(f.run({"ENGINE", "SUPERBLOCK"}), "older_sequence"));
  CHECK(f.number({"ENGINE", "WAL"}, "ring_bytes") == 4 << 20);
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  f.save();
  CHECK(f.number({"ENGINE", "SUPERBLOCK"}, "sequence") == 2);
  CHECK(f.number({"ENGINE", "SUPERBLOCK"}, "checkpoint_id") == 1);
  CHECK(f.number({"ENGINE", "SUPERBLOCK"}, "older_sequence") == 1);
  CHECK(f.number({"ENGINE", "WAL"}, "generation") == 1);
  CHECK(f.number({"ENGINE", "WAL"}, "used_blocks") + f.number({"ENGINE", "WAL"}, "free_blocks") ==
        1024);
  CHECK(f.number({"ENGINE", "WAL"}, "batches_in_flight") == 0);
  f.advance_ms(100);
  CHECK(f.number({"ENGINE", "WAL"}, "witnesses") >= 1);
  CHECK(f.number({"ENGINE", "WAL"}, "end_block") == f.number({"ENGINE", "WAL"}, "durable_block"));
}

TEST_CASE("engine segments: how live they are") {
  DiskServer f;
  for (int i = 0; i < 10; ++i) f.run({"SET", "k" + std::to_string(i), "v"});
  f.save();
  CHECK(f.number({"ENGINE", "SEGMENTS"}, "segments") == 1);
  CHECK(f.number({"ENGINE", "SEGMENTS"}, "live_records") == 10);
  CHECK(f.number({"ENGINE", "SEGMENTS"}, "live_percent") == 100);
  CHECK(f.number({"ENGINE", "SEGMENTS"}, "live_90_to_100_percent") == 1);
  for (int i = 0; i < 8; ++i) f.run({"DEL", "k" + std::to_string(i)});
  f.save();
  CHECK(f.number({"ENGINE", "SEGMENTS"}, "live_records") == 2);
  CHECK(f.number({"ENGINE", "SEGMENTS"}, "live_20_to_30_percent") == 1);
  CHECK(f.number({"ENGINE", "SEGMENTS"}, "sparse_segments") == 1);
  CHECK(f.number({"ENGINE", "SEGMENTS"}, "waiting_to_be_freed_bytes") > 0);
}

TEST_CASE("engine scrub: started, watched, stopped") {
  DiskServer f;
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  f.save();
  CHECK(f.number({"ENGINE", "SCRUB"}, "full_passes") == 0);
  CHECK(f.run({"CONFIG", "SET", "engine.scrub_mb_per_second", "1"}) == "+OK\r\n");
  CHECK(f.run({"ENGINE", "SCRUB", "start"}) == "+OK\r\n");
  CHECK(f.run({"ENGINE", "SCRUB", "START"}) == "-ERR a scrub is running\r\n");
  CHECK(f.number({"ENGINE", "SCRUB"}, "bytes_per_second") == 1 << 20);
  f.advance_ms(1000);
  CHECK(f.number({"ENGINE", "SCRUB"}, "full_passes") == 1);
  CHECK(f.number({"ENGINE", "SCRUB"}, "records_checked") == 1);
  CHECK(f.number({"ENGINE", "SCRUB"}, "damaged_records") == 0);
  CHECK(has(f.run({"INFO", "persistence"}), "\r\nscrub_damaged_records:0\r\n"));
  CHECK(f.run({"ENGINE", "SCRUB", "START"}) == "+OK\r\n");
  CHECK(f.run({"ENGINE", "SCRUB", "STOP"}) == "+OK\r\n");
  CHECK(f.number({"ENGINE", "SCRUB"}, "running") == 0);
  CHECK(f.run({"ENGINE", "SCRUB", "MAYBE"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"ENGINE", "SCRUB", "START", "NOW"}) == "-ERR syntax error\r\n");
}

TEST_CASE("engine checkpoint: the last one, and one now") {
  DiskServer f;
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  CHECK(f.number({"ENGINE", "CHECKPOINT"}, "finished") == 0);
  CHECK(f.number({"ENGINE", "CHECKPOINT"}, "changes_since") == 1);
  CHECK(f.run({"ENGINE", "CHECKPOINT", "NOW"}) == "+Checkpoint started\r\n");
  f.advance_ms(100);
  CHECK(f.number({"ENGINE", "CHECKPOINT"}, "finished") == 1);
  CHECK(f.number({"ENGINE", "CHECKPOINT"}, "last_seq") == 1);
  CHECK(f.number({"ENGINE", "CHECKPOINT"}, "running") == 0);
  CHECK(f.run({"ENGINE", "CHECKPOINT", "LATER"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"ENGINE", "CHECKPOINT", "NOW", "x"}) == "-ERR syntax error\r\n");
}

TEST_CASE("engine: help, docs, unknown subcommands") {
  CommandFixture f;
  CHECK(f.run({"ENGINE", "HELP"}).starts_with("*21\r\n+ENGINE <subcommand> "));
  CHECK(f.run({"ENGINE"}) == "-ERR wrong number of arguments for 'engine' command\r\n");
  CHECK(f.run({"ENGINE", "NO"}) == "-ERR unknown subcommand 'NO'. Try ENGINE HELP.\r\n");
  CHECK(has(f.run3({"COMMAND", "DOCS", "engine"}), "$11\r\nsubcommands\r\n%7\r\n"));
  CHECK(has(f.run({"COMMAND", "INFO", "engine|scrub"}), "+admin\r\n"));
}
