// Taking a group's bytes apart into entries, for engines: all that they know of an entry is that it
// begins with its own length (32 bits, little endian, itself included).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/codec.h"
#include "base/status.h"
#include "base/types.h"

namespace holdfast {

// Visits the entries first..last of `bytes`; false from the visitor stops. kCorrupt when the bytes
// are not just these entries (what was visited before stays visited).
inline Status split_group(Seq first, Seq last, std::string_view bytes,
                          const std::function<bool(Seq, std::string_view)>& visit) {
  for (Seq seq = first; seq <= last; ++seq) {
    const uint32_t length = bytes.size() < 4 ? 0 : load_fixed<uint32_t>(bytes.data());
    if (length < 4 || length > bytes.size()) {
      return Status::corrupt("log entry " + std::to_string(seq) + ": its length does not fit");
    }
    if (!visit(seq, bytes.substr(0, length))) return {};
    bytes.remove_prefix(length);
  }
  if (bytes.empty()) return {};
  return Status::corrupt("log entry " + std::to_string(last) + ": unknown bytes follow it");
}

}  // namespace holdfast
