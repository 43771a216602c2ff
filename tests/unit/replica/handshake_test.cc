// The handshake: who gets through, who is refused and what both sides then know, and that damaged,
// replayed or made-up bytes never end in a session.
#include "replica/handshake.h"

#include <doctest/doctest.h>

#include <string>

#include "base/codec.h"
#include "base/random.h"

namespace holdfast {
namespace {

constexpr uint64_t kCluster = 0xc1;

LinkIdentity node(NodeId id, const std::string& secret = "s3cret", uint32_t features = 0) {
  return {kCluster, {id, 0x50 + id}, LinkRole::kReplica, features, secret};
}

Handshake::Nonce nonce(char fill) {
  Handshake::Nonce made;
  made.fill(fill);
  return made;
}

// Who dials wants node 2 with any store; who is dialled knows node 1 with any store.
struct Meeting {
  explicit Meeting(const LinkIdentity& a = node(1), const LinkIdentity& b = node(2),
                   Member wanted = {2, 0}, std::optional<StoreId> expected = 0)
      : dialler(Handshake::dial(a, wanted, nonce('a'))),
        dialled(Handshake::accept(
            b, [expected](NodeId id) { return id == 1 ? expected : std::optional<StoreId>(); },
            nonce('b'))) {}

  // Moves bytes, `step` at a time, until nobody has any.
  void run(size_t step = SIZE_MAX) {
    for (;;) {
      std::string there = dialler.take_output();
      std::string back = dialled.take_output();
      if (there.empty() && back.empty()) return;
      give(dialled, there, step);
      give(dialler, back, step);
    }
  }
  static void give(Handshake& to, std::string_view bytes, size_t step) {
    while (!bytes.empty() && to.state() == Handshake::State::kRunning) {
      const std::string_view part = bytes.substr(0, step);
      CHECK(to.feed(part) == part.size());
      bytes.remove_prefix(part.size());
    }
  }
  bool both_done() const {
    return dialler.state() == Handshake::State::kDone && dialled.state() == Handshake::State::kDone;
  }

  Handshake dialler, dialled;
};

// Both sides are refused, for the same reason; one of them because the other said so.
bool both_refused(Meeting& meeting, Refusal why, bool by_dialled) {
  meeting.run();
  const auto refused = [why](const Handshake& side, bool by_peer) {
    return side.state() == Handshake::State::kRefused && side.refusal() == why &&
           side.refused_by_peer() == by_peer;
  };
  return refused(meeting.dialler, by_dialled) && refused(meeting.dialled, !by_dialled);
}

}  // namespace

TEST_CASE("handshake: two nodes with one secret, in any pieces") {
  for (const size_t step : {size_t{1}, size_t{7}, size_t{40}, SIZE_MAX}) {
    Meeting meeting(node(1, "s3cret", 0xff01), node(2, "s3cret", 0x0f01));
    meeting.run(step);
    REQUIRE(meeting.both_done());
    const LinkSession& a = meeting.dialler.session();
    const LinkSession& b = meeting.dialled.session();
    CHECK(a.peer == Member{2, 0x52});
    CHECK(b.peer == Member{1, 0x51});
    CHECK(a.self == b.peer);
    CHECK(a.cluster == kCluster);
    CHECK(a.version == kMaxWireVersion);
    CHECK(a.features == 0x0f01);
    CHECK(b.features == 0x0f01);
    CHECK(a.authenticated);
    CHECK(b.authenticated);
    CHECK(a.send_key == b.receive_key);
    CHECK(a.receive_key == b.send_key);
    CHECK(a.send_key != a.receive_key);
    CHECK(to_hex(a.send_key).substr(0, 16) == "403455a13b2849d8");
  }
}

TEST_CASE("handshake: without secrets") {
  Meeting meeting(node(1, ""), node(2, ""), {2, 0x52}, 0x51);
  meeting.run();
  REQUIRE(meeting.both_done());
  CHECK(!meeting.dialler.session().authenticated);
  CHECK(!meeting.dialled.session().authenticated);
}

TEST_CASE("handshake: who is refused, and both learn why") {
  SUBCASE("other secret") {
    Meeting meeting(node(1, "s3cret"), node(2, "other"));
    CHECK(both_refused(meeting, Refusal::kWrongSecret, false));
  }
  SUBCASE("only who is dialled has a secret") {
    Meeting meeting(node(1, ""), node(2));
    CHECK(both_refused(meeting, Refusal::kSecretMissing, true));
  }
  SUBCASE("only who dials has a secret") {
    Meeting meeting(node(1), node(2, ""));
    CHECK(both_refused(meeting, Refusal::kSecretMissing, false));
  }
  SUBCASE("other cluster") {
    LinkIdentity other = node(1);
    other.cluster = 0xc2;
    Meeting meeting(other, node(2));
    CHECK(both_refused(meeting, Refusal::kOtherCluster, true));
  }
  SUBCASE("other role") {
    LinkIdentity other = node(1);
    other.role = static_cast<LinkRole>(9);
    Meeting meeting(other, node(2));
    CHECK(both_refused(meeting, Refusal::kOtherRole, true));
  }
  SUBCASE("same node id") {
    Meeting meeting(node(2), node(2));
    CHECK(both_refused(meeting, Refusal::kSelf, true));
  }
  SUBCASE("another node was wanted") {
    Meeting meeting(node(1), node(3));
    CHECK(both_refused(meeting, Refusal::kOtherNode, true));
  }
  SUBCASE("another store was wanted") {
    Meeting meeting(node(1), node(2), {2, 0x99});
    CHECK(both_refused(meeting, Refusal::kOtherStore, true));
  }
  SUBCASE("a store that was not expected") {
    Meeting meeting(node(1), node(2), {2, 0}, 0x99);
    CHECK(both_refused(meeting, Refusal::kChangedStore, true));
  }
  SUBCASE("nobody knows the node") {
    Meeting meeting(node(1), node(2), {2, 0}, std::nullopt);
    CHECK(both_refused(meeting, Refusal::kUnknownNode, true));
  }
}

namespace {

std::string sealed(FrameType type, std::string_view payload, FrameHeader header = {}) {
  header.type = type;
  header.length = static_cast<uint32_t>(payload.size());
  header.cluster = kCluster;
  const auto head = seal_header(header, payload);
  return std::string(head.data(), head.size()) + std::string(payload);
}

// Hello's payload as node 1 has it, with this in place of some of its bytes.
std::string hello_with(size_t at, std::string_view bytes) {
  std::string hello = Meeting().dialler.take_output().substr(kFrameHeaderBytes);
  return hello.replace(at, bytes.size(), bytes);
}

}  // namespace

TEST_CASE("handshake: versions") {
  const auto meet = [](std::string_view versions, const std::string& more = {}) {
    Meeting meeting;
    meeting.dialled.feed(sealed(FrameType::kHello, hello_with(0, versions) + more));
    return meeting.dialled.state() == Handshake::State::kRunning;
  };
  using std::string_literals::operator""s;
  CHECK(meet("\1\1"));
  CHECK(meet("\1\7"));  // a newer one, that also speaks ours
  CHECK(meet("\1\7", "and what it adds to Hello"));
  CHECK(!meet("\2\7"));
  CHECK(!meet("\0\0"s));
  CHECK(!meet("\1\0"s));
}

TEST_CASE("handshake: bytes that are none are refused without an answer") {
  const auto malformed = [](const std::string& bytes) {
    Meeting meeting;
    meeting.dialled.feed(bytes);
    return meeting.dialled.state() == Handshake::State::kRefused &&
           meeting.dialled.refusal() == Refusal::kMalformed &&
           meeting.dialled.take_output().empty();
  };
  const std::string hello = hello_with(0, "");
  CHECK(!malformed(sealed(FrameType::kHello, hello)));
  CHECK(malformed("*1\r\n$4\r\nPING\r\n" + std::string(32, 'x')));
  CHECK(malformed(sealed(FrameType::kHello, hello.substr(1))));
  CHECK(malformed(sealed(FrameType::kProof, std::string(32, 'x'))));
  CHECK(malformed(sealed(FrameType::kWelcome, std::string(84, 'x'))));
  CHECK(malformed(sealed(FrameType::kPrepare, hello)));
  CHECK(malformed(sealed(FrameType::kHello, hello, {.flags = 1})));
  CHECK(malformed(sealed(FrameType::kHello, hello, {.epoch = 1})));
  CHECK(malformed(sealed(FrameType::kHello, hello) + sealed(FrameType::kHello, hello)) == false);
  CHECK(malformed(sealed(FrameType::kHello, std::string(kMaxHandshakePayload + 1, 'x'))
                      .substr(0, kFrameHeaderBytes)));

  Meeting twice;
  twice.dialled.feed(sealed(FrameType::kHello, hello) + sealed(FrameType::kHello, hello));
  CHECK(twice.dialled.state() == Handshake::State::kRefused);
}

TEST_CASE("handshake: no flipped bit and no truncation leads to a session of both") {
  // Of each of the three frames.
  for (int turn = 0; turn < 3; ++turn) {
    size_t size = 1;
    for (size_t bit = 0; bit < size * 8; ++bit) {
      Meeting meeting;
      Handshake* sides[2] = {&meeting.dialler, &meeting.dialled};
      for (int i = 0; i <= turn; ++i) {
        std::string bytes = sides[i % 2]->take_output();
        if (i == turn) {
          size = bytes.size();
          bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
        }
        sides[(i + 1) % 2]->feed(bytes);
      }
      CHECK(sides[(turn + 1) % 2]->state() != Handshake::State::kDone);
    }
    CHECK(size > 60);
  }
}

TEST_CASE("handshake: a proof is good for one conversation only") {
  // What a listener could have kept of a meeting before.
  Meeting before;
  const std::string hello = before.dialler.take_output();
  before.dialled.feed(hello);
  const std::string welcome = before.dialled.take_output();
  before.dialler.feed(welcome);
  const std::string proof = before.dialler.take_output();
  before.dialled.feed(proof);
  REQUIRE(before.both_done());

  Handshake dialled = Handshake::accept(
      node(2), [](NodeId) { return std::optional<StoreId>(0); }, nonce('c'));
  dialled.feed(hello);
  dialled.feed(proof);
  CHECK(dialled.state() == Handshake::State::kRefused);
  CHECK(dialled.refusal() == Refusal::kWrongSecret);

  Handshake dialler = Handshake::dial(node(1), {2, 0}, nonce('d'));
  dialler.feed(welcome);
  CHECK(dialler.refusal() == Refusal::kWrongSecret);

  // Nor is one side's proof the other's.
  Meeting mirrored;
  mirrored.dialled.feed(mirrored.dialler.take_output());
  const std::string own = mirrored.dialled.take_output();
  mirrored.dialled.feed(sealed(FrameType::kProof, own.substr(own.size() - 32)));
  CHECK(mirrored.dialled.refusal() == Refusal::kWrongSecret);
}

TEST_CASE("handshake: bytes behind it are left alone") {
  Meeting meeting;
  meeting.dialled.feed(meeting.dialler.take_output());
  const std::string welcome = meeting.dialled.take_output();
  CHECK(meeting.dialler.feed(welcome + "frames") == welcome.size());
  CHECK(meeting.dialler.state() == Handshake::State::kDone);
  CHECK(meeting.dialler.feed("more") == 0);
}

TEST_CASE("handshake: the bytes of Hello") {
  Meeting meeting(node(1, "s3cret", 1), node(2), {2, 0x52});
  const std::string bytes = meeting.dialler.take_output();
  CHECK(to_hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}) ==
        "4801010040000000c100000000000000000000000000000000000000e207eaf4"
        "0101010101000000010000005100000000000000020000005200000000000000"
        "6161616161616161616161616161616161616161616161616161616161616161");
  meeting.dialled.feed(bytes);
  const std::string welcome = meeting.dialled.take_output();
  CHECK(to_hex({reinterpret_cast<const uint8_t*>(welcome.data()), welcome.size()}) ==
        "4801020054000000c100000000000000000000000000000000000000960da787"
        "0101010000000000020000005200000000000000626262626262626262626262"
        "6262626262626262626262626262626262626262597e506a0343e2aa93445b3f"
        "5b8497d4f3eeadd95692b148028839628f782000");
  meeting.dialler.feed(welcome);
  const std::string proof = meeting.dialler.take_output();
  CHECK(to_hex({reinterpret_cast<const uint8_t*>(proof.data()), proof.size()}) ==
        "4801030020000000c100000000000000000000000000000000000000d874c53d"
        "669b782743736494df9154c951e2272417710c94c82973dde7958f3568861aa8");
}

}  // namespace holdfast
