// Any bytes as one line of text, or as a JSON string in valid UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// Quotes, backslashes and what is not printable become escapes: JSON's, or those of C.
void append_escaped(std::string& out, std::string_view text, bool json);
// With its quotes. What is no UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace holdfast
