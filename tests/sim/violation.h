// Violation: an oracle of a simulation is broken.
#pragma once

#include <stdexcept>

namespace holdfast {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace holdfast
