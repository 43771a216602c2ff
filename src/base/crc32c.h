// CRC32C (Castagnoli), as in iSCSI and ext4: the checksum of entries and records. ISA-L computes
// it with the processor's own instructions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace holdfast {

// Extends `crc` (0 to start) over `size` bytes.
uint32_t crc32c(const void* data, size_t size, uint32_t crc = 0);

}  // namespace holdfast
