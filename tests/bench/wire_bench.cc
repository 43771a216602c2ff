// The protocol between nodes alone: bytes on the wire for a SET of 64 bytes, by itself and in
// batches, and what frames cost the reactor on both sides: with checksums only, with MACs, with
// compression.
//
//   wire_bench [MILLISECONDS per row]
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "base/random.h"
#include "node/memory.h"
#include "replica/wire.h"
#include "store/effect.h"

namespace {

using namespace holdfast;

// Of this thread, without what else runs on the machine.
int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

Session session(bool secret, bool lz4) {
  Session made;
  made.cluster = 0x1122334455667788;
  made.self = {1, 1};
  made.peer = {2, 2};
  made.features = lz4 ? kFeatureLz4 : 0;
  made.authenticated = secret;
  return made;
}

// A day into a shard's life, values of letters and digits.
Message prepare(size_t sets) {
  SeededRandom random(1);
  Keyspace keyspace(1);
  std::string entries;
  EntryWriter writer(&entries);
  for (size_t i = 0; i < sets; ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "key:%012llu",
                  static_cast<unsigned long long>(random.below(1'000'000)));
    std::string value(64, '\0');
    for (char& c : value) c = "0123456789abcdefghijklmnopqrstuv"[random.below(32)];
    writer.begin(3, 1'000'000'000 + i, 1'767'225'600'000);
    writer.add(Effect::put_string(0, keyspace.key(name), value, 0));
    writer.end();
  }
  return {5,
          3,
          {1, 1},
          {2, 2},
          Prepare{{3, 999'999'999, 0x12345678},
                  std::make_shared<const std::string>(std::move(entries)),
                  999'999'000}};
}

size_t receive(Decoder& decoder, std::string_view bytes) {
  size_t messages = 0;
  // As a reactor does it, a read buffer at a time.
  for (; !bytes.empty(); bytes.remove_prefix(std::min<size_t>(bytes.size(), 256 << 10))) {
    decoder.feed(bytes.substr(0, 256 << 10));
    for (Decoder::Got got; (got = decoder.next()) != Decoder::Got::kMore; ++messages) {
      if (got != Decoder::Got::kMessage) std::abort();
    }
  }
  return messages;
}

void row(const char* name, size_t sets, bool secret, bool lz4, int64_t run_ns) {
  const Message message =
      sets > 0 ? prepare(sets) : Message{5, 3, {1, 1}, {2, 2}, HeartbeatOk{4000, 1000, 1000}};
  Encoder encoder(session(secret, lz4));
  Decoder decoder(session(secret, lz4));
  uint64_t bytes = 0, rounds = 0;
  int64_t sending_ns = 0, receiving_ns = 0;
  while (sending_ns + receiving_ns < run_ns) {
    std::vector<Frame> frames;
    const int64_t start = now_ns();
    for (int i = 0; i < 16; ++i) {
      const Payload payload = encode_message(message);
      for (size_t sent = 0; sent != Encoder::kAllSent;) {
        frames.push_back(encoder.next(payload, &sent));
      }
    }
    sending_ns += now_ns() - start;
    std::string wire;
    for (const Frame& frame : frames) wire += frame.flat();
    const int64_t arrived = now_ns();
    if (receive(decoder, wire) != 16) std::abort();
    receiving_ns += now_ns() - arrived;
    bytes += wire.size();
    rounds += 16;
  }
  const auto per = [rounds](double what) { return what / static_cast<double>(rounds); };
  const double size = per(static_cast<double>(bytes));
  std::printf("%-28s %9.0f bytes", name, size);
  if (sets > 0) std::printf("  %6.1f a SET", size / static_cast<double>(sets));
  std::printf("  send %8.0f ns  receive %8.0f ns\n", per(static_cast<double>(sending_ns)),
              per(static_cast<double>(receiving_ns)));
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t run_ns = (argc > 1 ? std::atoll(argv[1]) : 300) * 1'000'000;
  for (const size_t sets : {0, 1, 10, 100, 1000, 10'000}) {
    const std::string what = sets == 0 ? "HeartbeatOk" : std::to_string(sets) + " SETs";
    row((what + ", CRC").c_str(), sets, false, false, run_ns);
    row((what + ", CRC and MAC").c_str(), sets, true, false, run_ns);
    if (sets > 1) row((what + ", CRC, lz4").c_str(), sets, false, true, run_ns);
  }
  memory_purge();  // also links the allocator's settings of the server
  return 0;
}
