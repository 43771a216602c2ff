// Versions that this server tells its clients.
#pragma once

#include <string_view>

namespace holdfast {

inline constexpr std::string_view kRedisVersion = "7.2.4";  // whose commands and replies it has
inline constexpr std::string_view kHoldfastVersion = "0.1.0";

}  // namespace holdfast
