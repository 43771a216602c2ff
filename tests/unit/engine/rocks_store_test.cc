// Which directories become a store, and which are refused as they are.
#include "engine/rocks_store.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/engine/engine_fixtures.h"
#include "tests/unit/engine/rocks_test_tools.h"

using namespace holdfast;
using namespace holdfast::rocks_format;

namespace {

Status try_open(const std::string& directory) {
  RocksStore store;
  return open_rocks_store(directory, &store);
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    if (file.path().filename() != "LOCK") names.push_back(file.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Another process that has locked the directory, as one that has it open would.
class LockHolder {
 public:
  explicit LockHolder(const std::string& directory) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    child_ = ::fork();
    if (child_ == 0) {
      const int file = ::open((directory + "/LOCK").c_str(), O_RDWR | O_CREAT, 0644);
      struct flock lock {};
      lock.l_type = F_WRLCK;
      lock.l_whence = SEEK_SET;
      const char result = ::fcntl(file, F_SETLK, &lock) == 0 ? 'y' : 'n';
      if (::write(ready[1], &result, 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    REQUIRE(child_ > 0);
    char result = 0;
    REQUIRE(::read(ready[0], &result, 1) == 1);
    CHECK(result == 'y');
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~LockHolder() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  LockHolder(const LockHolder&) = delete;
  LockHolder& operator=(const LockHolder&) = delete;

 private:
  pid_t child_ = 0;
};

}  // namespace

TEST_CASE("rocks store: made once; its uuid stays and differs from another's") {
  ScratchDirectory scratch;
  StoreUuid uuid;
  {
    RocksStore store;
    REQUIRE(open_rocks_store(scratch.file("a"), &store).ok());
    uuid = store.uuid;
    CHECK(uuid != StoreUuid{});
  }
  RocksStore again, other;
  REQUIRE(open_rocks_store(scratch.file("a"), &again).ok());
  CHECK(again.uuid == uuid);
  REQUIRE(open_rocks_store(scratch.file("b"), &other).ok());
  CHECK(other.uuid != uuid);
}

TEST_CASE("rocks store: a directory in use is refused in one line") {
  ScratchDirectory scratch;
  const std::string directory = scratch.file("some block store");  // has "lock" in its name
  {
    LockHolder holder(scratch.path());
    const Status status = try_open(scratch.path());
    CHECK(status.code() == Code::kUnavailable);
    CHECK(status.message() == "data directory " + scratch.path() + " is in use by another process");
  }
  CHECK(try_open(scratch.path()).ok());
  RocksStore store;
  REQUIRE(open_rocks_store(directory, &store).ok());
  const Status status = try_open(directory);
  CHECK(status.code() == Code::kUnavailable);
  CHECK(status.message() == "data directory " + directory + " is already open in this process");
}

TEST_CASE("rocks store: files of something else are refused and left alone") {
  ScratchDirectory scratch;
  write_whole(scratch.file("thesis.txt"), "words");
  const Status status = try_open(scratch.path());
  CHECK(status.code() == Code::kInvalid);
  CHECK(status.message().find("thesis.txt") != std::string::npos);
  CHECK(names_in(scratch.path()) == std::vector<std::string>{"thesis.txt"});
  CHECK(try_open(scratch.file("thesis.txt")).code() == Code::kIo);
  CHECK(!try_open(scratch.file("no/such/parent")).ok());
}

TEST_CASE("rocks store: a file system's own directory does not count as content") {
  ScratchDirectory scratch;
  std::filesystem::create_directory(scratch.file("lost+found"));
  CHECK(try_open(scratch.path()).ok());
}

TEST_CASE("rocks store: RocksDB databases of something else are refused, nothing is added") {
  for (const bool with_family : {false, true}) {
    ScratchDirectory scratch;
    {
      rocksdb::Options options;
      options.create_if_missing = true;
      rocksdb::DB* raw = nullptr;
      REQUIRE(rocksdb::DB::Open(options, scratch.path(), &raw).ok());
      const std::unique_ptr<rocksdb::DB> db(raw);
      if (with_family) {
        rocksdb::ColumnFamilyHandle* handle = nullptr;
        REQUIRE(db->CreateColumnFamily({}, "theirs", &handle).ok());
        db->DestroyColumnFamilyHandle(handle);
      } else {
        REQUIRE(db->Put({}, "their key", "v").ok());
      }
    }
    const Status status = try_open(scratch.path());
    CHECK(status.code() == Code::kInvalid);
    CHECK(status.message().find("not holdfast's") != std::string::npos);
    std::vector<std::string> families;
    REQUIRE(rocksdb::DB::ListColumnFamilies({}, scratch.path(), &families).ok());
    CHECK(families.size() == (with_family ? 2 : 1));
  }
}

TEST_CASE("rocks store: a making that a crash cut short is made to the end") {
  for (const int stage : {0, 1, 2}) {
    CAPTURE(stage);
    ScratchDirectory scratch;
    if (stage == 0) {  // before CURRENT
      for (const char* name : {"LOCK", "LOG", "IDENTITY", "MANIFEST-000001", "000001.dbtmp"}) {
        write_whole(scratch.file(name), "");
      }
    } else {  // before the column families, before the format key
      rocksdb::Options options;
      options.create_if_missing = true;
      rocksdb::DB* raw = nullptr;
      REQUIRE(rocksdb::DB::Open(options, scratch.path(), &raw).ok());
      const std::unique_ptr<rocksdb::DB> db(raw);
      for (const char* name : {"log", "records"}) {
        rocksdb::ColumnFamilyHandle* handle = nullptr;
        if (stage == 1) break;
        REQUIRE(db->CreateColumnFamily({}, name, &handle).ok());
        db->DestroyColumnFamilyHandle(handle);
      }
    }
    const Status status = try_open(scratch.path());
    CHECK_MESSAGE(status.ok(), status.message());
    CHECK(try_open(scratch.path()).ok());
  }
}

TEST_CASE("rocks store: another format version, or a damaged one, is refused") {
  RocksFixture f;
  f.close();
  const std::string key(kFormatKey);
  std::string good;
  {
    RawStore raw(f.directory());
    good = raw.get(raw.state(), key);
    raw.flip_bit(raw.state(), key, 5);
  }
  CHECK(try_open(f.directory()).code() == Code::kCorrupt);
  {
    RawStore raw(f.directory());
    std::string content;
    put_fixed<uint32_t>(content, kVersion + 1);
    content += "whatever comes then";
    rocksdb::WriteBatch batch;
    put_sealed(&batch, raw.state(), kFormatKey, {}, content);
    REQUIRE(raw.db().Write({}, &batch).ok());
  }
  const Status status = try_open(f.directory());
  CHECK(status.code() == Code::kInvalid);
  CHECK(status.message().find("format version 2; this holdfast reads version 1") !=
        std::string::npos);
  RawStore raw(f.directory());
  raw.put(raw.state(), key, good);
}

TEST_CASE("rocks store: a store that lost a part is damaged, never a new one") {
  RocksFixture f;
  REQUIRE(f.append(make_group(1, 3)).ok());
  f.close();
  const std::string copy = f.scratch().file("copy");
  copy_directory(f.directory(), copy);
  std::filesystem::remove(copy + "/CURRENT");
  CHECK(try_open(copy).code() == Code::kCorrupt);

  copy_directory(f.directory(), copy);
  {
    RawStore raw(copy);
    raw.erase(raw.state(), std::string(kFormatKey));
  }
  CHECK(try_open(copy).code() == Code::kInvalid);

  copy_directory(f.directory(), copy);
  {
    RawStore raw(copy);
    REQUIRE(raw.db().DropColumnFamily(raw.records()).ok());
  }
  CHECK(try_open(copy).code() == Code::kCorrupt);

  copy_directory(f.directory(), copy);
  for (const auto& file : std::filesystem::directory_iterator(copy)) {
    if (file.path().filename().string().starts_with("MANIFEST")) {
      std::filesystem::remove(file.path());
    }
  }
  CHECK(!try_open(copy).ok());
  f.reopen();
  CHECK(f.recovered(kShard).last_seq == 3);
}
