// Reply: a RESP2 reply as a client of the simulation sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct Reply {
  char type = 0;  // + - : $ *
  bool nil = false;
  std::string text;  // of + - $
  int64_t number = 0;
  std::vector<Reply> elements;

  bool error() const { return type == '-'; }
  // Its first word.
  std::string code() const { return text.substr(0, text.find(' ')); }
};

// Takes one whole reply from the beginning of `bytes`; gives its length, 0 if it is not complete.
size_t parse_reply(std::string_view bytes, Reply* reply);

// "*1\r\n$4\r\nPING\r\n"
std::string request_bytes(const std::vector<std::string>& words);

}  // namespace holdfast
