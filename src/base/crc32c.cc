// See crc32c.h. crc32_iscsi neither inverts at the start nor at the end, so that is done here.
#include "base/crc32c.h"

#include <isa-l/crc.h>

namespace holdfast {

uint32_t crc32c(const void* data, size_t size, uint32_t crc) {
  constexpr size_t kMost = 1 << 30;                                    // the library counts in int
  auto* bytes = static_cast<unsigned char*>(const_cast<void*>(data));  // and only reads
  for (; size > kMost; size -= kMost, bytes += kMost) {
    crc = ~crc32_iscsi(bytes, static_cast<int>(kMost), ~crc);
  }
  return ~crc32_iscsi(bytes, static_cast<int>(size), ~crc);
}

}  // namespace holdfast
