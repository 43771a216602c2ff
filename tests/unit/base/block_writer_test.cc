// What every BlockWriter must do, asked of io_uring, of the thread and of the simulation.
#include "base/block_writer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "base/real_disk.h"
#include "base/sim/sim_disk.h"
#include "base/thread_writer.h"
#include "tests/support/scratch_directory.h"
#include "tests/support/worlds.h"

using namespace holdfast;

namespace {

AlignedBuffer filled(size_t blocks, char byte) {
  AlignedBuffer buffer(blocks * kBlock);
  std::memset(buffer.data(), byte, buffer.size());
  return buffer;
}

struct UringFixture {
  RealWorld world;
  ScratchDirectory scratch;
  RealDisk real;
  Disk& disk = real;
  std::string path = scratch.file("device");
  std::unique_ptr<BlockWriter> open() {
    auto writer = disk.open_writer(path, world.reactor);
    REQUIRE_MESSAGE(writer.ok(), writer.status().message());
    return std::move(writer.value());
  }
};

struct ThreadFixture : UringFixture {
  std::unique_ptr<BlockWriter> open() {
    auto file = disk.open(path, {.direct = true, .write_through = true});
    REQUIRE(file.ok());
    return std::make_unique<ThreadWriter>(world.reactor, std::move(file.value()));
  }
};

struct SimFixture {
  SimWorld world;
  SimDisk sim{7};
  Disk& disk = sim;
  std::string path = "device";
  std::unique_ptr<BlockWriter> open() {
    auto writer = disk.open_writer(path, world.reactor);
    REQUIRE(writer.ok());
    return std::move(writer.value());
  }
};

template <typename F>
std::unique_ptr<BlockWriter> open_new(F& f, uint64_t blocks) {
  auto file = f.disk.open(f.path, {.create = true});
  REQUIRE(file.ok());
  REQUIRE(file.value()->reserve(blocks * kBlock).ok());
  CHECK(file.value()->size().value() == blocks * kBlock);
  CHECK(file.value()->reserve(kBlock).ok());  // never shortens
  CHECK(file.value()->size().value() == blocks * kBlock);
  return f.open();
}

}  // namespace

TEST_CASE_TEMPLATE("block writer: many writes at once all arrive, completions in later turns", F,
                   UringFixture, ThreadFixture, SimFixture) {
  F f;
  constexpr size_t kWrites = 200;  // more than any queue is deep
  auto writer = open_new(f, kWrites * 2);
  size_t done = 0;
  for (size_t i = 0; i < kWrites; ++i) {
    writer->write(i * 2 * kBlock, filled(1 + i % 2, static_cast<char>('a' + i % 26)),
                  [&done](const Status& status) {
                    CHECK(status.ok());
                    ++done;
                  });
  }
  CHECK(done == 0);
  REQUIRE(f.world.run_until([&] { return done == kWrites; }));
  const std::string content = f.disk.read_file(f.path).value();
  for (size_t i = 0; i < kWrites; ++i) {
    const std::string_view two(content.data() + i * 2 * kBlock, 2 * kBlock);
    const size_t written = (1 + i % 2) * kBlock;
    CHECK(two.substr(0, written).find_first_not_of(static_cast<char>('a' + i % 26)) ==
          std::string_view::npos);
    CHECK(two.substr(written).find_first_not_of('\0') == std::string_view::npos);
  }
}

TEST_CASE_TEMPLATE("block writer: drain runs every completion, the end runs none", F, UringFixture,
                   ThreadFixture, SimFixture) {
  F f;
  auto writer = open_new(f, 100);
  int done = 0;
  const auto count = [&done](const Status& status) { done += status.ok() ? 1 : 0; };
  for (uint64_t i = 0; i < 90; ++i) writer->write(i * kBlock, filled(1, 'x'), count);
  writer->drain();
  CHECK(done == 90);
  writer->write(99 * kBlock, filled(1, 'y'), count);
  writer.reset();
  f.world.run_for(10);
  CHECK(done == 90);
  CHECK(f.disk.read_file(f.path).value()[99 * kBlock] == 'y');
}

TEST_CASE("block writer: a write that fails says so") {
  UringFixture f;
  f.path = "/dev/full";  // every write: no space
  auto writer = std::make_unique<ThreadWriter>(
      f.world.reactor, std::move(f.disk.open(f.path, {.write_through = true}).value()));
  Status result;
  writer->write(0, filled(1, 'x'), [&result](const Status& status) { result = status; });
  writer->drain();
  CHECK(result.code() == Code::kNoSpace);
}

TEST_CASE("sim writer: what completed survives every crash, what did not is torn by sectors") {
  bool whole = false, torn = false, lost = false;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SimFixture f;
    SimDisk disk(seed);
    auto file = disk.open("device", {.create = true});
    REQUIRE(file.value()->reserve(4 * kBlock).ok());
    REQUIRE(file.value()->sync().ok());
    REQUIRE(disk.sync_directory(".").ok());
    auto writer = std::move(disk.open_writer("device", f.world.reactor).value());
    bool first = false;
    writer->write(0, filled(1, 'a'), [&first](const Status&) { first = true; });
    REQUIRE(f.world.run_until([&] { return first; }));
    int late = 0;
    writer->write(kBlock, filled(1, 'b'), [&late](const Status&) { ++late; });
    disk.crash();
    f.world.run_for(10);
    CHECK(late == 0);
    const std::string content = disk.read_file("device").value();
    CHECK(content.substr(0, kBlock) == std::string(kBlock, 'a'));
    const auto kept = std::count(content.begin() + kBlock, content.begin() + 2 * kBlock, 'b');
    CHECK(kept % 512 == 0);
    whole = whole || kept == kBlock;
    lost = lost || kept == 0;
    torn = torn || (kept > 0 && kept < static_cast<int64_t>(kBlock));
  }
  CHECK(whole);
  CHECK(torn);
  CHECK(lost);
}

TEST_CASE("sim writer: the n-th completion fails, and with it all that follow") {
  SimFixture f;
  auto writer = open_new(f, 4);
  f.sim.fail_sync(2);
  std::vector<Code> codes;
  for (uint64_t i = 0; i < 3; ++i) {
    writer->write(i * kBlock, filled(1, 'a'), [&](const Status& s) { codes.push_back(s.code()); });
    writer->drain();
  }
  CHECK(codes == std::vector<Code>{Code::kOk, Code::kIo, Code::kPoisoned});
}

TEST_CASE("disk: an exclusive file is refused to a second holder, and room that is not there") {
  ScratchDirectory scratch;
  RealDisk disk;
  auto first = disk.open(scratch.file("x"), {.create = true, .exclusive = true});
  REQUIRE(first.ok());
  CHECK(disk.open(scratch.file("x"), {.exclusive = true}).status().code() == Code::kUnavailable);
  CHECK(disk.open(scratch.file("x"), {}).ok());
  first.value().reset();
  CHECK(disk.open(scratch.file("x"), {.exclusive = true}).ok());

  SimDisk sim(1);
  auto file = sim.open("y", {.create = true});
  sim.set_capacity(10 * kBlock);
  CHECK(file.value()->reserve(11 * kBlock).code() == Code::kNoSpace);
  CHECK(file.value()->size().value() == 0);
  CHECK(file.value()->reserve(10 * kBlock).ok());
}
