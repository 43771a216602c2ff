// Operands of the effects that change a stream: written by commands, read when they are applied.
// docs/ONDISK.md, "Collections", has them byte by byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/codec.h"
#include "store/types/stream_id.h"

namespace holdfast {

// Ids one behind the other: the milliseconds of each as the difference to the one before (the first
// to 0), which is small as a rule.
class StreamIdWriter {
 public:
  explicit StreamIdWriter(std::string& out) : out_(out) {}
  void put(const StreamId& id) {
    char scratch[2 * kMaxVarintBytes];
    char* end = store_varint(scratch, id.ms - last_ms_);
    end = store_varint(end, id.seq);
    out_.append(scratch, static_cast<size_t>(end - scratch));
    last_ms_ = id.ms;
  }

 private:
  std::string& out_;
  uint64_t last_ms_ = 0;
};

class StreamIdReader {
 public:
  explicit StreamIdReader(Reader& in) : in_(in) {}
  StreamId take() {
    last_ms_ += in_.varint();
    return {last_ms_, in_.varint()};
  }

 private:
  Reader& in_;
  uint64_t last_ms_ = 0;
};

inline void put_stream_id(std::string& out, const StreamId& id) { StreamIdWriter(out).put(id); }
inline StreamId take_stream_id(Reader& in) { return StreamIdReader(in).take(); }

// A number that may be -1.
inline void put_count_or_none(std::string& out, int64_t value) {
  put_varint(out, static_cast<uint64_t>(value) + 1);
}
inline int64_t take_count_or_none(Reader& in) { return static_cast<int64_t>(in.varint() - 1); }

}  // namespace holdfast
