// Corruptions: changes to the history of a correct store that no correct store can have caused.
// Each says why; none relies on a checker.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "tests/support/history/history.h"

namespace holdfast::history {

struct Corruption {
  std::string name;
  std::vector<std::string> profiles;  // of the histories it is for (generator.h)
  bool read_at_end;                   // whether they end with a read of each object
  // False when there is no place for it in this history; then nothing has changed.
  bool (*apply)(History&, Random&);
};

std::vector<Corruption> corruptions();

}  // namespace holdfast::history
