// HRANDFIELD and HSCAN.
#include <cstdint>
#include <string>

#include "resp/commands/collection_scan.h"
#include "resp/commands/hashes.h"
#include "resp/commands/random_members.h"
#include "resp/context.h"
#include "resp/server.h"
#include "store/types/hash.h"

namespace holdfast {
namespace {

// Writes fields of an array that was begun, with their values as each protocol shows them.
class FieldReply {
 public:
  FieldReply(ReplyWriter& reply, uint64_t fields, bool values) : reply_(reply), values_(values) {
    reply.array(values && !reply.resp3() ? fields * 2 : fields);
  }
  void operator()(const HashEntry& entry) { put(entry.field(), entry.value()); }
  void operator()(const HashCursor& cursor) { put(cursor.field(), cursor.value()); }
  void put(std::string_view field, std::string_view value) {
    if (values_ && reply_.resp3()) reply_.array(2);
    reply_.bulk(field);
    if (values_) reply_.bulk(value);
  }

 private:
  ReplyWriter& reply_;
  const bool values_;
};

void reply_random_fields(CommandContext& c, const Collection& hash, int64_t count, bool values) {
  Random& random = c.server.random();
  const uint64_t size = hash_size(hash);
  if (count < 0) {
    const uint64_t draws = -static_cast<uint64_t>(count);
    if (draws > kMaxDraws) return c.fail("ERR value is out of range");
    FieldReply reply(c.reply, draws, values);
    for (uint64_t i = 0; i < draws; ++i) {
      IntScratch field_scratch, value_scratch;
      const HashField drawn = hash_random(hash, random, field_scratch, value_scratch);
      reply.put(drawn.field, drawn.value);
    }
    return;
  }
  const uint64_t wanted = std::min(static_cast<uint64_t>(count), size);
  FieldReply reply(c.reply, wanted, values);
  const HashTable* table = hash_table(hash);
  if (table != nullptr && few_of_many(size, wanted)) {
    sample_few(table->table(), wanted, random, reply);
  } else {
    HashCursor cursor(hash);
    sample_by_cursor(cursor, size, wanted, random, reply);
  }
}

}  // namespace

void hrandfield_command(CommandContext& c) {
  std::optional<Collection> hash;
  if (c.argc() == 2) {
    if (!read_hash(c, c.key(1), &hash)) return;
    if (!hash) return c.reply.null();
    IntScratch field_scratch, value_scratch;
    c.reply.bulk(hash_random(*hash, c.server.random(), field_scratch, value_scratch).field);
    return;
  }
  int64_t count;
  if (!c.integer_between(2, -INT64_MAX, INT64_MAX, &count)) return;
  const bool values = c.argc() > 3;
  if (c.argc() > 4 || (values && !c.is(3, "withvalues"))) return c.fail();
  if (values && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
    return c.fail("ERR value is out of range");
  }
  if (!read_hash(c, c.key(1), &hash)) return;
  if (!hash) return c.reply.array(0);
  reply_random_fields(c, *hash, count, values);
}

void hscan_command(CommandContext& c) {
  ScanArguments scan;
  std::optional<Collection> hash;
  if (!parse_scan_cursor(c, &scan) || !read_hash(c, c.key(1), &hash)) return;
  if (!hash) return reply_scan(c, 0, 0, {});
  if (!parse_scan_options(c, true, &scan)) return;
  std::string& found = c.operands();
  uint64_t count = 0;
  const auto visit = [&](const auto& each) {
    if (!scan.wants(each.field())) return;
    put_bytes(found, each.field());
    if (!scan.no_values) put_bytes(found, each.value());
    count += scan.no_values ? 1 : 2;
  };
  uint64_t cursor = 0;
  if (const HashTable* table = hash_table(*hash); table != nullptr) {
    cursor = scan_table(table->table(), scan, visit);
  } else {
    HashCursor fields(*hash);
    while (fields.next()) visit(fields);
  }
  reply_scan(c, cursor, count, found);
}

}  // namespace holdfast
