// INFO, whose text is made in resp/info_text.cc, and LOLWUT.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/version.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/info_text.h"

namespace holdfast {
namespace {

void info_command(CommandContext& c) {
  const std::vector<std::string_view> sections(c.args.begin() + 1, c.args.end());
  c.reply.verbatim("txt", info_text(c.server, sections));
}

// --- LOLWUT ---

constexpr auto kTower = std::to_array<std::string_view>({
    "    |>>  ",
    " _ _|_ _ ",
    "|_|_|_|_|",
    ".|     |.",
    ".|  +  |.",
    ".|     |.",
    ".|_____|.",
});
constexpr int64_t kTowerWidth = 9;

char wall_at(size_t row, int64_t column) {
  constexpr size_t kTop = 3;
  if (row < kTop) return ' ';
  const auto place = static_cast<size_t>(column % 4);
  if (row == kTop) return " _  "[place];
  if (row == kTop + 1) return "| |_"[place];
  return place == (row % 2 == 0 ? 0 : 2) ? '|' : '_';
}

// A wall between towers, the first and the last at its ends.
std::string draw_fortress(int64_t width, int64_t towers) {
  std::string text;
  for (size_t row = 0; row < kTower.size(); ++row) {
    std::string line(static_cast<size_t>(width), ' ');
    for (int64_t column = 0; column < width; ++column) {
      line[static_cast<size_t>(column)] = wall_at(row, column);
    }
    for (int64_t i = 0; i < towers; ++i) {
      const int64_t left = towers == 1 ? 0 : i * (width - kTowerWidth) / (towers - 1);
      for (int64_t x = 0; x < kTowerWidth; ++x) {
        const char c = kTower[row][static_cast<size_t>(x)];
        if (c != '.') line[static_cast<size_t>(left + x)] = c;  // '.': what is behind it
      }
    }
    text += line + "\n";
  }
  return text;
}

// LOLWUT [VERSION version] [width [towers]]
void lolwut_command(CommandContext& c) {
  int64_t version, width = 48, towers = 3;
  size_t i = 1;
  if (c.argc() > 1 && c.is(1, "VERSION")) {
    if (c.argc() > 2 && !c.integer(2, &version)) return;
    i = 3;
  }
  if (c.argc() > i && !c.integer(i, &width)) return;
  if (c.argc() > i + 1 && !c.integer(i + 1, &towers)) return;
  width = std::clamp<int64_t>(width, kTowerWidth, 160);
  towers = std::clamp<int64_t>(towers, 1, width / kTowerWidth);
  std::string text = draw_fortress(width, towers);
  text.append("\nHold fast. Redis ver. ").append(kRedisVersion);
  text.append(", holdfast ver. ").append(kHoldfastVersion).append("\n");
  c.reply.verbatim("txt", text);
}

constexpr CommandSpec kCommands[] = {
    {"info",
     -1,
     kLoading | kStale,
     kCatDangerous,
     {},
     info_command,
     "server",
     "1.0.0",
     "O(1)",
     "Returns information and statistics about the server.",
     "[section [section ...]]"},
    {"lolwut",
     -1,
     kReadonly | kFast,
     0,
     {},
     lolwut_command,
     "server",
     "5.0.0",
     {},
     "Displays computer art and the Redis version",
     "[VERSION version]"},
};

}  // namespace

std::span<const CommandSpec> info_commands() { return kCommands; }

}  // namespace holdfast
