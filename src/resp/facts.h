// Facts: a reply that is a map of names and values, a pair at a time, as commands of operators give
// it. Who begins the map says how many pairs follow.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "replica/view.h"
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

// A store's identity as it is shown and given: 16 hexadecimal digits.
inline std::string store_text(StoreId store) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(store));
  return text;
}

}  // namespace holdfast
