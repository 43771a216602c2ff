// See snapshot_rows.h.
#include "replica/snapshot_rows.h"

#include <memory>
#include <utility>

#include "base/codec.h"

namespace holdfast {

void SnapshotRows::add(DbId db, std::string_view key, std::string_view image) {
  put_fixed(rows_, db);
  put_bytes(rows_, key);
  put_bytes(rows_, image);
}

Bytes SnapshotRows::take() { return std::make_shared<const std::string>(std::exchange(rows_, {})); }

Status visit_rows(std::string_view rows, const RowVisitor& visit) {
  Reader in(rows);
  while (!in.at_end()) {
    const auto db = in.fixed<DbId>();
    const std::string_view key = in.sized_bytes();
    const std::string_view image = in.sized_bytes();
    if (!in.ok() || db >= kDbCount) return Status::corrupt("malformed rows of a snapshot");
    Status status = visit(db, key, image);
    if (!status.ok()) return status;
  }
  return {};
}

}  // namespace holdfast
