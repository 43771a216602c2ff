// See random.h. The algorithms are the reference ones of prng.di.unimi.it; a test pins their first
// outputs, because a changed sequence would silently change the meaning of every recorded seed.
#include "base/random.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>

#include "base/assert.h"

namespace holdfast {
namespace {

uint64_t splitmix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

SeededRandom::SeededRandom(uint64_t seed) {
  for (uint64_t& word : state_) word = splitmix64(seed);
}

uint64_t SeededRandom::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

void secure_bytes(void* out, size_t size) {
  char* at = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t got = getrandom(at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    HF_ASSERT(got > 0);
    at += got;
    size -= static_cast<size_t>(got);
  }
}

uint64_t secure_seed() {
  uint64_t seed = 0;
  secure_bytes(&seed, sizeof seed);
  return seed;
}

}  // namespace holdfast
