// The inner loop of SHA-256, with the processor's own instructions where it has them. Internal to
// base/sha.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace holdfast {

// Feeds `count` blocks of 64 bytes into the state.
void sha256_blocks(std::array<uint32_t, 8>& state, const uint8_t* blocks, size_t count);
// The same on any processor.
void sha256_blocks_portable(std::array<uint32_t, 8>& state, const uint8_t* blocks, size_t count);

}  // namespace holdfast
