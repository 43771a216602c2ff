// See lua_reply.h.
#include "resp/script/lua_reply.h"

#include <charconv>
#include <cstdlib>
#include <lua.hpp>

#include "base/assert.h"

namespace holdfast {
namespace {

class ReplyReader {
 public:
  ReplyReader(lua_State* lua, std::string_view bytes) : lua_(lua), left_(bytes) {}

  void push();

 private:
  std::string_view line() {
    const size_t end = left_.find("\r\n");
    HF_ASSERT(end != std::string_view::npos);
    const std::string_view text = left_.substr(0, end);
    left_.remove_prefix(end + 2);
    return text;
  }
  static int64_t integer(std::string_view digits) {
    int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  }
  void push_text(std::string_view text) { lua_pushlstring(lua_, text.data(), text.size()); }
  // {name=text}
  void push_named(const char* name, std::string_view text) {
    lua_createtable(lua_, 0, 1);
    push_text(text);
    lua_setfield(lua_, -2, name);
  }
  std::string_view blob(int64_t size) {
    const std::string_view bytes = left_.substr(0, static_cast<size_t>(size));
    left_.remove_prefix(bytes.size() + 2);
    return bytes;
  }
  void push_array(int64_t count);
  void push_map(int64_t pairs);
  void push_set(int64_t count);
  void push_verbatim(int64_t size);
  void push_double(std::string_view text);

  lua_State* lua_;
  std::string_view left_;
};

void ReplyReader::push_array(int64_t count) {
  lua_createtable(lua_, static_cast<int>(count), 0);
  for (int i = 1; i <= count; ++i) {
    push();
    lua_rawseti(lua_, -2, i);
  }
}

void ReplyReader::push_map(int64_t pairs) {
  lua_createtable(lua_, 0, 1);
  lua_createtable(lua_, 0, static_cast<int>(pairs));
  for (int64_t i = 0; i < pairs; ++i) {
    push();
    push();
    lua_rawset(lua_, -3);
  }
  lua_setfield(lua_, -2, "map");
}

void ReplyReader::push_set(int64_t count) {
  lua_createtable(lua_, 0, 1);
  lua_createtable(lua_, 0, static_cast<int>(count));
  for (int64_t i = 0; i < count; ++i) {
    push();
    lua_pushboolean(lua_, 1);
    lua_rawset(lua_, -3);
  }
  lua_setfield(lua_, -2, "set");
}

void ReplyReader::push_verbatim(int64_t size) {
  const std::string_view bytes = blob(size);
  lua_createtable(lua_, 0, 1);
  lua_createtable(lua_, 0, 2);
  push_text(bytes.substr(4));
  lua_setfield(lua_, -2, "string");
  push_text(bytes.substr(0, 3));
  lua_setfield(lua_, -2, "format");
  lua_setfield(lua_, -2, "verbatim_string");
}

void ReplyReader::push_double(std::string_view text) {
  lua_createtable(lua_, 0, 1);
  lua_pushnumber(lua_, std::strtod(std::string(text).c_str(), nullptr));
  lua_setfield(lua_, -2, "double");
}

void ReplyReader::push() {
  luaL_checkstack(lua_, 5, "the reply is nested too deep");
  const char kind = left_.front();
  left_.remove_prefix(1);
  const std::string_view text = line();
  switch (kind) {
    case '+':
      return push_named("ok", text);
    case '-':
      return push_error(lua_, "-" + std::string(text), true);
    case ':':
      return lua_pushnumber(lua_, static_cast<lua_Number>(integer(text)));
    case '$': {
      const int64_t size = integer(text);
      if (size < 0) return lua_pushboolean(lua_, 0);
      return push_text(blob(size));
    }
    case '*':
    case '>': {
      const int64_t count = integer(text);
      if (count < 0) return lua_pushboolean(lua_, 0);
      return push_array(count);
    }
    case '%':
      return push_map(integer(text));
    case '~':
      return push_set(integer(text));
    case '_':
      return lua_pushnil(lua_);
    case '#':
      return lua_pushboolean(lua_, text == "t" ? 1 : 0);
    case ',':
      return push_double(text);
    case '(':
      return push_named("big_number", text);
    case '=':
      return push_verbatim(integer(text));
    case '|': {
      // Attributes are not for scripts.
      for (int64_t i = integer(text) * 2; i > 0; --i) {
        push();
        lua_pop(lua_, 1);
      }
      return push();
    }
    default:
      HF_ASSERT(false);  // no reply begins so
  }
}

std::string_view text_at(lua_State* lua, int index) {
  size_t size;
  const char* text = lua_tolstring(lua, index, &size);
  return {text, size};
}

// Pushes the field of the table on top if it has this type; else nothing.
bool push_field(lua_State* lua, const char* name, int type) {
  lua_pushstring(lua, name);
  lua_rawget(lua, -2);
  if (lua_type(lua, -1) == type) return true;
  lua_pop(lua, 1);
  return false;
}

std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (c == '\r' || c == '\n') c = ' ';
  }
  return line;
}

class ValueWriter {
 public:
  ValueWriter(lua_State* lua, int script_protocol, ReplyWriter* reply)
      : lua_(lua), script_protocol_(script_protocol), reply_(*reply) {}

  // Takes the value on top.
  void write();

 private:
  // Each writes the table on top if it is of that kind, and leaves it there.
  bool error_or_status();
  bool scalar();
  bool verbatim();
  bool collection();
  void array();
  void table();
  size_t pairs_on_top();

  lua_State* lua_;
  const int script_protocol_;
  ReplyWriter& reply_;
};

bool ValueWriter::error_or_status() {
  if (push_field(lua_, "err", LUA_TSTRING)) {
    const std::string text(text_at(lua_, -1));
    lua_pop(lua_, 1);
    const bool counted = push_field(lua_, "ignore_error_stats_update", LUA_TBOOLEAN);
    if (counted) lua_pop(lua_, 1);
    reply_.error(text, !counted);
    return true;
  }
  if (!push_field(lua_, "ok", LUA_TSTRING)) return false;
  reply_.simple(text_at(lua_, -1));
  lua_pop(lua_, 1);
  return true;
}

bool ValueWriter::scalar() {
  if (push_field(lua_, "double", LUA_TNUMBER)) {
    reply_.real(lua_tonumber(lua_, -1));
  } else if (push_field(lua_, "big_number", LUA_TSTRING)) {
    reply_.big_number(one_line(text_at(lua_, -1)));
  } else {
    return false;
  }
  lua_pop(lua_, 1);
  return true;
}

bool ValueWriter::verbatim() {
  if (!push_field(lua_, "verbatim_string", LUA_TTABLE)) return false;
  bool written = false;
  if (push_field(lua_, "format", LUA_TSTRING)) {
    std::string format(text_at(lua_, -1));
    lua_pop(lua_, 1);
    format.resize(3, ' ');
    if (push_field(lua_, "string", LUA_TSTRING)) {
      reply_.verbatim(format, text_at(lua_, -1));
      lua_pop(lua_, 1);
      written = true;
    }
  }
  lua_pop(lua_, 1);
  return written;
}

size_t ValueWriter::pairs_on_top() {
  size_t count = 0;
  lua_pushnil(lua_);
  while (lua_next(lua_, -2) != 0) {
    lua_pop(lua_, 1);
    ++count;
  }
  return count;
}

bool ValueWriter::collection() {
  const bool map = push_field(lua_, "map", LUA_TTABLE);
  if (!map && !push_field(lua_, "set", LUA_TTABLE)) return false;
  const size_t count = pairs_on_top();
  if (map) {
    reply_.map(count);
  } else {
    reply_.set(count);
  }
  lua_pushnil(lua_);
  while (lua_next(lua_, -2) != 0) {
    lua_pushvalue(lua_, -2);
    write();
    if (map) {
      write();
    } else {
      lua_pop(lua_, 1);
    }
  }
  lua_pop(lua_, 1);
  return true;
}

void ValueWriter::array() {
  int count = 0;
  while (true) {
    lua_rawgeti(lua_, -1, count + 1);
    const bool end = lua_isnil(lua_, -1);
    lua_pop(lua_, 1);
    if (end) break;
    ++count;
  }
  reply_.array(static_cast<uint64_t>(count));
  for (int i = 1; i <= count; ++i) {
    lua_rawgeti(lua_, -1, i);
    write();
  }
}

void ValueWriter::table() {
  if (error_or_status() || scalar() || verbatim() || collection()) return;
  array();
}

void ValueWriter::write() {
  if (lua_checkstack(lua_, 5) == 0) {
    reply_.error("ERR reached lua stack limit");
    lua_pop(lua_, 1);
    return;
  }
  switch (lua_type(lua_, -1)) {
    case LUA_TSTRING:
      reply_.bulk(text_at(lua_, -1));
      break;
    case LUA_TBOOLEAN: {
      const bool value = lua_toboolean(lua_, -1) != 0;
      if (script_protocol_ != 2) {
        reply_.boolean(value);
      } else if (value) {
        reply_.integer(1);
      } else {
        reply_.null();
      }
      break;
    }
    case LUA_TNUMBER: {
      const lua_Number n = lua_tonumber(lua_, -1);
      // What no integer can hold becomes the lowest, as the processor's conversion has it.
      const bool fits = n >= -0x1p63 && n < 0x1p63;
      reply_.integer(fits ? static_cast<int64_t>(n) : INT64_MIN);
      break;
    }
    case LUA_TTABLE:
      table();
      break;
    default:
      reply_.null();
  }
  lua_pop(lua_, 1);
}

}  // namespace

void push_reply(lua_State* lua, std::string_view reply) { ReplyReader(lua, reply).push(); }

void push_error(lua_State* lua, std::string_view text, bool counted) {
  std::string_view code = "ERR";
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    const size_t space = text.find(' ');
    if (space != std::string_view::npos) {
      code = text.substr(0, space);
      text.remove_prefix(space + 1);
    }
  }
  const auto is_line_end = [](char c) { return c == '\r' || c == '\n'; };
  while (!text.empty() && is_line_end(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_line_end(text.back())) text.remove_suffix(1);
  const std::string whole = std::string(code).append(" ").append(text);
  lua_createtable(lua, 0, 2);
  lua_pushlstring(lua, whole.data(), whole.size());
  lua_setfield(lua, -2, "err");
  if (!counted) return;
  lua_pushboolean(lua, 1);
  lua_setfield(lua, -2, "ignore_error_stats_update");
}

void write_value(lua_State* lua, int script_protocol, ReplyWriter* reply) {
  ValueWriter(lua, script_protocol, reply).write();
}

void write_error(lua_State* lua, std::string_view name, ReplyWriter* reply) {
  std::string text;
  bool counted = false;
  if (!lua_istable(lua, -1)) {
    // Not even the error function could run: out of memory, or of stack.
    const std::string_view why =
        lua_isstring(lua, -1) != 0 ? text_at(lua, -1) : std::string_view("execution failure");
    text = "ERR Error running script " + std::string(name) + ", " + std::string(why.substr(0, 100));
  } else {
    const auto field = [lua](const char* key) {
      lua_pushstring(lua, key);
      lua_rawget(lua, -2);
      std::string value(lua_isstring(lua, -1) != 0 ? text_at(lua, -1) : std::string_view());
      lua_pop(lua, 1);
      return value;
    };
    text = field("err");
    if (text.empty()) text = "ERR unknown error";
    counted = push_field(lua, "ignore_error_stats_update", LUA_TBOOLEAN);
    if (counted) lua_pop(lua, 1);
    const std::string source = field("source");
    const std::string line = field("line");
    if (!source.empty() && !line.empty()) {
      text.append(" script: ").append(name).append(", on ").append(source).append(":");
      text.append(line).append(".");
    }
  }
  reply->error(text, !counted);
  lua_pop(lua, 1);
}

}  // namespace holdfast
