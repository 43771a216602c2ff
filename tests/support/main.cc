// The one main of all unit tests; the tests register themselves. The log is off.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "base/log.h"

int main(int argc, char** argv) {
  holdfast::set_log_level(holdfast::LogLevel::kOff);
  return doctest::Context(argc, argv).run();
}
