// See assert.h. Writes with stdio only: the logger may be what is broken.
#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace holdfast {
namespace {

AssertHandler assert_handler = nullptr;

}  // namespace

void set_assert_handler(AssertHandler handler) { assert_handler = handler; }

void assert_failed(const char* expression, const char* file, int line) {
  if (assert_handler != nullptr) assert_handler(expression, file, line);
  std::fprintf(stderr, "holdfast: invariant broken: %s at %s:%d\n", expression, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace holdfast
