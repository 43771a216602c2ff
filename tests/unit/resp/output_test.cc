// Output: order, holds and memory of a session's replies.
#include "resp/output.h"

#include <doctest/doctest.h>

#include <string>

#include "base/random.h"

using namespace holdfast;

namespace {

// What may leave now, without consuming it.
std::string released(Output& out) {
  iovec parts[1024];
  std::string bytes;
  const size_t count = out.gather(parts);
  for (size_t i = 0; i < count; ++i) {
    bytes.append(static_cast<char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return bytes;
}

// Output looks at shards only to tell them apart.
CommitPoint upto(Seq seq) { return {nullptr, seq}; }
void release(Output& out, Seq committed) {
  out.release([committed](const CommitPoint& what) { return what.seq <= committed; });
}

}  // namespace

TEST_CASE("output: a held reply holds back what is behind it and nothing before it") {
  Output out;
  out.append("one ");
  out.hold_from(out.position(), upto(5));
  out.append("two ");
  out.append("three ");
  CHECK(released(out) == "one ");
  out.consume(4);
  CHECK(released(out).empty());
  CHECK(out.waits_for()->seq == 5);
  release(out, 4);
  CHECK(released(out).empty());
  release(out, 5);
  CHECK(released(out) == "two three ");
  CHECK(!out.held());
}

TEST_CASE("output: several holds are released one by one") {
  Output out;
  for (Seq seq = 1; seq <= 4; ++seq) {
    out.hold_from(out.position(), upto(seq));
    out.append(std::to_string(seq));
  }
  out.hold_from(out.position(), upto(2));  // older than what it stands behind
  out.append("x");
  release(out, 2);
  CHECK(released(out) == "12");
  release(out, 4);
  CHECK(released(out) == "1234x");
}

TEST_CASE("output: rewind takes back the newest bytes, across chunks") {
  Output out;
  out.append("kept");
  const uint64_t position = out.position();
  out.append(std::string(100000, 'x'));
  out.hold_from(out.position(), upto(3));
  out.append("y");
  out.rewind(position);
  CHECK(released(out) == "kept");
  CHECK(!out.held());
  out.append("!");
  CHECK(released(out) == "kept!");
}

TEST_CASE("output: random appends and partial sends keep every byte in order") {
  SeededRandom random(7);
  Output out;
  std::string wanted, sent;
  for (int i = 0; i < 2000; ++i) {
    const std::string piece(random.below(i % 50 == 0 ? 70000 : 300),
                            static_cast<char>('a' + random.below(26)));
    wanted += piece;
    out.append(piece);
    const std::string ready = released(out);
    const size_t taken = random.below(ready.size() + 1);
    sent += ready.substr(0, taken);
    if (taken > 0) out.consume(taken);
    CHECK(out.unsent_bytes() == wanted.size() - sent.size());
  }
  sent += released(out);
  CHECK((sent == wanted));
}

TEST_CASE("output: an empty output keeps no memory") {
  Output out;
  out.append(std::string(1 << 20, 'x'));
  CHECK(out.allocated_bytes() >= 1 << 20);
  out.consume(1 << 20);
  CHECK(out.allocated_bytes() == 0);
  CHECK(out.empty());
}

TEST_CASE("output: shared bytes are referred to where that pays, and never written") {
  const auto small = std::make_shared<const std::string>("small");
  const auto large = std::make_shared<const std::string>(Output::kWorthSharing, 'x');
  Output out;
  out.append_shared(small);  // alone: no chunk has to be made for it
  CHECK(small.use_count() == 2);
  out.append_shared(large);
  CHECK(large.use_count() == 2);
  const uint64_t position = out.position();
  out.append_shared(small);
  out.append("own");
  CHECK(released(out) == "small" + *large + "small" + "own");
  out.rewind(position - 1);  // into the shared chunk
  out.append("!");
  CHECK(released(out) == "small" + large->substr(1) + "!");
  CHECK(*large == std::string(Output::kWorthSharing, 'x'));
  out.consume(6);
  CHECK(small.use_count() == 1);
  CHECK(large.use_count() == 2);
  out.clear();
  CHECK(large.use_count() == 1);
  CHECK(out.allocated_bytes() == 0);
}

TEST_CASE("output: random appends, shared and not, rewinds and partial sends") {
  SeededRandom random(8);
  Output out;
  std::string wanted, sent;
  for (int i = 0; i < 5000; ++i) {
    const std::string piece(random.below(i % 20 == 0 ? 40000 : 400),
                            static_cast<char>('a' + random.below(26)));
    wanted += piece;
    if (random.below(2) == 0) {
      out.append(piece);
    } else {
      out.append_shared(std::make_shared<const std::string>(piece));
    }
    if (random.below(4) == 0) {
      const uint64_t back = random.below(std::min<uint64_t>(out.unsent_bytes(), 50000) + 1);
      out.rewind(out.position() - back);
      wanted.resize(wanted.size() - back);
    }
    const std::string ready = released(out);
    const size_t taken = random.below(ready.size() + 1);
    sent += ready.substr(0, taken);
    if (taken > 0) out.consume(taken);
    CHECK(out.unsent_bytes() == wanted.size() - sent.size());
  }
  sent += released(out);
  CHECK((sent == wanted));
}

TEST_CASE("output: a hold may begin before one that is there") {
  Output out;
  out.append("a");
  out.append("b");
  out.append("c");
  out.hold_from(2, upto(5));
  out.hold_from(1, upto(5));
  CHECK(released(out) == "a");
  out.hold_from(0, upto(3));
  CHECK(released(out).empty());
  release(out, 3);
  CHECK(released(out) == "a");
  out.hold_from(0, upto(9));  // covers the other
  release(out, 5);
  CHECK(released(out).empty());
  release(out, 9);
  CHECK(released(out) == "abc");
}
