// The disk contract, on the real file system and on the simulated disk.
#include "base/disk.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/real_disk.h"
#include "base/sim/sim_disk.h"
#include "tests/support/scratch_directory.h"

namespace holdfast {
namespace {

struct OnRealDisk {
  ScratchDirectory scratch;
  RealDisk disk;
  std::string path(const std::string& name) const { return scratch.file(name); }
};

struct OnSimDisk {
  OnSimDisk() { REQUIRE(disk.make_directory("/d").ok()); }
  SimDisk disk{1};
  std::string path(const std::string& name) const { return "/d/" + name; }
};

std::unique_ptr<File> create(Disk& disk, const std::string& path) {
  auto file = disk.open(path, {.create = true});
  REQUIRE(file.ok());
  return std::move(file.value());
}

std::string read(File& file, uint64_t offset, size_t size) {
  std::string out(size, '?');
  REQUIRE(file.read_at(offset, out).ok());
  return out;
}

}  // namespace

TEST_CASE_TEMPLATE("disk: what was written is read back", Place, OnRealDisk, OnSimDisk) {
  Place on;
  auto file = create(on.disk, on.path("f"));
  CHECK(file->size().value() == 0);
  CHECK(file->write_at(0, std::string("hello world")).ok());
  CHECK(file->write_at(6, std::string("there")).ok());
  CHECK(file->sync().ok());
  CHECK(read(*file, 0, 11) == "hello there");
  CHECK(read(*file, 6, 5) == "there");
  CHECK(file->size().value() == 11);
  CHECK(file->write_at(20, std::string("far")).ok());
  CHECK(file->size().value() == 23);
  CHECK(read(*file, 11, 9) == std::string(9, '\0'));
  CHECK(file->truncate(5).ok());
  CHECK(file->size().value() == 5);
  CHECK(read(*file, 0, 5) == "hello");
  file.reset();
  CHECK(on.disk.read_file(on.path("f")).value() == "hello");
}

TEST_CASE_TEMPLATE("disk: a read past the end is corrupt and names file and offset", Place,
                   OnRealDisk, OnSimDisk) {
  Place on;
  auto file = create(on.disk, on.path("short"));
  CHECK(file->write_at(0, std::string("12345")).ok());
  char out[10];
  const Status status = file->read_at(3, out);
  CHECK(status.code() == Code::kCorrupt);
  CHECK(status.message().find(on.path("short")) != std::string::npos);
  CHECK(status.message().find("at 5") != std::string::npos);
}

TEST_CASE_TEMPLATE("disk: a buffer is filled, whatever was read ahead", Place, OnRealDisk,
                   OnSimDisk) {
  Place on;
  auto file = create(on.disk, on.path("f"));
  std::string blocks;
  for (char c = 'a'; c < 'h'; ++c) blocks += std::string(kBlock, c);
  CHECK(file->write_at(0, blocks).ok());
  const auto filled = [&](uint64_t block, uint64_t count) {
    AlignedBuffer buffer(count * kBlock);
    REQUIRE(file->fill(block * kBlock, &buffer).ok());
    return std::string(buffer.data(), buffer.size()) ==
           blocks.substr(block * kBlock, count * kBlock);
  };
  CHECK(filled(1, 2));
  for (const uint64_t count : {1, 2, 3, 4}) {
    file->will_read(2 * kBlock, count * kBlock);
    CHECK(filled(2, count));
  }
  file->will_read(0, 2 * kBlock);
  CHECK(filled(0, 3));  // another size
  file->will_read(0, 2 * kBlock);
  CHECK(filled(1, 2));  // another place
  CHECK(filled(0, 2));
  file->will_read(0, 2 * kBlock);
  file->will_read(3 * kBlock, 2 * kBlock);
  CHECK(filled(3, 2));
  file->will_read(0, 2 * kBlock);
  file->will_read(0, 0);  // no more
  CHECK(file->write_at(0, std::string(1, '?')).ok());
  blocks[0] = '?';
  CHECK(filled(0, 2));
  file->will_read(6 * kBlock, 2 * kBlock);  // past the end
  AlignedBuffer buffer(2 * kBlock);
  CHECK(file->fill(6 * kBlock, &buffer).code() == Code::kCorrupt);
}

TEST_CASE_TEMPLATE("disk: open modes", Place, OnRealDisk, OnSimDisk) {
  Place on;
  CHECK(on.disk.open(on.path("f"), {}).status().code() == Code::kNotFound);
  CHECK(on.disk.open(on.path("no/f"), {.create = true}).status().code() == Code::kNotFound);
  CHECK(!on.disk.exists(on.path("f")));
  {
    auto file = on.disk.open(on.path("f"), {.create = true, .write_through = true});
    REQUIRE(file.ok());
    CHECK(file.value()->write_at(0, std::string("kept")).ok());
  }
  CHECK(on.disk.exists(on.path("f")));
  create(on.disk, on.path("f"));  // opening again keeps what is there
  auto file = on.disk.open(on.path("f"), {.read_only = true});
  REQUIRE(file.ok());
  CHECK(read(*file.value(), 0, 4) == "kept");
  CHECK(!file.value()->write_at(0, std::string("no")).ok());
}

TEST_CASE_TEMPLATE("disk: directories, rename and remove", Place, OnRealDisk, OnSimDisk) {
  Place on;
  CHECK(on.disk.make_directory(on.path("a/b/c")).ok());
  CHECK(on.disk.make_directory(on.path("a/b/c")).ok());
  CHECK(on.disk.exists(on.path("a/b")));
  for (const char* name : {"a/z", "a/y", "a/x"}) create(on.disk, on.path(name));
  CHECK(on.disk.list(on.path("a")).value() == std::vector<std::string>{"b", "x", "y", "z"});
  CHECK(on.disk.list(on.path("none")).status().code() == Code::kNotFound);
  CHECK(!on.disk.make_directory(on.path("a/x/under-a-file")).ok());

  CHECK(create(on.disk, on.path("a/x"))->write_at(0, std::string("from x")).ok());
  CHECK(on.disk.rename(on.path("a/x"), on.path("a/y")).ok());
  CHECK(on.disk.sync_directory(on.path("a")).ok());
  CHECK(on.disk.read_file(on.path("a/y")).value() == "from x");
  CHECK(on.disk.rename(on.path("a/x"), on.path("a/w")).code() == Code::kNotFound);
  CHECK(on.disk.remove(on.path("a/z")).ok());
  CHECK(on.disk.remove(on.path("a/z")).code() == Code::kNotFound);
  CHECK(on.disk.list(on.path("a")).value() == std::vector<std::string>{"b", "y"});
  CHECK(!on.disk.remove(on.path("a")).ok());  // not empty
  CHECK(on.disk.remove(on.path("a/b/c")).ok());
  CHECK(!on.disk.exists(on.path("a/b/c")));
  CHECK(on.disk.sync_directory(on.path("none")).code() == Code::kNotFound);
}

TEST_CASE_TEMPLATE("disk: an open file outlives its name", Place, OnRealDisk, OnSimDisk) {
  Place on;
  auto file = create(on.disk, on.path("f"));
  CHECK(file->write_at(0, std::string("alive")).ok());
  CHECK(on.disk.remove(on.path("f")).ok());
  CHECK(read(*file, 0, 5) == "alive");
}

TEST_CASE_TEMPLATE("disk: replace_file", Place, OnRealDisk, OnSimDisk) {
  Place on;
  CHECK(on.disk.replace_file(on.path("conf"), std::string("first, and long")).ok());
  // A crash left a longer temporary file behind.
  CHECK(create(on.disk, on.path("conf.tmp"))->write_at(0, std::string(100, 'x')).ok());
  CHECK(on.disk.replace_file(on.path("conf"), std::string("second")).ok());
  CHECK(on.disk.read_file(on.path("conf")).value() == "second");
  CHECK(on.disk.list(on.path("")).value() == std::vector<std::string>{"conf"});
  CHECK(!on.disk.replace_file(on.path("none/conf"), std::string("x")).ok());
  CHECK(on.disk.replace_file(on.path("conf"), {}).ok());
  CHECK(on.disk.read_file(on.path("conf")).value().empty());
  CHECK(on.disk.read_file(on.path("none")).status().code() == Code::kNotFound);
}

TEST_CASE("real disk: a full device is kNoSpace") {
  RealDisk disk;
  auto file = disk.open("/dev/full", {});
  if (!file.ok()) return;
  CHECK(file.value()->write_at(0, std::string("x")).code() == Code::kNoSpace);
}

}  // namespace holdfast
