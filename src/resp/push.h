// Push: one message for any number of sessions: a published message, an invalidation.
//
// It is encoded when the first session of a protocol gets it, and those bytes are then shared by
// all: a message to many subscribers is copied once for each protocol, unless it is so short that
// a copy costs less than a reference (Output::append_shared).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "resp/output.h"

namespace holdfast {

class Push {
 public:
  // The whole message as the protocol (2 or 3) shows it. Called at most once for each, while the
  // Push lives.
  using Encode = std::function<std::string(int protocol)>;

  explicit Push(Encode encode) : encode_(std::move(encode)) {}
  Push(const Push&) = delete;
  Push& operator=(const Push&) = delete;

  const SharedBytes& bytes(int protocol) {
    SharedBytes& bytes = protocol == 3 ? resp3_ : resp2_;
    if (bytes == nullptr) bytes = std::make_shared<const std::string>(encode_(protocol));
    return bytes;
  }

 private:
  Encode encode_;
  SharedBytes resp2_;
  SharedBytes resp3_;
};

// The beginning of a push of `count` elements, and elements.
void append_push_header(int protocol, uint64_t count, std::string* out);
void append_array_header(uint64_t count, std::string* out);
void append_bulk(std::string_view bytes, std::string* out);

}  // namespace holdfast
