// See wire.h.
#include "replica/wire.h"

#include <lz4.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/codec.h"

namespace holdfast {
namespace {

// Below this a frame's cost is not its bytes.
constexpr size_t kLeastToCompress = 512;
// Bulk up to this is copied into the head: cheaper than one more part for the kernel.
constexpr size_t kInlineBulk = 1024;
// After tries in vain, compression is tried again after 1, 2, 4 .. frames, at most so many.
constexpr uint32_t kMaxSkippedTries = 64;
// The size of what was compressed, before the LZ4 block.
constexpr size_t kRawSizeBytes = sizeof(uint32_t);
constexpr uint8_t kCoordinatorFlags = kFlagFromCoordinator | kFlagToCoordinator;

std::string_view view_of(const Sha256& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

// Appends what `skip` leaves of `bytes`, and takes from `skip` what it left out.
void append_part(std::vector<iovec>& parts, std::string_view bytes, size_t* skip) {
  const size_t out = std::min(*skip, bytes.size());
  *skip -= out;
  bytes.remove_prefix(out);
  if (!bytes.empty()) parts.push_back({const_cast<char*>(bytes.data()), bytes.size()});
}

}  // namespace

// --- frames ---

void Frame::append_to(std::vector<iovec>& parts, size_t skip) const {
  HF_ASSERT(skip < size());
  append_part(parts, head, &skip);
  if (bulk) append_part(parts, std::string_view(*bulk).substr(bulk_at, bulk_bytes), &skip);
  append_part(parts, tail, &skip);
}

std::string Frame::flat() const {
  std::string bytes = head;
  if (bulk) bytes.append(*bulk, bulk_at, bulk_bytes);
  return bytes + tail;
}

// --- Encoder ---

Encoder::Encoder(const LinkSession& session) : session_(session) {
  if (session_.authenticated) key_.emplace(view_of(session_.send_key));
}

Frame Encoder::next(const Payload& payload, size_t* sent) {
  HF_ASSERT(*sent != kAllSent);
  const size_t all = payload.bulk ? payload.bulk->size() : 0;
  const size_t left = all - *sent;
  FrameHeader header{
      .type = payload.type, .flags = payload.flags, .epoch = payload.epoch, .shard = payload.shard};
  if (left > kFragmentBytes) {
    header.flags |= kFlagMore;
    Frame frame = seal(header, payload, *sent, kFragmentBytes, {});
    *sent += kFragmentBytes;
    return frame;
  }
  Frame frame = seal(header, payload, *sent, left, payload.fields);
  *sent = kAllSent;
  return frame;
}

Frame Encoder::ping(FrameType type, uint64_t token) {
  HF_ASSERT(type == FrameType::kPing || type == FrameType::kPong);
  Payload payload;
  put_fixed(payload.fields, token);
  return seal({.type = type}, payload, 0, 0, payload.fields);
}

Frame Encoder::seal(FrameHeader header, const Payload& payload, size_t bulk_at, size_t bulk_bytes,
                    std::string_view fields) {
  std::string_view bulk;
  if (bulk_bytes > 0) bulk = std::string_view(*payload.bulk).substr(bulk_at, bulk_bytes);
  const bool packed = compress(bulk, fields);
  if (packed) {
    header.flags |= kFlagLz4;
    bulk = {};
    fields = packed_;
  }
  header.version = session_.version;
  header.cluster = session_.cluster;
  header.length = static_cast<uint32_t>(bulk.size() + fields.size());
  HF_ASSERT(header.length <= kMaxFramePayload);
  const auto sealed = seal_header(header, bulk, fields);
  const std::string_view head(sealed.data(), sealed.size());

  Frame frame;
  if (bulk.size() > kInlineBulk) {
    frame.head = head;
    frame.bulk = payload.bulk;
    frame.bulk_at = bulk_at;
    frame.bulk_bytes = bulk_bytes;
  } else {
    frame.head.reserve(head.size() + bulk.size() + fields.size() + kMacBytes);
    frame.head.append(head).append(bulk);
  }
  std::string& end = frame.bulk ? frame.tail : frame.head;
  end.append(fields);
  if (key_) {
    const Mac mac = frame_mac(*key_, count_, head, bulk, fields);
    end.append(mac.data(), mac.size());
  }
  ++count_;
  return frame;
}

// True when packed_ is to be sent instead: it is smaller by an eighth at least.
bool Encoder::compress(std::string_view bulk, std::string_view fields) {
  if ((session_.features & kFeatureLz4) == 0 || bulk.size() < kLeastToCompress) return false;
  if (skip_tries_ > 0) {
    --skip_tries_;
    return false;
  }
  unpacked_.assign(bulk).append(fields);
  packed_.clear();
  put_fixed(packed_, static_cast<uint32_t>(unpacked_.size()));
  const size_t limit = unpacked_.size() - unpacked_.size() / 8 - kRawSizeBytes;
  packed_.resize(kRawSizeBytes + limit);
  const int size =
      LZ4_compress_default(unpacked_.data(), packed_.data() + kRawSizeBytes,
                           static_cast<int>(unpacked_.size()), static_cast<int>(limit));
  if (size <= 0) {
    fruitless_ = std::min(fruitless_ + 1, 16u);
    skip_tries_ = std::min((1u << fruitless_) - 1, kMaxSkippedTries);
    return false;
  }
  fruitless_ = 0;
  packed_.resize(kRawSizeBytes + static_cast<size_t>(size));
  raw_bytes_ += unpacked_.size();
  packed_bytes_ += packed_.size();
  return true;
}

// --- Decoder ---

Decoder::Decoder(const LinkSession& session) : session_(session) {
  if (session_.authenticated) key_.emplace(view_of(session_.receive_key));
}

void Decoder::feed(std::string_view bytes) {
  HF_ASSERT(in_.empty());
  in_ = bytes;
}

Decoder::Got Decoder::broken(Status why) {
  error_ = std::move(why);
  in_ = {};
  body_ = {};
  partial_ = {};
  return Got::kBroken;
}

Decoder::Got Decoder::next() {
  if (!error_.ok()) {
    in_ = {};
    return Got::kBroken;
  }
  while (head_bytes_ < kFrameHeaderBytes || in_.size() + body_.size() >= body_bytes()) {
    if (head_bytes_ < kFrameHeaderBytes) {
      const size_t take = std::min(in_.size(), kFrameHeaderBytes - head_bytes_);
      if (take == 0) return Got::kMore;
      std::memcpy(head_.data() + head_bytes_, in_.data(), take);
      in_.remove_prefix(take);
      head_bytes_ += take;
      if (head_bytes_ < kFrameHeaderBytes) return Got::kMore;
      auto header = parse_header({head_.data(), head_.size()}, kMaxFramePayload);
      if (!header.ok()) return broken(header.status());
      header_ = header.value();
      continue;
    }
    const Got got = read_frame();
    if (got != Got::kMore) return got;  // else it was a fragment
  }
  if (body_.empty()) body_.reserve(body_bytes());
  body_.append(in_);
  in_ = {};
  return Got::kMore;
}

// All of the frame is here: behind the header in in_, or partly in body_.
Decoder::Got Decoder::read_frame() {
  const size_t missing = body_bytes() - body_.size();
  const std::string_view rest = in_.substr(0, missing);
  in_.remove_prefix(missing);
  head_bytes_ = 0;
  if (body_.empty()) return take_frame(rest, nullptr);
  std::string body = std::exchange(body_, {});
  body.append(rest);
  return take_frame(body, &body);
}

Decoder::Got Decoder::take_frame(std::string_view body, std::string* owned) {
  const std::string_view head(head_.data(), head_.size());
  const std::string_view payload = body.substr(0, header_.length);
  if (!frame_intact(head, payload)) {
    return broken(Status::corrupt("the checksum of a frame is wrong"));
  }
  if (key_) {
    const Mac mac = frame_mac(*key_, count_, head, payload);
    if (!equal_in_constant_time({mac.data(), mac.size()}, body.substr(header_.length))) {
      return broken(Status::corrupt("the MAC of a frame is wrong"));
    }
    if (owned != nullptr) owned->resize(header_.length);
  }
  ++count_;
  Status status = check_header();
  if (!status.ok()) return broken(std::move(status));
  if (!is_message(header_.type)) return take_ping(payload);
  if ((header_.flags & kFlagLz4) == 0) return take_payload(payload, owned);

  if (payload.size() <= kRawSizeBytes) return broken(Status::corrupt("nothing is compressed"));
  const auto raw_bytes = load_fixed<uint32_t>(payload.data());
  if (raw_bytes > kMaxFramePayload) return broken(Status::corrupt("too much is compressed"));
  std::string raw(raw_bytes, '\0');
  const int size = LZ4_decompress_safe(payload.data() + kRawSizeBytes, raw.data(),
                                       static_cast<int>(payload.size() - kRawSizeBytes),
                                       static_cast<int>(raw_bytes));
  if (size < 0 || static_cast<uint32_t>(size) != raw_bytes) {
    return broken(Status::corrupt("a compressed frame is malformed"));
  }
  return take_payload(raw, &raw);
}

Status Decoder::check_header() const {
  if (header_.version != session_.version) return Status::corrupt("a frame of another version");
  if (header_.cluster != session_.cluster) return Status::corrupt("a frame of another cluster");
  if (!is_message(header_.type)) {
    const bool ping = header_.type == FrameType::kPing || header_.type == FrameType::kPong;
    const bool plain = header_.flags == 0 && header_.epoch == 0 && header_.shard == 0;
    if (ping && plain) return {};
    return Status::corrupt("unexpected " + std::string(frame_type_name(header_.type)));
  }
  const bool lz4 = (session_.features & kFeatureLz4) != 0;
  uint8_t known = kCoordinatorFlags;
  if (has_bulk(header_.type)) known |= lz4 ? kFlagMore | kFlagLz4 : kFlagMore;
  if ((header_.flags & ~known) != 0) return Status::corrupt("a frame with unknown flags");
  if ((header_.flags & kCoordinatorFlags) == kCoordinatorFlags) {
    return Status::corrupt("a message between coordinators");
  }
  return {};
}

Decoder::Got Decoder::take_ping(std::string_view payload) {
  if (payload.size() != sizeof token_) return broken(Status::corrupt("malformed ping"));
  token_ = load_fixed<uint64_t>(payload.data());
  return header_.type == FrameType::kPing ? Got::kPing : Got::kPong;
}

// A whole message, or a fragment of one.
Decoder::Got Decoder::take_payload(std::string_view payload, std::string* owned) {
  if (!has_bulk(header_.type)) return take_message(payload, owned);
  const bool more = (header_.flags & kFlagMore) != 0;
  if (partial_of_) {
    const bool same = partial_of_->type == header_.type && partial_of_->epoch == header_.epoch &&
                      partial_of_->shard == header_.shard &&
                      ((partial_of_->flags ^ header_.flags) & kCoordinatorFlags) == 0;
    if (!same) return broken(Status::corrupt("fragments of different messages are mixed"));
  }
  if (!partial_of_ && !more) return take_message(payload, owned);
  if (more && payload.empty()) return broken(Status::corrupt("an empty fragment"));
  if (partial_.size() + payload.size() > kMaxBulkBytes) {
    return broken(Status::corrupt("a message is too long"));
  }
  partial_.append(payload);
  partial_of_ = header_;
  if (more) return Got::kMore;
  partial_of_.reset();
  std::string whole = std::exchange(partial_, {});
  return take_message(whole, &whole);
}

Decoder::Got Decoder::take_message(std::string_view payload, std::string* owned) {
  auto body = decode_message(header_.type, payload, owned);
  if (!body.ok()) return broken(body.status());
  const bool from_coordinator = (header_.flags & kFlagFromCoordinator) != 0;
  const bool to_coordinator = (header_.flags & kFlagToCoordinator) != 0;
  message_ = {header_.shard, header_.epoch, from_coordinator ? kCoordinatorMember : session_.peer,
              to_coordinator ? kCoordinatorMember : session_.self, std::move(body.value())};
  return Got::kMessage;
}

}  // namespace holdfast
