// The rows of SnapshotChunk.records: key and image of one object each.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"
#include "replica/message.h"

namespace holdfast {

// A row: database (1 byte), then key and image, each its size as a varint and its bytes.
class SnapshotRows {
 public:
  void add(DbId db, std::string_view key, std::string_view image);
  size_t bytes() const { return rows_.size(); }
  Bytes take();  // and begins anew

 private:
  std::string rows_;
};

// In order. kCorrupt when they are not whole rows, also after some were visited; the visitor's own
// error ends it and is given back. The views are into `rows`.
using RowVisitor = std::function<Status(DbId db, std::string_view key, std::string_view image)>;
Status visit_rows(std::string_view rows, const RowVisitor& visit);

}  // namespace holdfast
