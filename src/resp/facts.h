// Facts: a reply that is a map of names and values, a pair at a time, as commands of operators give
// it. Who begins the map says how many pairs follow.
#pragma once

#include <string>
#include <string_view>

#include "resp/reply_writer.h"

namespace holdfast {

struct Facts {
  ReplyWriter& reply;
  void number(std::string_view name, uint64_t value) const {
    reply.bulk(name);
    reply.integer(static_cast<int64_t>(value));
  }
  void text(std::string_view name, std::string_view value) const {
    reply.bulk(name);
    reply.bulk(value);
  }
};

// The same of a map whose pairs are counted as they come.
class CountedFacts {
 public:
  explicit CountedFacts(ReplyWriter& reply) : facts_{reply}, late_(reply.late()) {}
  void number(std::string_view name, uint64_t value) {
    ++pairs_;
    facts_.number(name, value);
  }
  void text(std::string_view name, std::string_view value) {
    ++pairs_;
    facts_.text(name, value);
  }
  // Of a value that follows.
  void name(std::string_view name) {
    ++pairs_;
    facts_.reply.bulk(name);
  }
  // Once, when all were told.
  void end() { facts_.reply.map_was(late_, pairs_); }

 private:
  const Facts facts_;
  const ReplyWriter::Late late_;
  uint64_t pairs_ = 0;
};

}  // namespace holdfast
