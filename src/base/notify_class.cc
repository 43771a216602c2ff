// See notify_class.h.
#include "base/notify_class.h"

namespace holdfast {
namespace {

struct Letter {
  char letter;
  NotifyClass event;
};

// What A stands for, in the order in which it is printed.
constexpr Letter kInAll[] = {
    {'g', NotifyClass::kGeneric}, {'$', NotifyClass::kString},  {'l', NotifyClass::kList},
    {'s', NotifyClass::kSet},     {'h', NotifyClass::kHash},    {'z', NotifyClass::kZset},
    {'x', NotifyClass::kExpired}, {'e', NotifyClass::kEvicted}, {'t', NotifyClass::kStream},
    {'d', NotifyClass::kModule},
};
constexpr Letter kBeside[] = {
    {'n', NotifyClass::kNew},
    {'K', NotifyClass::kKeyspace},
    {'E', NotifyClass::kKeyevent},
    {'m', NotifyClass::kKeyMiss},
};

constexpr NotifyMask all() {
  NotifyMask mask = 0;
  for (const Letter& each : kInAll) mask |= mask_of(each.event);
  return mask;
}

NotifyMask mask_of_letter(char letter) {
  if (letter == 'A') return all();
  for (const Letter& each : kInAll) {
    if (each.letter == letter) return mask_of(each.event);
  }
  for (const Letter& each : kBeside) {
    if (each.letter == letter) return mask_of(each.event);
  }
  return 0;
}

}  // namespace

std::optional<NotifyMask> parse_notify_classes(std::string_view letters) {
  NotifyMask mask = 0;
  for (const char letter : letters) {
    const NotifyMask one = mask_of_letter(letter);
    if (one == 0) return std::nullopt;
    mask |= one;
  }
  return mask;
}

std::string notify_class_letters(NotifyMask mask) {
  std::string letters;
  const bool whole = (mask & all()) == all();
  if (whole) letters.push_back('A');
  for (const Letter& each : kInAll) {
    if (!whole && (mask & mask_of(each.event)) != 0) letters.push_back(each.letter);
  }
  for (const Letter& each : kBeside) {
    if ((mask & mask_of(each.event)) != 0) letters.push_back(each.letter);
  }
  return letters;
}

}  // namespace holdfast
