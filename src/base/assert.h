// Assertions for our own mistakes. They stay on in release builds: a broken invariant stops the
// process before it can damage data. What a peer, a client or a disk can cause is never asserted;
// it is an error value.
#pragma once

namespace holdfast {

// Prints the expression and place to standard error and aborts.
[[noreturn]] void assert_failed(const char* expression, const char* file, int line);

// In a simulation: called instead, and has to throw. Null: the process is aborted.
using AssertHandler = void (*)(const char* expression, const char* file, int line);
void set_assert_handler(AssertHandler handler);

}  // namespace holdfast

#define HF_ASSERT(condition)                         \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::holdfast::assert_failed(#condition, __FILE__, __LINE__))
