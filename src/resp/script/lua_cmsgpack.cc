// cmsgpack: MessagePack for scripts. See lua_libraries.h.
//
// A table whose keys are exactly 1..n is an array, any other a map; tables nested deeper than 16
// and what has no MessagePack form are nil. Numbers without a fraction are integers, the others the
// shortest float that holds them.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <lua.hpp>
#include <string>
#include <string_view>

#include "resp/script/lua_libraries.h"

namespace holdfast {
namespace {

constexpr int kMaxNesting = 16;

bool is_integer(lua_Number n) {
  // The cast is defined for what lies within the range only.
  return n >= -0x1p63 && n < 0x1p63 && static_cast<lua_Number>(static_cast<int64_t>(n)) == n;
}

class Packer {
 public:
  explicit Packer(lua_State* lua) : lua_(lua) {}

  // The value on top of the stack, which it takes.
  void value(int level);
  const std::string& bytes() const { return out_; }

 private:
  void byte(int b) { out_.push_back(static_cast<char>(b)); }
  void big_endian(uint64_t v, int size) {
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) byte(static_cast<int>(v >> shift));
  }
  void tagged(int tag, uint64_t v, int size) {
    byte(tag);
    big_endian(v, size);
  }
  void string(std::string_view s);
  void number(lua_Number n);
  void integer(int64_t n);
  void table(int level);
  void array_head(size_t n);
  void map_head(size_t n);
  bool top_is_array(size_t* count);

  lua_State* lua_;
  std::string out_;
};

void Packer::string(std::string_view s) {
  if (s.size() < 32) {
    byte(0xa0 | static_cast<int>(s.size()));
  } else if (s.size() <= 0xff) {
    tagged(0xd9, s.size(), 1);
  } else if (s.size() <= 0xffff) {
    tagged(0xda, s.size(), 2);
  } else {
    tagged(0xdb, s.size(), 4);
  }
  out_.append(s);
}

void Packer::integer(int64_t n) {
  const auto u = static_cast<uint64_t>(n);
  if (n >= 0) {
    if (n <= 127) return byte(static_cast<int>(n));
    if (n <= 0xff) return tagged(0xcc, u, 1);
    if (n <= 0xffff) return tagged(0xcd, u, 2);
    if (n <= 0xffffffffLL) return tagged(0xce, u, 4);
    return tagged(0xcf, u, 8);
  }
  if (n >= -32) return byte(static_cast<int>(n));
  if (n >= -128) return tagged(0xd0, u, 1);
  if (n >= -32768) return tagged(0xd1, u, 2);
  if (n >= std::numeric_limits<int32_t>::min()) return tagged(0xd2, u, 4);
  tagged(0xd3, u, 8);
}

void Packer::number(lua_Number n) {
  if (is_integer(n)) return integer(static_cast<int64_t>(n));
  const auto single = static_cast<float>(n);
  if (static_cast<lua_Number>(single) == n) {
    tagged(0xca, std::bit_cast<uint32_t>(single), 4);
  } else {
    tagged(0xcb, std::bit_cast<uint64_t>(n), 8);
  }
}

void Packer::array_head(size_t n) {
  if (n <= 15) return byte(0x90 | static_cast<int>(n));
  if (n <= 0xffff) return tagged(0xdc, n, 2);
  tagged(0xdd, n, 4);
}

void Packer::map_head(size_t n) {
  if (n <= 15) return byte(0x80 | static_cast<int>(n));
  if (n <= 0xffff) return tagged(0xde, n, 2);
  tagged(0xdf, n, 4);
}

// Counts the pairs of the table on top; true if its keys are 1..count.
bool Packer::top_is_array(size_t* count) {
  bool array = true;
  lua_Number most = 0;
  *count = 0;
  lua_pushnil(lua_);
  while (lua_next(lua_, -2) != 0) {
    lua_pop(lua_, 1);
    ++*count;
    if (!array) continue;
    const lua_Number n = lua_type(lua_, -1) == LUA_TNUMBER ? lua_tonumber(lua_, -1) : 0;
    array = n > 0 && is_integer(n);
    if (n > most) most = n;
  }
  return array && most == static_cast<lua_Number>(*count);
}

void Packer::table(int level) {
  size_t count;
  if (top_is_array(&count)) {
    array_head(count);
    for (size_t i = 1; i <= count; ++i) {
      lua_rawgeti(lua_, -1, static_cast<int>(i));
      value(level + 1);
    }
    return;
  }
  map_head(count);
  lua_pushnil(lua_);
  while (lua_next(lua_, -2) != 0) {
    lua_pushvalue(lua_, -2);
    value(level + 1);
    value(level + 1);
  }
}

void Packer::value(int level) {
  luaL_checkstack(lua_, 5, "in function mp_encode_lua_type");
  switch (lua_type(lua_, -1)) {
    case LUA_TSTRING: {
      size_t size;
      const char* text = lua_tolstring(lua_, -1, &size);
      string({text, size});
      break;
    }
    case LUA_TBOOLEAN:
      byte(lua_toboolean(lua_, -1) != 0 ? 0xc3 : 0xc2);
      break;
    case LUA_TNUMBER:
      number(lua_tonumber(lua_, -1));
      break;
    case LUA_TTABLE:
      if (level < kMaxNesting) {
        table(level);
        break;
      }
      [[fallthrough]];
    default:
      byte(0xc0);
  }
  lua_pop(lua_, 1);
}

int pack(lua_State* lua) {
  const int count = lua_gettop(lua);
  if (count == 0) return luaL_argerror(lua, 0, "MessagePack pack needs input.");
  luaL_checkstack(lua, 1, "in function mp_pack");
  Packer packer(lua);
  for (int i = 1; i <= count; ++i) {
    lua_pushvalue(lua, i);
    packer.value(0);
  }
  lua_pushlstring(lua, packer.bytes().data(), packer.bytes().size());
  return 1;
}

class Unpacker {
 public:
  Unpacker(lua_State* lua, std::string_view bytes) : lua_(lua), left_(bytes) {}

  // Pushes the next value, or raises an error.
  void value();
  size_t left() const { return left_.size(); }

 private:
  std::string_view take(uint64_t size) {
    if (size > left_.size()) luaL_error(lua_, "Missing bytes in input.");
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }
  uint64_t big_endian(size_t size) {
    uint64_t v = 0;
    for (const char c : take(size)) v = v << 8 | static_cast<unsigned char>(c);
    return v;
  }
  void number(lua_Number n) { lua_pushnumber(lua_, n); }
  void string(uint64_t size) {
    const std::string_view s = take(size);
    lua_pushlstring(lua_, s.data(), s.size());
  }
  void array(uint64_t count);
  void map(uint64_t count);
  bool tagged(int tag);

  lua_State* lua_;
  std::string_view left_;
};

void Unpacker::array(uint64_t count) {
  lua_newtable(lua_);
  for (uint64_t i = 1; i <= count; ++i) {
    value();
    lua_rawseti(lua_, -2, static_cast<int>(i));
  }
}

void Unpacker::map(uint64_t count) {
  lua_newtable(lua_);
  for (uint64_t i = 0; i < count; ++i) {
    value();
    value();
    lua_settable(lua_, -3);
  }
}

// False when the tag is none.
bool Unpacker::tagged(int tag) {
  switch (tag) {
    case 0xc0:
      lua_pushnil(lua_);
      return true;
    case 0xc2:
    case 0xc3:
      lua_pushboolean(lua_, tag == 0xc3);
      return true;
    case 0xca:
      number(std::bit_cast<float>(static_cast<uint32_t>(big_endian(4))));
      return true;
    case 0xcb:
      number(std::bit_cast<double>(big_endian(8)));
      return true;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
      number(static_cast<lua_Number>(big_endian(size_t{1} << (tag - 0xcc))));
      return true;
    case 0xd0:
      number(static_cast<int8_t>(big_endian(1)));
      return true;
    case 0xd1:
      number(static_cast<int16_t>(big_endian(2)));
      return true;
    case 0xd2:
      number(static_cast<int32_t>(big_endian(4)));
      return true;
    case 0xd3:
      number(static_cast<lua_Number>(static_cast<int64_t>(big_endian(8))));
      return true;
    case 0xd9:
      string(big_endian(1));
      return true;
    case 0xda:
      string(big_endian(2));
      return true;
    case 0xdb:
      string(big_endian(4));
      return true;
    case 0xdc:
      array(big_endian(2));
      return true;
    case 0xdd:
      array(big_endian(4));
      return true;
    case 0xde:
      map(big_endian(2));
      return true;
    case 0xdf:
      map(big_endian(4));
      return true;
    default:
      return false;
  }
}

void Unpacker::value() {
  luaL_checkstack(lua_, 4, "too many return values at once; use unpack_one or unpack_limit");
  const auto tag = static_cast<int>(big_endian(1));
  if (tag <= 0x7f) return number(tag);
  if (tag >= 0xe0) return number(static_cast<int8_t>(tag));
  if (tag >= 0xa0 && tag <= 0xbf) return string(static_cast<uint64_t>(tag & 0x1f));
  if (tag >= 0x90 && tag <= 0x9f) return array(static_cast<uint64_t>(tag & 0x0f));
  if (tag <= 0x8f) return map(static_cast<uint64_t>(tag & 0x0f));
  if (!tagged(tag)) luaL_error(lua_, "Bad data format in input.");
}

// Values from `offset` on, at most `limit`; with both 0 all, without the offset of the next.
int unpack_some(lua_State* lua, lua_Integer limit, lua_Integer offset) {
  size_t size;
  const char* bytes = luaL_checklstring(lua, 1, &size);
  const bool all = limit == 0 && offset == 0;
  if (offset < 0 || limit < 0) {
    return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.",
                      static_cast<int>(offset), static_cast<int>(size));
  }
  if (static_cast<size_t>(offset) > size) {
    return luaL_error(lua, "Start offset %d greater than input length %d.",
                      static_cast<int>(offset), static_cast<int>(size));
  }
  Unpacker unpacker(lua, std::string_view(bytes, size).substr(static_cast<size_t>(offset)));
  int count = 0;
  const lua_Integer most = all ? std::numeric_limits<int>::max() : limit;
  for (; unpacker.left() > 0 && count < most; ++count) unpacker.value();
  if (all) return count;
  luaL_checkstack(lua, 1, "in function mp_unpack_full");
  const auto next = static_cast<lua_Integer>(size - unpacker.left());
  lua_pushinteger(lua, unpacker.left() == 0 ? -1 : next);
  lua_insert(lua, 2);
  return count + 1;
}

int unpack(lua_State* lua) { return unpack_some(lua, 0, 0); }

int unpack_one(lua_State* lua) {
  const lua_Integer offset = luaL_optinteger(lua, 2, 0);
  lua_settop(lua, 1);
  return unpack_some(lua, 1, offset);
}

int unpack_limit(lua_State* lua) {
  const lua_Integer limit = luaL_checkinteger(lua, 2);
  const lua_Integer offset = luaL_optinteger(lua, 3, 0);
  lua_settop(lua, 1);
  return unpack_some(lua, limit, offset);
}

constexpr luaL_Reg kFunctions[] = {{"pack", pack},
                                   {"unpack", unpack},
                                   {"unpack_one", unpack_one},
                                   {"unpack_limit", unpack_limit},
                                   {nullptr, nullptr}};

}  // namespace

int open_cmsgpack(lua_State* lua) {
  luaL_register(lua, "cmsgpack", kFunctions);
  lua_pushliteral(lua, "cmsgpack");
  lua_setfield(lua, -2, "_NAME");
  // What it is compatible with.
  lua_pushliteral(lua, "lua-cmsgpack 0.4.0");
  lua_setfield(lua, -2, "_VERSION");
  lua_pushliteral(lua, "MessagePack for Lua");
  lua_setfield(lua, -2, "_DESCRIPTION");
  lua_pushliteral(lua, "The Holdfast authors");
  lua_setfield(lua, -2, "_COPYRIGHT");
  return 1;
}

}  // namespace holdfast
