// Errors that mean that nothing was done, and those that are the client's to see.
#include "gateway/refusal.h"

#include <doctest/doctest.h>

namespace holdfast {

TEST_CASE("refusal: what says nothing of a write that was sent before") {
  for (const char* line : {"OOM command not allowed", "MISCONF The device is full", "NOAUTH x",
                           "NOPERM x", "EXECABORT Transaction discarded"}) {
    CHECK(refused_this_time(line));
  }
  CHECK_FALSE(refused_this_time("WRONGTYPE Operation against a key"));
  CHECK_FALSE(refused_this_time("ERR value is not an integer or out of range"));
}

TEST_CASE("refusal: what was certainly not carried out, and what is the client's to see (R2)") {
  const NodeRefusal moved = classify_refusal("-MOVED 3999 127.0.0.1:6381\r\n");
  CHECK(moved.kind == RefusalKind::kMoved);
  CHECK(moved.slot == 3999);
  CHECK(moved.address == "127.0.0.1:6381");

  const NodeRefusal ask = classify_refusal("ASK 5 [::1]:7000");
  CHECK(ask.kind == RefusalKind::kAsk);
  CHECK(ask.address == "[::1]:7000");

  CHECK(classify_refusal("MOVED 1 :0").address.empty());
  CHECK(classify_refusal("MOVED 1 :6379").address.empty());
  CHECK(classify_refusal("MOVED 16384 a:1").kind == RefusalKind::kNone);
  CHECK(classify_refusal("MOVED").kind == RefusalKind::kNone);

  for (const std::string_view later :
       {"-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
        "-NOREPLICAS Not enough good replicas to write.\r\n", "-LOADING Redis is loading\r\n",
        "-READONLY You can't write against a read only replica.\r\n",
        "-UNBLOCKED force unblock from blocking operation, instance state changed\r\n"}) {
    CHECK(classify_refusal(later).kind == RefusalKind::kLater);
  }
  for (const std::string_view answer :
       {"-ERR syntax error\r\n", "-WRONGTYPE Operation\r\n", "-OOM command not allowed\r\n",
        "-NOSCRIPT No matching script\r\n", "-EXECABORT Transaction discarded\r\n",
        "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n", "-MISCONF x\r\n", "-\r\n", ""}) {
    CHECK(classify_refusal(answer).kind == RefusalKind::kNone);
  }
}

}  // namespace holdfast
