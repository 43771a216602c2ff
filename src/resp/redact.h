// What must not be shown of a call: passwords in the arguments, for MONITOR and SLOWLOG. Pure.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace holdfast {

// The arguments, "(redacted)" standing for those of AUTH, of HELLO's AUTH, of ACL SETUSER, DELUSER
// and GETUSER, and for a password given to CONFIG SET.
std::vector<std::string_view> redact(std::span<const std::string_view> args);

}  // namespace holdfast
