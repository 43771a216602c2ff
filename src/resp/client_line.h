// One client as CLIENT LIST and CLIENT INFO show it: Redis's fields, in Redis's order, since tools
// match them by position.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

class Session;

// Ends with a line break.
std::string client_line(const Session& session, int64_t now_ms);

// What may be shown as one field: no spaces, line ends or control characters.
bool is_client_text(std::string_view text);
inline constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

}  // namespace holdfast
