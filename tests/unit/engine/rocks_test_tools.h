// Hands on a RocksEngine's store behind its back: raw keys and values, copies of live directories,
// damaged files.
#pragma once

#include <doctest/doctest.h>
#include <rocksdb/db.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/rocks_format.h"
#include "engine/rocks_store.h"

namespace holdfast {

// A store opened with RocksDB alone, while no engine has it open.
class RawStore {
 public:
  explicit RawStore(const std::string& directory) {
    const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
        {rocksdb::kDefaultColumnFamilyName, {}}, {"log", {}}, {"records", {}}};
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status =
        rocksdb::DB::Open(rocksdb::DBOptions(), directory, families, &handles_, &db);
    REQUIRE_MESSAGE(status.ok(), status.ToString());
    db_.reset(db);
  }
  ~RawStore() {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }
  RawStore(const RawStore&) = delete;
  RawStore& operator=(const RawStore&) = delete;

  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* state() { return handles_[0]; }
  rocksdb::ColumnFamilyHandle* log() { return handles_[1]; }
  rocksdb::ColumnFamilyHandle* records() { return handles_[2]; }

  std::string get(rocksdb::ColumnFamilyHandle* family, const std::string& key) {
    std::string value;
    REQUIRE(db_->Get({}, family, key, &value).ok());
    return value;
  }
  void put(rocksdb::ColumnFamilyHandle* family, const std::string& key, const std::string& value) {
    REQUIRE(db_->Put({}, family, key, value).ok());
  }
  void erase(rocksdb::ColumnFamilyHandle* family, const std::string& key) {
    REQUIRE(db_->Delete({}, family, key).ok());
  }
  void flip_bit(rocksdb::ColumnFamilyHandle* family, const std::string& key, size_t byte) {
    std::string value = get(family, key);
    REQUIRE(byte < value.size());
    value[byte] = static_cast<char>(value[byte] ^ 0x10);
    put(family, key, value);
  }
  std::map<std::string, std::string> all(rocksdb::ColumnFamilyHandle* family) {
    std::map<std::string, std::string> found;
    std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}, family));
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
      found[at->key().ToString()] = at->value().ToString();
    }
    return found;
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

inline void copy_directory(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

// RocksDB's newest log file: where the last writes are.
inline std::string newest_wal(const std::string& directory) {
  std::string newest;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    const std::string name = file.path().string();
    if (name.ends_with(".log") && name > newest) newest = name;
  }
  REQUIRE(!newest.empty());
  return newest;
}

inline std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_whole(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

inline uintmax_t bytes_of_tables(const std::string& directory) {
  uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    if (file.path().extension() == ".sst") bytes += file.file_size();
  }
  return bytes;
}

}  // namespace holdfast
