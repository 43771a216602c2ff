// Random: the only source of chance. Every generator comes from one 64-bit seed, so a simulated
// run repeats exactly. Not for secrets: those come from RealRandom::secure_bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace holdfast {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() = 0;  // uniform over all 64 bits

  // Uniform in [0, bound). REQUIRES: bound > 0. Lemire 2019, without the rejection step: the bias
  // is below bound / 2^64.
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<__uint128_t>(next()) * bound) >> 64);
  }
  bool one_in(uint64_t n) { return below(n) == 0; }
};

// xoshiro256** (Blackman and Vigna 2018), seeded through splitmix64.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed);
  uint64_t next() override;

 private:
  uint64_t state_[4];
};

// Bytes from the kernel's generator (getrandom), for seeds, tokens and passwords.
void secure_bytes(void* out, size_t size);
uint64_t secure_seed();

}  // namespace holdfast
