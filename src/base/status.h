// Errors as values. No exception crosses a layer: a call that can fail returns Status, or
// Result<T> when it also has something to give.
//
// A message says what failed and on what ("open /data/x: Permission denied"), without a trailing
// period, and can be shown to an operator as it is.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "base/assert.h"

namespace holdfast {

enum class Code : uint8_t {
  kOk,
  kInvalid,      // the caller's input is wrong (config, argument, bytes of another version)
  kNotFound,     //
  kExists,       // e.g. address in use
  kIo,           // a device or a socket failed
  kNoSpace,      // the device or a quota is full
  kCorrupt,      // bytes read back do not pass their check
  kUnavailable,  // may work later
  kStale,        // what the caller goes by has changed meanwhile
  kPoisoned,     // a flush failed earlier: nothing may be promised any more
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status invalid(std::string m) { return {Code::kInvalid, std::move(m)}; }
  static Status not_found(std::string m) { return {Code::kNotFound, std::move(m)}; }
  static Status io(std::string m) { return {Code::kIo, std::move(m)}; }
  static Status corrupt(std::string m) { return {Code::kCorrupt, std::move(m)}; }
  static Status stale(std::string m) { return {Code::kStale, std::move(m)}; }
  static Status unavailable(std::string m) { return {Code::kUnavailable, std::move(m)}; }
  // `what` plus the text of `error_number` (errno); the code follows from it.
  static Status from_errno(std::string what, int error_number);

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

// A value or the reason why there is none. value() REQUIRES: ok().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}                            // NOLINT
  Result(Status status) : state_(std::move(status)) { HF_ASSERT(!ok()); }  // NOLINT

  bool ok() const { return std::holds_alternative<T>(state_); }
  T& value() {
    HF_ASSERT(ok());
    return std::get<T>(state_);
  }
  const T& value() const {
    HF_ASSERT(ok());
    return std::get<T>(state_);
  }
  Status status() const { return ok() ? Status() : std::get<Status>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace holdfast
