// See crc32c.h. crc32_iscsi neither inverts at the start nor at the end, so that is done here.
#include "base/crc32c.h"

#include <isa-l/crc.h>

namespace holdfast {

uint32_t crc32c(const void* data, size_t size, uint32_t crc) {
  auto* bytes = static_cast<unsigned char*>(const_cast<void*>(data));  // the library only reads
  return ~crc32_iscsi(bytes, static_cast<int>(size), ~crc);
}

}  // namespace holdfast
