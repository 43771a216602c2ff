// Kinds of options: how the text of one value is checked, stored and printed. Used only by the
// option table (options.cc); everybody else goes through the table.
//
// A kind is a type with kType, kAllowed, get() and set(); `Field` says which member of Options it
// means: a pointer to the member, or an object to call with the options. For every value v that
// set() accepts, set(get()) keeps the options as they are.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

#include "base/options.h"

namespace holdfast::kinds {

inline constexpr int64_t kMaxBytes = std::numeric_limits<int64_t>::max();
// What one command changes is one log entry, whose length has 32 bits: its arguments, or the one
// value that it copies, must fit in.
inline constexpr int64_t kMaxBulkBytes = int64_t{1} << 30;
inline constexpr int64_t kMaxQueryBytes = int64_t{3} << 30;
inline constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();

bool same_word(std::string_view a, std::string_view b);  // case-insensitive, ASCII
std::string shown(std::string_view value);               // quoted, short, printable
Status refused(std::string_view value, std::string_view why, std::string_view allowed);

// "MIN to MAX", made while compiling so that the text cannot differ from the check.
struct RangeText {
  constexpr RangeText(int64_t min, int64_t max, std::string_view suffix) {
    number(min);
    text(" to ");
    number(max);
    text(suffix);
  }
  constexpr void text(std::string_view t) {
    for (const char c : t) buffer[size++] = c;
  }
  constexpr void number(int64_t n) {
    if (n < 0) buffer[size++] = '-';
    std::array<char, 20> digits{};
    size_t count = 0;
    for (uint64_t rest = n < 0 ? -uint64_t(n) : uint64_t(n); rest != 0 || count == 0; rest /= 10) {
      digits[count++] = static_cast<char>('0' + rest % 10);
    }
    while (count > 0) buffer[size++] = digits[--count];
  }
  constexpr std::string_view view() const { return {buffer.data(), size}; }

  std::array<char, 96> buffer{};
  size_t size = 0;
};

// All of `text` as a number in that base.
template <typename N>
std::errc parse_number(std::string_view text, N* out, int base = 10) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out, base);
  if (error == std::errc::result_out_of_range) return error;
  return error == std::errc() && stop == end ? error : std::errc::invalid_argument;
}

template <auto Field, int64_t Min, int64_t Max>
struct Integer {
  static constexpr std::string_view kType = "integer";
  static constexpr RangeText kRange{Min, Max, ""};
  static constexpr std::string_view kAllowed = kRange.view();
  static constexpr std::string_view kNot = "is not an integer";

  static std::string get(const Options& o) { return std::to_string(std::invoke(Field, o)); }
  static Status set(Options& o, std::string_view text) { return parse(o, text, kNot); }

 protected:
  static Status parse(Options& o, std::string_view text, std::string_view is_not) {
    int64_t value = 0;
    const std::errc error = parse_number(text, &value);
    if (error == std::errc::invalid_argument) return refused(text, is_not, kAllowed);
    if (error != std::errc() || value < Min || value > Max) {
      return refused(text, "is out of range", kAllowed);
    }
    auto& field = std::invoke(Field, o);
    field = static_cast<std::remove_reference_t<decltype(field)>>(value);
    return {};
  }
};

template <auto Field>
struct Port : Integer<Field, 0, 65535> {
  static constexpr std::string_view kType = "port";
  static Status set(Options& o, std::string_view text) {
    return Port::parse(o, text, "is not a port");
  }
};

template <auto Field, int64_t Min, int64_t Max>
struct Bytes {
  static constexpr std::string_view kType = "size";
  static constexpr RangeText kRange{Min, Max, " (units k, kb, m, mb, g, gb)"};
  static constexpr std::string_view kAllowed = kRange.view();

  static std::string get(const Options& o) { return std::to_string(std::invoke(Field, o)); }
  static Status set(Options& o, std::string_view text) {
    const Result<uint64_t> bytes = parse_bytes(text);
    if (!bytes.ok()) return refused(text, "is not a size", kAllowed);
    if (bytes.value() < uint64_t(Min) || bytes.value() > uint64_t(Max)) {
      return refused(text, "is out of range", kAllowed);
    }
    std::invoke(Field, o) = bytes.value();
    return {};
  }
};

template <auto Field>
struct YesNo {
  static constexpr std::string_view kType = "yes or no";
  static constexpr std::string_view kAllowed = "yes, no";

  static std::string get(const Options& o) { return std::invoke(Field, o) ? "yes" : "no"; }
  static Status set(Options& o, std::string_view text) {
    const bool yes = same_word(text, "yes");
    if (!yes && !same_word(text, "no")) return refused(text, "is not yes or no", kAllowed);
    std::invoke(Field, o) = yes;
    return {};
  }
};

// One word of a fixed set. `Words` has `allowed` and `words`, an array of {word, value}: the first
// word of a value is the one printed, later ones are only accepted.
template <auto Field, const auto& Words>
struct Choice {
  static constexpr std::string_view kType = "choice";
  static constexpr std::string_view kAllowed = Words.allowed;

  static std::string get(const Options& o) {
    for (const auto& [word, value] : Words.words) {
      if (value == std::invoke(Field, o)) return std::string(word);
    }
    return {};
  }
  static Status set(Options& o, std::string_view text) {
    for (const auto& [word, value] : Words.words) {
      if (!same_word(text, word)) continue;
      std::invoke(Field, o) = value;
      return {};
    }
    return refused(text, "is not known", kAllowed);
  }
};

template <auto Field>
struct Text {
  static constexpr std::string_view kType = "text";
  static constexpr std::string_view kAllowed = "any text; empty: none";

  static std::string get(const Options& o) { return std::invoke(Field, o); }
  static Status set(Options& o, std::string_view text) {
    std::invoke(Field, o) = text;
    return {};
  }
};

// Control characters in a path are a mistake, and a NUL would cut it short without a word.
bool is_path(std::string_view text, size_t max_bytes);

template <auto Field, size_t MaxBytes, bool MayBeEmpty>
struct Path {
  static constexpr std::string_view kType = "path";
  static constexpr RangeText kRange{MayBeEmpty ? 0 : 1, int64_t(MaxBytes), " bytes"};
  static constexpr std::string_view kAllowed = kRange.view();

  static std::string get(const Options& o) { return std::invoke(Field, o); }
  static Status set(Options& o, std::string_view text) {
    if (!is_path(text, MaxBytes) || (text.empty() && !MayBeEmpty)) {
      return refused(text, "is not a path", kAllowed);
    }
    std::invoke(Field, o) = text;
    return {};
  }
};

}  // namespace holdfast::kinds
