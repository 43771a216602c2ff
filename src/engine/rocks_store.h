// RocksStore: a directory opened as a store of ours, or refused.
//
// Refused, and left as it was: a directory with files of something else, a RocksDB database of
// something else, a store of another format version, a store that lost a part of itself, and one
// that another process has open. Only an empty directory becomes a new store, and a store whose
// making a crash cut short (nothing is in it yet) is made to the end.
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <memory>
#include <string>

#include "base/status.h"

namespace holdfast {

using StoreUuid = std::array<unsigned char, 16>;

struct RocksStore {
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* state = nullptr;
  rocksdb::ColumnFamilyHandle* log = nullptr;
  rocksdb::ColumnFamilyHandle* records = nullptr;
  StoreUuid uuid{};  // drawn when the store was made

  RocksStore() = default;
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;
  ~RocksStore() { close(); }
  void close();
};

// `directory` exists or can be made (its parent exists). REQUIRES: `store` is empty. After an error
// it is closed.
Status open_rocks_store(const std::string& directory, RocksStore* store);

// `what` plus RocksDB's reason; the code follows from it.
Status from_rocks(const std::string& what, const rocksdb::Status& status);

}  // namespace holdfast
