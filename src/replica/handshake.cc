// See handshake.h.
#include "replica/handshake.h"

#include <algorithm>
#include <utility>

#include "base/codec.h"

namespace holdfast {
namespace {

// The parts of Hello and Welcome. Later versions may add to Hello, behind these; Welcome and Proof
// are of the chosen version.
constexpr size_t kHelloBytes = 64;
constexpr size_t kProofBytes = 32;
constexpr size_t kWelcomeBytes = 52 + kProofBytes;
constexpr uint8_t kHasSecret = 1;

// What goes before what was said, so that no proof or key can stand for another.
constexpr std::string_view kWelcomeLabel = "holdfast welcome";
constexpr std::string_view kProofLabel = "holdfast proof";
constexpr std::string_view kDialledKeyLabel = "holdfast key of who was dialled";
constexpr std::string_view kDiallerKeyLabel = "holdfast key of who dialled";

struct Hello {
  uint8_t min_version = 0, max_version = 0, role = 0, flags = 0;
  uint32_t features = 0;
  Member from, wanted;
};

Hello parse_hello(std::string_view payload) {
  Reader in(payload);
  Hello hello;
  hello.min_version = in.fixed<uint8_t>();
  hello.max_version = in.fixed<uint8_t>();
  hello.role = in.fixed<uint8_t>();
  hello.flags = in.fixed<uint8_t>();
  hello.features = in.fixed<uint32_t>();
  hello.from.node = in.fixed<NodeId>();
  hello.from.store = in.fixed<StoreId>();
  hello.wanted.node = in.fixed<NodeId>();
  hello.wanted.store = in.fixed<StoreId>();
  HF_ASSERT(in.ok() && in.left() >= std::tuple_size_v<Handshake::Nonce>);
  return hello;
}

std::string_view view_of(const Handshake::Nonce& nonce) { return {nonce.data(), nonce.size()}; }

}  // namespace

std::string_view refusal_text(Refusal why) {
  switch (why) {
    case Refusal::kMalformed:
      return "malformed handshake";
    case Refusal::kOtherCluster:
      return "other cluster";
    case Refusal::kNoCommonVersion:
      return "no common protocol version";
    case Refusal::kOtherRole:
      return "connection of another role";
    case Refusal::kSelf:
      return "same node id on both sides";
    case Refusal::kOtherNode:
      return "another node was wanted";
    case Refusal::kOtherStore:
      return "another store was wanted";
    case Refusal::kUnknownNode:
      return "unknown node";
    case Refusal::kChangedStore:
      return "the node's store is not the expected one";
    case Refusal::kSecretMissing:
      return "a secret is required";
    case Refusal::kWrongSecret:
      return "wrong secret";
  }
  return "unknown reason";
}

Handshake::Handshake(const LinkIdentity& identity, bool dials, const Nonce& nonce)
    : identity_(identity), dials_(dials), nonce_(nonce) {
  HF_ASSERT(identity_.self.valid());
  session_.cluster = identity_.cluster;
  session_.self = identity_.self;
}

Handshake Handshake::dial(const LinkIdentity& identity, Member wanted, const Nonce& nonce) {
  Handshake made(identity, true, nonce);
  made.wanted_ = wanted;
  std::string hello;
  put_fixed(hello, kMinWireVersion);
  put_fixed(hello, kMaxWireVersion);
  put_fixed(hello, identity.role);
  put_fixed<uint8_t>(hello, identity.secret.empty() ? 0 : kHasSecret);
  put_fixed(hello, identity.features);
  put_fixed(hello, identity.self.node);
  put_fixed(hello, identity.self.store);
  put_fixed(hello, wanted.node);
  put_fixed(hello, wanted.store);
  hello += view_of(nonce);
  HF_ASSERT(hello.size() == kHelloBytes);
  made.said_ = hello;
  made.send(FrameType::kHello, hello);
  return made;
}

Handshake Handshake::accept(const LinkIdentity& identity, Expect expect, const Nonce& nonce) {
  Handshake made(identity, false, nonce);
  made.expect_ = std::move(expect);
  return made;
}

void Handshake::send(FrameType type, std::string_view payload) {
  const FrameHeader header{
      .type = type, .length = static_cast<uint32_t>(payload.size()), .cluster = identity_.cluster};
  const auto sealed = seal_header(header, payload);
  output_.append(sealed.data(), sealed.size()).append(payload);
}

void Handshake::refuse(Refusal why) {
  state_ = State::kRefused;
  refusal_ = why;
  const auto code = static_cast<char>(why);
  // Bytes that are no handshake get no answer: nobody there would understand it.
  if (why != Refusal::kMalformed) send(FrameType::kRefusal, {&code, 1});
}

size_t Handshake::feed(std::string_view bytes) {
  size_t used = 0;
  while (state_ == State::kRunning) {
    size_t need = kFrameHeaderBytes;
    std::optional<FrameHeader> header;
    if (input_.size() >= kFrameHeaderBytes) {
      auto parsed = parse_header(std::string_view(input_).substr(0, need), kMaxHandshakePayload);
      if (!parsed.ok()) {
        refuse(Refusal::kMalformed);
        break;
      }
      header = parsed.value();
      need += header->length;
    }
    const size_t take = std::min(need - input_.size(), bytes.size() - used);
    input_.append(bytes, used, take);
    used += take;
    if (input_.size() < need) break;
    if (!header || input_.size() < kFrameHeaderBytes + header->length) continue;
    const std::string frame = std::exchange(input_, {});
    const std::string_view head = std::string_view(frame).substr(0, kFrameHeaderBytes);
    const std::string_view payload = std::string_view(frame).substr(kFrameHeaderBytes);
    if (frame_intact(head, payload)) {
      take_frame(*header, payload);
    } else {
      refuse(Refusal::kMalformed);
    }
  }
  return used;
}

void Handshake::take_frame(const FrameHeader& header, std::string_view payload) {
  const bool plain = header.version == kHandshakeVersion && header.flags == 0 &&
                     header.epoch == 0 && header.shard == 0;
  if (!plain) return refuse(Refusal::kMalformed);
  if (header.type == FrameType::kRefusal && payload.size() == 1) {
    state_ = State::kRefused;
    refused_by_peer_ = true;
    refusal_ = static_cast<Refusal>(payload[0]);
  } else if (dials_ && header.type == FrameType::kWelcome) {
    take_welcome(header, payload);
  } else if (!dials_ && header.type == FrameType::kHello && said_.empty()) {
    take_hello(header, payload);
  } else if (!dials_ && header.type == FrameType::kProof && !said_.empty()) {
    take_proof(payload);
  } else {
    refuse(Refusal::kMalformed);
  }
}

// --- who is dialled ---

void Handshake::take_hello(const FrameHeader& header, std::string_view payload) {
  if (header.cluster != identity_.cluster) return refuse(Refusal::kOtherCluster);
  if (payload.size() < kHelloBytes) return refuse(Refusal::kMalformed);
  if (const auto why = judge_hello(payload)) return refuse(*why);
  session_.authenticated = !identity_.secret.empty();

  said_ = payload;
  std::string welcome;
  put_fixed(welcome, session_.version);
  put_fixed(welcome, identity_.role);
  put_fixed<uint8_t>(welcome, session_.authenticated ? kHasSecret : 0);
  put_fixed<uint8_t>(welcome, 0);
  put_fixed(welcome, session_.features);
  put_fixed(welcome, identity_.self.node);
  put_fixed(welcome, identity_.self.store);
  welcome += view_of(nonce_);
  said_ += welcome;
  welcome += proof(kWelcomeLabel);
  HF_ASSERT(welcome.size() == kWelcomeBytes);
  send(FrameType::kWelcome, welcome);
}

std::optional<Refusal> Handshake::judge_hello(std::string_view payload) {
  const Hello hello = parse_hello(payload);
  session_.peer = hello.from;
  session_.version = std::min(hello.max_version, kMaxWireVersion);
  session_.features = hello.features & identity_.features;
  if (session_.version < std::max(hello.min_version, kMinWireVersion)) {
    return Refusal::kNoCommonVersion;
  }
  if (hello.role != static_cast<uint8_t>(identity_.role)) return Refusal::kOtherRole;
  if (hello.from.node == identity_.self.node) return Refusal::kSelf;
  if (hello.wanted.node != identity_.self.node) return Refusal::kOtherNode;
  if (hello.wanted.store != 0 && hello.wanted.store != identity_.self.store) {
    return Refusal::kOtherStore;
  }
  const bool has_secret = (hello.flags & kHasSecret) != 0;
  if (!has_secret && !identity_.secret.empty()) return Refusal::kSecretMissing;
  // One that has a secret refuses us by itself when it learns that we have none.
  const auto expected = hello.from.valid() ? expect_(hello.from.node) : std::nullopt;
  if (!expected) return Refusal::kUnknownNode;
  if (*expected != 0 && *expected != hello.from.store) return Refusal::kChangedStore;
  return std::nullopt;
}

void Handshake::take_proof(std::string_view payload) {
  if (payload.size() != kProofBytes) return refuse(Refusal::kMalformed);
  if (!equal_in_constant_time(payload, proof(kProofLabel))) return refuse(Refusal::kWrongSecret);
  finish();
}

// --- who dials ---

void Handshake::take_welcome(const FrameHeader& header, std::string_view payload) {
  if (header.cluster != identity_.cluster) return refuse(Refusal::kOtherCluster);
  if (payload.size() != kWelcomeBytes) return refuse(Refusal::kMalformed);
  if (const auto why = judge_welcome(payload)) return refuse(*why);
  session_.authenticated = !identity_.secret.empty();
  said_ += payload.substr(0, kWelcomeBytes - kProofBytes);
  if (!equal_in_constant_time(payload.substr(kWelcomeBytes - kProofBytes), proof(kWelcomeLabel))) {
    return refuse(Refusal::kWrongSecret);
  }
  send(FrameType::kProof, proof(kProofLabel));
  finish();
}

std::optional<Refusal> Handshake::judge_welcome(std::string_view payload) {
  Reader in(payload);
  session_.version = in.fixed<uint8_t>();
  const auto role = in.fixed<uint8_t>();
  const auto flags = in.fixed<uint8_t>();
  const auto unused = in.fixed<uint8_t>();
  session_.features = in.fixed<uint32_t>();
  session_.peer.node = in.fixed<NodeId>();
  session_.peer.store = in.fixed<StoreId>();
  if (unused != 0 || (flags & ~kHasSecret) != 0) return Refusal::kMalformed;
  if (session_.version < kMinWireVersion || session_.version > kMaxWireVersion) {
    return Refusal::kNoCommonVersion;
  }
  if ((session_.features & ~identity_.features) != 0) return Refusal::kMalformed;
  if (role != static_cast<uint8_t>(identity_.role)) return Refusal::kOtherRole;
  if (session_.peer.node == identity_.self.node) return Refusal::kSelf;
  if (session_.peer.node != wanted_.node) return Refusal::kUnknownNode;
  if (wanted_.store != 0 && session_.peer.store != wanted_.store) return Refusal::kChangedStore;
  const bool has_secret = (flags & kHasSecret) != 0;
  if (!has_secret && !identity_.secret.empty()) return Refusal::kSecretMissing;
  return std::nullopt;
}

// --- both ---

// Without a secret: zeros.
std::string Handshake::proof(std::string_view label) const {
  if (!session_.authenticated) return std::string(kProofBytes, '\0');
  char cluster[sizeof identity_.cluster];
  store_fixed(cluster, identity_.cluster);
  const Sha256 digest = HmacSha256(identity_.secret).of({label, {cluster, sizeof cluster}, said_});
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

void Handshake::finish() {
  state_ = State::kDone;
  if (!session_.authenticated) return;
  const auto key = [this](std::string_view label) {
    Sha256 bytes;
    const std::string text = proof(label);
    std::copy(text.begin(), text.end(), bytes.begin());
    return bytes;
  };
  session_.send_key = key(dials_ ? kDiallerKeyLabel : kDialledKeyLabel);
  session_.receive_key = key(dials_ ? kDialledKeyLabel : kDiallerKeyLabel);
}

}  // namespace holdfast
