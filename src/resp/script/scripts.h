// Scripts: the scripts of EVAL, compiled once and kept by their SHA1 until SCRIPT FLUSH.
// Threads: the reactor's only.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/sha.h"
#include "resp/script/lua_machine.h"

namespace holdfast {

struct Script {
  int function = 0;  // a reference in the machine's registry
  uint32_t flags = 0;
  std::string sha;  // 40 digits
};

// The first line of a script, "#!lua name=x flags=a,b", taken apart.
struct ScriptHeader {
  uint32_t flags = kScriptCompat;
  std::string_view engine;
  std::string_view body;  // with the line's end, so that line numbers stay
  size_t end = 0;
};
// Reads EVAL's header; false with the reason (an error line) if it makes no sense.
bool read_script_header(std::string_view text, ScriptHeader* header, std::string* error);

class Scripts {
 public:
  explicit Scripts(Server& server);

  // By its 40 digits, in any case; null when it is not known.
  const Script* find(std::string_view sha) const;
  // Compiles the script if it is not known. Null with the reason, an error line.
  const Script* load(std::string_view text, std::string* error);
  // Forgets all, with everything that scripts have left in memory.
  void flush();
  // Runs it as EVAL does.
  void run(CommandContext& c, const Script& script, bool read_only,
           std::span<const std::string_view> keys, std::span<const std::string_view> args);

  size_t count() const { return scripts_.size(); }
  size_t script_bytes() const { return script_bytes_; }
  size_t lua_bytes() const { return machine_->memory(); }

 private:
  struct Hash {
    size_t operator()(const Sha1& sha) const {
      size_t word;
      std::memcpy(&word, sha.data(), sizeof word);
      return word;
    }
  };

  Server& server_;
  std::unique_ptr<LuaMachine> machine_;
  std::unordered_map<Sha1, Script, Hash> scripts_;
  size_t script_bytes_ = 0;
};

}  // namespace holdfast
