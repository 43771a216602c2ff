// See rocks_store.h.
#include "engine/rocks_store.h"

#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "engine/rocks_format.h"

namespace holdfast {
namespace {

using namespace rocks_format;

constexpr size_t kMemtableBytes = 64 << 20;
constexpr size_t kStateMemtableBytes = 1 << 20;
constexpr size_t kBlockCacheBytes = 16 << 20;
constexpr uint64_t kWalBytes = 256 << 20;
constexpr int kMaxOpenFiles = 256;

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_open_files = kMaxOpenFiles;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 8 << 20;
  options.recycle_log_file_num = 0;  // a recycled file's old tail looks like damage, and hides it
  // A record that a crash cut short at the end is dropped; any other damage is an error. (The
  // default mode would end the log silently at the first damaged record: E6.)
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.paranoid_checks = true;
  options.bytes_per_sync = 1 << 20;
  options.max_total_wal_size = kWalBytes;
  options.max_background_jobs = 2;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(const std::shared_ptr<rocksdb::Cache>& cache,
                                            size_t memtable_bytes,
                                            rocksdb::CompressionType compression) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = memtable_bytes;
  options.compression = compression;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> families() {
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  constexpr auto kPlain = rocksdb::kNoCompression;
  return {{rocksdb::kDefaultColumnFamilyName, family_options(cache, kStateMemtableBytes, kPlain)},
          {std::string(kLogFamily), family_options(cache, kMemtableBytes, kPlain)},
          {std::string(kRecordFamily),
           family_options(cache, kMemtableBytes, rocksdb::kLZ4Compression)}};
}

Status foreign(const std::string& directory, const std::string& what) {
  return Status::invalid("data directory " + directory + " " + what +
                         "; holdfast needs a directory that is empty or its own");
}

// RocksDB says so in words only. With the words "lock file" and not just "lock": the directory's
// own name may hold that.
Status lock_status(const std::string& directory, const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (text.find("lock hold by current process") != std::string::npos) {
    return Status::unavailable("data directory " + directory + " is already open in this process");
  }
  if (text.find("While lock file") != std::string::npos) {
    return Status::unavailable("data directory " + directory + " is in use by another process");
  }
  return from_rocks("open data directory " + directory, status);
}

bool starts_with_any(std::string_view name, std::initializer_list<std::string_view> beginnings) {
  for (const std::string_view beginning : beginnings) {
    if (name.starts_with(beginning)) return true;
  }
  return false;
}

// Whether `directory` has a database; if not, it has nothing else either. What RocksDB makes before
// the file CURRENT does not count: a crash can leave that behind.
Result<bool> holds_database(const std::string& directory) {
  std::error_code error;
  if (std::filesystem::exists(directory + "/CURRENT", error)) return true;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename();
    if (name == "lost+found" || name.ends_with(".dbtmp")) continue;
    if (starts_with_any(name, {"LOCK", "LOG", "IDENTITY", "MANIFEST-", "OPTIONS-"})) continue;
    if (name.ends_with(".sst") || name.ends_with(".log")) {
      return Status::corrupt("data directory " + directory +
                             " is damaged: it has a store's files but not CURRENT");
    }
    return foreign(directory, "holds files that are not holdfast's (" + name + ")");
  }
  if (error) return Status::from_errno("read data directory " + directory, error.value());
  return false;
}

// Before our column families are added to it: is it ours? A new store has its families before the
// format's key, so what lacks a family must be empty.
Status check_families(const std::string& directory) {
  std::vector<std::string> names;
  rocksdb::Status status = rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), directory, &names);
  if (!status.ok()) return from_rocks("open data directory " + directory, status);
  for (const std::string& name : names) {
    if (name == rocksdb::kDefaultColumnFamilyName || name == kLogFamily || name == kRecordFamily) {
      continue;
    }
    return foreign(directory, "holds a RocksDB database that is not holdfast's");
  }
  if (names.size() == families().size()) return {};
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::DB* raw = nullptr;
  status = rocksdb::DB::OpenForReadOnly(rocksdb::Options(), directory, &raw);
  if (!status.ok()) return from_rocks("open data directory " + directory, status);
  db.reset(raw);
  std::unique_ptr<rocksdb::Iterator> any(db->NewIterator({}));
  any->SeekToFirst();
  if (!any->Valid() && any->status().ok()) return {};
  std::string ignored;
  if (db->Get({}, std::string(kFormatKey), &ignored).ok()) {
    return Status::corrupt("data directory " + directory + " is damaged: a column family is gone");
  }
  return foreign(directory, "holds a RocksDB database that is not holdfast's");
}

// Looks at the directory with its lock held, so that nobody changes it meanwhile.
Status check_directory(const std::string& directory) {
  const Result<bool> database = holds_database(directory);
  if (!database.ok()) return database.status();
  rocksdb::Env* env = rocksdb::Env::Default();
  rocksdb::FileLock* lock = nullptr;
  const rocksdb::Status locked = env->LockFile(directory + "/LOCK", &lock);
  if (!locked.ok()) return lock_status(directory, locked);
  const Status status = database.value() ? check_families(directory) : Status();
  env->UnlockFile(lock);
  return status;
}

Status check_empty(const std::string& directory, RocksStore& store) {
  for (rocksdb::ColumnFamilyHandle* family : {store.state, store.log, store.records}) {
    std::unique_ptr<rocksdb::Iterator> any(store.db->NewIterator({}, family));
    any->SeekToFirst();
    if (any->Valid()) {
      return foreign(directory, "holds a RocksDB database without holdfast's format key");
    }
    if (!any->status().ok()) return from_rocks("read data directory " + directory, any->status());
  }
  return {};
}

Status write_format(const std::string& directory, RocksStore* store) {
  const Status empty = check_empty(directory, *store);
  if (!empty.ok()) return empty;
  secure_bytes(store->uuid.data(), store->uuid.size());
  std::string content;
  put_fixed(content, kVersion);
  content.append(reinterpret_cast<const char*>(store->uuid.data()), store->uuid.size());
  rocksdb::WriteBatch batch;
  put_sealed(&batch, store->state, kFormatKey, {}, content);
  rocksdb::WriteOptions how;
  how.sync = true;
  const rocksdb::Status status = store->db->Write(how, &batch);
  return status.ok() ? Status() : from_rocks("format data directory " + directory, status);
}

Status check_format(const std::string& directory, RocksStore* store) {
  std::string value;
  const rocksdb::Status status = store->db->Get(
      {}, store->state, rocksdb::Slice(kFormatKey.data(), kFormatKey.size()), &value);
  if (status.IsNotFound()) return write_format(directory, store);
  if (!status.ok()) return from_rocks("read data directory " + directory, status);
  std::string_view content;
  if (!unseal(kFormatKey, value, &content) || content.size() < sizeof kVersion) {
    return Status::corrupt("data directory " + directory + ": its format version is damaged");
  }
  const auto version = load_fixed<uint32_t>(content.data());
  if (version != kVersion) {
    return Status::invalid("data directory " + directory + " has format version " +
                           std::to_string(version) + "; this holdfast reads version " +
                           std::to_string(kVersion));
  }
  if (content.size() != sizeof kVersion + store->uuid.size()) {
    return Status::corrupt("data directory " + directory + ": its format value has another size");
  }
  content.copy(reinterpret_cast<char*>(store->uuid.data()), store->uuid.size(), sizeof kVersion);
  return {};
}

Status open_database(const std::string& directory, RocksStore* store) {
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(database_options(), directory, families(), &handles, &db);
  if (!status.ok()) return lock_status(directory, status);
  store->db.reset(db);
  store->state = handles[0];
  store->log = handles[1];
  store->records = handles[2];
  return {};
}

}  // namespace

Status from_rocks(const std::string& what, const rocksdb::Status& status) {
  const std::string message = what + ": " + status.ToString();
  if (status.IsCorruption()) return Status::corrupt(message);
  if (status.IsNoSpace()) return {Code::kNoSpace, message};
  return Status::io(message);
}

void RocksStore::close() {
  if (db == nullptr) return;
  for (rocksdb::ColumnFamilyHandle** family : {&state, &log, &records}) {
    if (*family != nullptr) db->DestroyColumnFamilyHandle(*family);
    *family = nullptr;
  }
  db->Close();
  db.reset();
}

Status open_rocks_store(const std::string& directory, RocksStore* store) {
  const rocksdb::Status made = rocksdb::Env::Default()->CreateDirIfMissing(directory);
  if (!made.ok()) return from_rocks("make data directory " + directory, made);
  Status status = check_directory(directory);
  if (status.ok()) status = open_database(directory, store);
  if (status.ok()) status = check_format(directory, store);
  if (!status.ok()) store->close();
  return status;
}

}  // namespace holdfast
