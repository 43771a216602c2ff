// The text of INFO: sections of "name:value" lines, as Redis's tools read them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

class Server;

// `sections`: names, or "default", "all", "everything"; empty means "default". Unknown names give
// nothing.
std::string info_text(Server& server, const std::vector<std::string_view>& sections);

}  // namespace holdfast
