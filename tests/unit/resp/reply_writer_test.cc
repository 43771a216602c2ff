// ReplyWriter: each kind of reply in RESP2 and RESP3.
#include "resp/reply_writer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace holdfast;

namespace {

template <typename Write>
std::string written(int protocol, Write write) {
  Output out;
  ReplyWriter reply(&out);
  reply.set_protocol(protocol);
  write(reply);
  iovec parts[64];
  std::string bytes;
  const size_t count = out.gather(parts);
  for (size_t i = 0; i < count; ++i) {
    bytes.append(static_cast<char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return bytes;
}

#define CHECK_BOTH(expression, resp2, resp3)                        \
  CHECK(written(2, [](ReplyWriter& r) { r.expression; }) == resp2); \
  CHECK(written(3, [](ReplyWriter& r) { r.expression; }) == resp3)

}  // namespace

TEST_CASE("replies: every kind in both protocols") {
  CHECK_BOTH(ok(), "+OK\r\n", "+OK\r\n");
  CHECK_BOTH(integer(-42), ":-42\r\n", ":-42\r\n");
  CHECK_BOTH(integer(INT64_MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n");
  CHECK_BOTH(bulk("a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n");
  CHECK_BOTH(bulk(""), "$0\r\n\r\n", "$0\r\n\r\n");
  CHECK_BOTH(null(), "$-1\r\n", "_\r\n");
  CHECK_BOTH(null_array(), "*-1\r\n", "_\r\n");
  CHECK_BOTH(array(2), "*2\r\n", "*2\r\n");
  CHECK_BOTH(map(2), "*4\r\n", "%2\r\n");
  CHECK_BOTH(set(3), "*3\r\n", "~3\r\n");
  CHECK_BOTH(push(3), "*3\r\n", ">3\r\n");
  CHECK_BOTH(boolean(true), ":1\r\n", "#t\r\n");
  CHECK_BOTH(boolean(false), ":0\r\n", "#f\r\n");
  CHECK_BOTH(real(3), "$1\r\n3\r\n", ",3\r\n");
  CHECK_BOTH(real(0.1), "$3\r\n0.1\r\n", ",0.1\r\n");
  CHECK_BOTH(real(-INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
  CHECK_BOTH(real(std::numeric_limits<double>::quiet_NaN()), "$3\r\nnan\r\n", ",nan\r\n");
  CHECK_BOTH(big_number("123456789012345678901234567890"),
             "$30\r\n123456789012345678901234567890\r\n", "(123456789012345678901234567890\r\n");
  CHECK_BOTH(verbatim("txt", "hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
  CHECK_BOTH(bulk_integer(-7), "$2\r\n-7\r\n", "$2\r\n-7\r\n");
  CHECK(written(3, [](ReplyWriter& r) { r.attribute(1); }) == "|1\r\n");
}

TEST_CASE("replies: an error is one line and is counted with its first word") {
  Output out;
  ReplyWriter reply(&out);
  reply.error("WRONGTYPE a\r\nb");
  CHECK(reply.error_count() == 1);
  CHECK(reply.last_error_code() == "WRONGTYPE");
  iovec part;
  REQUIRE(out.gather(std::span(&part, 1)) == 1);
  CHECK(std::string(static_cast<char*>(part.iov_base), part.iov_len) == "-WRONGTYPE a  b\r\n");
}
