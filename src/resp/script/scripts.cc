// See scripts.h.
#include "resp/script/scripts.h"

#include <lua.hpp>

#include "resp/script/redis_library.h"
#include "resp/server.h"

namespace holdfast {
namespace {

std::unique_ptr<LuaMachine> make_machine(Server& server) {
  auto machine = std::make_unique<LuaMachine>(server);
  RedisLibrary::add_eval_functions(*machine);
  machine->lock();
  return machine;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool parse_sha(std::string_view text, Sha1* sha) {
  if (text.size() != sha->size() * 2) return false;
  for (size_t i = 0; i < sha->size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    (*sha)[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

// Cuts off and gives what is before the next separator.
std::string_view next_word(std::string_view* text, char separator) {
  const size_t end = text->find(separator);
  const std::string_view word = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return word;
}

bool read_flags(std::string_view list, uint32_t* flags, std::string* error) {
  while (!list.empty()) {
    const std::string_view name = next_word(&list, ',');
    const uint32_t flag = script_flag(name);
    if (flag == 0) {
      *error = "ERR Unexpected flag in script shebang: " + std::string(name);
      return false;
    }
    *flags |= flag;
  }
  return true;
}

}  // namespace

bool read_script_header(std::string_view text, ScriptHeader* header, std::string* error) {
  header->body = text;
  if (!text.starts_with("#!")) return true;
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) {
    *error = "ERR Invalid script shebang";
    return false;
  }
  header->flags = 0;
  header->body = text.substr(end);
  std::string_view line = text.substr(0, end);
  header->engine = next_word(&line, ' ');
  if (header->engine != "#!lua") {
    *error = "ERR Unexpected engine in script shebang: " + std::string(header->engine);
    return false;
  }
  while (!line.empty()) {
    const std::string_view option = next_word(&line, ' ');
    if (!option.starts_with("flags=")) {
      *error = "ERR Unknown lua shebang option: " + std::string(option);
      return false;
    }
    if (!read_flags(option.substr(6), &header->flags, error)) return false;
  }
  return true;
}

Scripts::Scripts(Server& server) : server_(server), machine_(make_machine(server)) {}

const Script* Scripts::find(std::string_view sha) const {
  Sha1 key;
  if (!parse_sha(sha, &key)) return nullptr;
  const auto found = scripts_.find(key);
  return found == scripts_.end() ? nullptr : &found->second;
}

const Script* Scripts::load(std::string_view text, std::string* error) {
  const Sha1 sha = sha1(text);
  const auto found = scripts_.find(sha);
  if (found != scripts_.end()) return &found->second;
  ScriptHeader header;
  if (!read_script_header(text, &header, error)) return nullptr;
  lua_State* lua = machine_->lua();
  if (!machine_->compile(header.body, "@user_script")) {
    *error = "ERR Error compiling script (new function): " + std::string(lua_tostring(lua, -1));
    lua_pop(lua, 1);
    return nullptr;
  }
  Script script{luaL_ref(lua, LUA_REGISTRYINDEX), header.flags, to_hex(sha)};
  script_bytes_ += text.size() + sizeof(Script);
  return &scripts_.emplace(sha, std::move(script)).first->second;
}

void Scripts::flush() {
  scripts_.clear();
  script_bytes_ = 0;
  machine_ = make_machine(server_);
}

void Scripts::run(CommandContext& c, const Script& script, bool read_only,
                  std::span<const std::string_view> keys, std::span<const std::string_view> args) {
  if (!LuaMachine::admit(c, script.flags, read_only)) return;
  lua_rawgeti(machine_->lua(), LUA_REGISTRYINDEX, script.function);
  machine_->run(c, script.flags, read_only, true, script.sha, keys, args);
}

}  // namespace holdfast
