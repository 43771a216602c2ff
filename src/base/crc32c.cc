// See crc32c.h. crc32_iscsi neither inverts at the start nor at the end, so that is done here.
#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace holdfast {
namespace {

#ifdef __SSE4_2__
// What is short, as most entries are, is done before the library has chosen how.
constexpr size_t kShort = 256;

uint32_t crc32c_short(const unsigned char* bytes, size_t size, uint32_t crc) {
  uint64_t state = ~crc;
  for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t), bytes += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    state = _mm_crc32_u64(state, word);
  }
  auto last = static_cast<uint32_t>(state);
  for (; size > 0; --size) last = _mm_crc32_u8(last, *bytes++);
  return ~last;
}
#endif

}  // namespace

uint32_t crc32c(const void* data, size_t size, uint32_t crc) {
  constexpr size_t kMost = 1 << 30;                                    // the library counts in int
  auto* bytes = static_cast<unsigned char*>(const_cast<void*>(data));  // and only reads
#ifdef __SSE4_2__
  if (size < kShort) return crc32c_short(bytes, size, crc);
#endif
  for (; size > kMost; size -= kMost, bytes += kMost) {
    crc = ~crc32_iscsi(bytes, static_cast<int>(kMost), ~crc);
  }
  return ~crc32_iscsi(bytes, static_cast<int>(size), ~crc);
}

}  // namespace holdfast
