// The simulated disk's crashes and faults: what may be lost is lost sometimes, what may not never.
#include "base/sim/sim_disk.h"

#include <doctest/doctest.h>

#include <bit>
#include <memory>
#include <set>
#include <string>

namespace holdfast {
namespace {

constexpr uint64_t kSeeds = 300;
constexpr size_t kSector = SimDisk::kSector;

std::unique_ptr<File> open(SimDisk& disk, const std::string& path, OpenMode mode = {}) {
  mode.create = true;
  auto file = disk.open(path, mode);
  REQUIRE(file.ok());
  return std::move(file.value());
}

// A file of `sectors` sectors of 'o', durable in content and name.
std::unique_ptr<File> old_file(SimDisk& disk, const std::string& path, size_t sectors) {
  auto file = open(disk, path);
  REQUIRE(file->write_at(0, std::string(sectors * kSector, 'o')).ok());
  REQUIRE(file->sync().ok());
  REQUIRE(disk.sync_directory(".").ok());
  return file;
}

// One letter a sector; '?' for a mixed one.
std::string letters(const std::string& content) {
  std::string out;
  for (size_t at = 0; at < content.size(); at += kSector) {
    const std::string sector = content.substr(at, kSector);
    out += sector == std::string(sector.size(), sector[0]) ? sector[0] : '?';
  }
  return out;
}

std::string read_all(SimDisk& disk, const std::string& path) {
  auto content = disk.read_file(path);
  REQUIRE(content.ok());
  return content.value();
}

}  // namespace

TEST_CASE("sim disk: what was flushed survives every crash") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimDisk disk(seed);
    auto file = old_file(disk, "f", 3);
    CHECK(file->write_at(kSector, std::string(kSector, 'n')).ok());
    CHECK(file->sync().ok());
    disk.crash();
    REQUIRE(letters(read_all(disk, "f")) == "ono");
    CHECK(!file->sync().ok());  // a handle from before
  }
}

TEST_CASE("sim disk: unflushed writes survive in any subset of whole sectors") {
  std::set<std::string> states;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimDisk disk(seed);
    auto file = old_file(disk, "f", 3);
    CHECK(file->write_at(0, std::string(3 * kSector, 'n')).ok());
    CHECK(letters(read_all(disk, "f")) == "nnn");
    disk.crash();
    states.insert(letters(read_all(disk, "f")));
  }
  CHECK(states == std::set<std::string>{"ooo", "oon", "ono", "onn", "noo", "non", "nno", "nnn"});
}

TEST_CASE("sim disk: a later unflushed write may survive without an earlier one") {
  std::set<std::string> states;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimDisk disk(seed);
    auto file = old_file(disk, "f", 2);
    CHECK(file->write_at(0, std::string(kSector, '1')).ok());
    CHECK(file->write_at(kSector, std::string(kSector, '2')).ok());
    disk.crash();
    states.insert(letters(read_all(disk, "f")));
  }
  CHECK(states == std::set<std::string>{"oo", "1o", "o2", "12"});
}

TEST_CASE("sim disk: growth and truncation may be lost, a hole reads as zeros") {
  std::set<std::string> grown;
  std::set<size_t> cut;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimDisk disk(seed);
    auto file = old_file(disk, "f", 1);
    CHECK(file->write_at(kSector, std::string(2 * kSector, 'n')).ok());
    auto other = old_file(disk, "g", 2);
    CHECK(other->truncate(kSector).ok());
    disk.crash();
    grown.insert(letters(read_all(disk, "f")));
    cut.insert(read_all(disk, "g").size() / kSector);
  }
  CHECK(grown == std::set<std::string>{"o", "on", std::string("o\0n", 3), "onn",
                                       std::string("on\0", 3), std::string("o\0\0", 3)});
  CHECK(cut == std::set<size_t>{1, 2});
}

TEST_CASE("sim disk: a write_through write is durable when it returns, older ones are not") {
  std::set<std::string> states;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimDisk disk(seed);
    auto lazy = old_file(disk, "f", 3);
    auto through = open(disk, "f", {.write_through = true});
    CHECK(lazy->write_at(0, std::string(2 * kSector, 'l')).ok());
    CHECK(through->write_at(kSector, std::string(kSector, 't')).ok());
    disk.crash();
    states.insert(letters(read_all(disk, "f")));
  }
  CHECK(states == std::set<std::string>{"oto", "lto"});
}

TEST_CASE("sim disk: power lost inside a write tears even a write_through one") {
  std::set<std::string> states;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimDisk disk(seed);
    old_file(disk, "f", 2);
    auto through = open(disk, "f", {.write_through = true});
    disk.power_off_after(2);
    CHECK(through->write_at(0, std::string(kSector, '1')).ok());
    CHECK(through->write_at(0, std::string(2 * kSector, '2')).code() == Code::kIo);
    CHECK(!disk.powered());
    CHECK(!through->sync().ok());
    CHECK(!disk.read_file("f").ok());
    disk.crash();
    CHECK(disk.powered());
    states.insert(letters(read_all(disk, "f")));
  }
  CHECK(states == std::set<std::string>{"1o", "2o", "12", "22"});
}

TEST_CASE("sim disk: names that were not flushed may be lost, flushed ones never") {
  std::set<std::string> states;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimDisk disk(seed);
    old_file(disk, "kept", 1);
    open(disk, "new");
    CHECK(disk.remove("kept").ok());
    disk.crash();
    states.insert(std::string(disk.exists("kept") ? "k" : "-") + (disk.exists("new") ? "n" : "-"));
  }
  CHECK(states == std::set<std::string>{"k-", "kn", "--", "-n"});
}

TEST_CASE("sim disk: a rename is lost or done, never half") {
  std::set<std::string> states;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimDisk disk(seed);
    old_file(disk, "a", 1);
    CHECK(disk.rename("a", "b").ok());
    disk.crash();
    states.insert(std::string(disk.exists("a") ? "a" : "") + (disk.exists("b") ? "b" : ""));
  }
  CHECK(states == std::set<std::string>{"a", "b"});
}

TEST_CASE("sim disk: replace_file is atomic at every point of power loss") {
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimDisk disk(seed);
    REQUIRE(disk.replace_file("conf", std::string("old content")).ok());
    disk.power_off_after(1 + seed % 6);
    const bool done = disk.replace_file("conf", std::string("new content")).ok();
    disk.crash();
    const std::string content = read_all(disk, "conf");
    CHECK((content == "old content" || content == "new content"));
    if (done) CHECK(content == "new content");
    seen.insert(content);
  }
  CHECK(seen.size() == 2);
}

TEST_CASE("sim disk: rot turns one bit, durably") {
  SimDisk disk(1);
  old_file(disk, "f", 4);
  const std::string before = read_all(disk, "f");
  const uint64_t where = disk.rot("f", kSector, kSector);
  CHECK(where >= kSector);
  CHECK(where < 2 * kSector);
  disk.crash();
  const std::string after = read_all(disk, "f");
  for (size_t i = 0; i < before.size(); ++i) {
    const int differing = std::popcount(static_cast<unsigned char>(before[i] ^ after[i]));
    REQUIRE(differing == (i == where ? 1 : 0));
  }
}

TEST_CASE("sim disk: bad sectors fail the reads that touch them") {
  SimDisk disk(1);
  auto file = old_file(disk, "f", 4);
  disk.fail_reads("f", 2 * kSector, kSector);
  std::string out(kSector, '\0');
  CHECK(file->read_at(kSector, out).ok());
  CHECK(file->read_at(3 * kSector, out).ok());
  CHECK(file->read_at(kSector + 1, out).code() == Code::kIo);
  disk.crash();
  CHECK(disk.read_file("f").status().code() == Code::kIo);  // it is the medium that is bad
  disk.restore_reads("f");
  CHECK(disk.read_file("f").ok());
}

TEST_CASE("sim disk: a failed sync is remembered by the file") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimDisk disk(seed);
    auto file = old_file(disk, "f", 1);
    auto other = old_file(disk, "g", 1);
    disk.fail_sync(2);
    CHECK(other->sync().ok());
    CHECK(file->write_at(0, std::string(kSector, 'n')).ok());
    CHECK(file->sync().code() == Code::kIo);
    CHECK(file->sync().code() == Code::kPoisoned);
    CHECK(file->write_at(0, std::string(kSector, 'x')).code() == Code::kPoisoned);
    CHECK(other->sync().ok());
    CHECK(letters(disk.durable_content("f").value()) == "o");
    disk.crash();
    CHECK(open(disk, "f")->sync().ok());
  }
}

TEST_CASE("sim disk: a full disk") {
  SimDisk disk(1);
  auto file = old_file(disk, "f", 2);
  disk.set_capacity(3 * kSector);
  CHECK(file->write_at(2 * kSector, std::string(kSector, 'n')).ok());
  CHECK(file->write_at(3 * kSector, std::string(kSector, 'n')).code() == Code::kNoSpace);
  CHECK(file->write_at(0, std::string(kSector, 'x')).ok());  // in place
  CHECK(file->truncate(kSector).ok());
  CHECK(open(disk, "g")->write_at(0, std::string(2 * kSector, 'g')).ok());
}

TEST_CASE("sim disk: a misdirected write says ok and lands elsewhere, once") {
  SimDisk disk(1);
  auto file = old_file(disk, "f", 64);
  disk.misdirect_next_write("f");
  CHECK(file->write_at(0, std::string(kSector, 'm')).ok());
  const std::string content = letters(read_all(disk, "f"));
  CHECK(content[0] == 'o');
  CHECK(content.find('m') != std::string::npos);
  CHECK(file->write_at(0, std::string(kSector, 'n')).ok());
  CHECK(letters(read_all(disk, "f"))[0] == 'n');
}

TEST_CASE("sim disk: direct access must be aligned") {
  SimDisk disk(1);
  auto file = open(disk, "f", {.direct = true});
  alignas(4096) static char page[8192];
  CHECK(file->write_at(0, std::span(page, 4096)).ok());
  CHECK(!file->write_at(512, std::span(page, 4096)).ok());
  CHECK(!file->write_at(0, std::span(page, 512)).ok());
  CHECK(!file->write_at(0, std::span(page + 8, 4096)).ok());
}

TEST_CASE("sim disk: one seed, one outcome") {
  const auto run = [](uint64_t seed) {
    SimDisk disk(seed);
    auto file = old_file(disk, "f", 64);
    for (size_t i = 0; i < 64; i += 3) {
      REQUIRE(file->write_at(i * kSector, std::string(2 * kSector, 'n')).ok());
    }
    disk.crash();
    return read_all(disk, "f");
  };
  std::set<std::string> outcomes;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CHECK((run(seed) == run(seed)));
    outcomes.insert(run(seed));
  }
  CHECK(outcomes.size() > 5);
}

}  // namespace holdfast
