// struct: C structures as strings, for scripts. See lua_libraries.h.
//
// A format is a list of options: > < (byte order), !n (alignment), x (a zero byte), b B h H l L T
// and i I with a size (integers), f d (floats), cn (n characters; c0: all of them, or as many as
// the number read before), s (text up to a zero byte). Spaces mean nothing.
#include <algorithm>
#include <cctype>
#include <climits>
#include <cstdint>
#include <cstring>
#include <lua.hpp>

#include "resp/script/lua_libraries.h"

namespace holdfast {
namespace {

constexpr int kMaxIntegerSize = 32;
constexpr size_t kMaxAlign = alignof(double) > sizeof(int) ? alignof(double) : sizeof(int);

class Format {
 public:
  Format(lua_State* lua, const char* text) : lua_(lua), at_(text) {}

  bool big_endian = false;

  // The next option with its size and the padding that goes before it; false at the end.
  bool next(size_t position, char* option, size_t* size, size_t* padding) {
    if (*at_ == '\0') return false;
    *option = *at_++;
    *size = size_of(*option);
    *padding = 0;
    if (*size > 0 && *option != 'c') {
      const size_t align = std::min(*size, align_);
      if (align > 1) *padding = (align - (position & (align - 1))) & (align - 1);
    }
    return true;
  }

  // An option that stands for no value.
  void control(char option) {
    switch (option) {
      case ' ':
        return;
      case '>':
        big_endian = true;
        return;
      case '<':
        big_endian = false;
        return;
      case '!': {
        const size_t align = number(kMaxAlign);
        if (align == 0 || (align & (align - 1)) != 0) {
          luaL_error(lua_, "alignment %d is not a power of 2", static_cast<int>(align));
        }
        align_ = align;
        return;
      }
      default:
        luaL_argerror(lua_, 1, lua_pushfstring(lua_, "invalid format option '%c'", option));
    }
  }

 private:
  size_t number(size_t otherwise) {
    if (std::isdigit(static_cast<unsigned char>(*at_)) == 0) return otherwise;
    int n = 0;
    do {
      if (n > INT_MAX / 10 || n * 10 > INT_MAX - (*at_ - '0')) {
        luaL_error(lua_, "integral size overflow");
      }
      n = n * 10 + (*at_++ - '0');
    } while (std::isdigit(static_cast<unsigned char>(*at_)) != 0);
    return static_cast<size_t>(n);
  }

  size_t size_of(char option) {
    switch (option) {
      case 'B':
      case 'b':
      case 'x':
        return 1;
      case 'H':
      case 'h':
        return sizeof(int16_t);
      case 'L':
      case 'l':
      case 'T':
      case 'd':
        return sizeof(int64_t);
      case 'f':
        return sizeof(float);
      case 'c':
        return number(1);
      case 'i':
      case 'I': {
        const size_t size = number(sizeof(int));
        if (size > kMaxIntegerSize) {
          luaL_error(lua_, "integral size %d is larger than limit of %d", static_cast<int>(size),
                     kMaxIntegerSize);
        }
        return size;
      }
      default:
        return 0;
    }
  }

  lua_State* lua_;
  const char* at_;
  size_t align_ = 1;
};

void add_integer(lua_State* lua, luaL_Buffer* out, int arg, bool big_endian, size_t size) {
  const lua_Number n = luaL_checknumber(lua, arg);
  // Unsigned values above the signed range keep their bits.
  const uint64_t value = n < static_cast<lua_Number>(INT64_MAX)
                             ? static_cast<uint64_t>(static_cast<int64_t>(n))
                             : static_cast<uint64_t>(n);
  for (size_t i = 0; i < size; ++i) {
    const size_t shift = 8 * (big_endian ? size - 1 - i : i);
    luaL_addchar(out, static_cast<char>(shift < 64 ? value >> shift : 0));
  }
}

lua_Number read_integer(const char* bytes, bool big_endian, bool is_signed, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    const size_t shift = 8 * i;
    const auto byte = static_cast<unsigned char>(bytes[big_endian ? size - 1 - i : i]);
    if (shift < 64) value |= static_cast<uint64_t>(byte) << shift;
  }
  if (!is_signed) return static_cast<lua_Number>(value);
  if (size > 0 && size < sizeof value) {
    const uint64_t sign = UINT64_MAX << (size * 8 - 1);
    if ((value & sign) != 0) value |= sign;
  }
  return static_cast<lua_Number>(static_cast<int64_t>(value));
}

template <typename T>
void add_float(luaL_Buffer* out, T value, bool big_endian) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  if (big_endian) std::reverse(bytes, bytes + sizeof value);
  luaL_addlstring(out, bytes, sizeof value);
}

template <typename T>
lua_Number read_float(const char* from, bool big_endian) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, from, sizeof bytes);
  if (big_endian) std::reverse(bytes, bytes + sizeof bytes);
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

int pack(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  int arg = 2;
  size_t total = 0;
  char option;
  size_t size, padding;
  luaL_Buffer out;
  lua_pushnil(lua);  // between the arguments and what the buffer puts on the stack
  luaL_buffinit(lua, &out);
  while (format.next(total, &option, &size, &padding)) {
    total += padding;
    while (padding-- > 0) luaL_addchar(&out, '\0');
    switch (option) {
      case 'b':
      case 'B':
      case 'h':
      case 'H':
      case 'l':
      case 'L':
      case 'T':
      case 'i':
      case 'I':
        add_integer(lua, &out, arg++, format.big_endian, size);
        break;
      case 'x':
        luaL_addchar(&out, '\0');
        break;
      case 'f':
        add_float(&out, static_cast<float>(luaL_checknumber(lua, arg++)), format.big_endian);
        break;
      case 'd':
        add_float(&out, static_cast<double>(luaL_checknumber(lua, arg++)), format.big_endian);
        break;
      case 'c':
      case 's': {
        size_t length;
        const char* text = luaL_checklstring(lua, arg++, &length);
        if (size == 0) size = length;
        luaL_argcheck(lua, length >= size, arg, "string too short");
        luaL_addlstring(&out, text, size);
        if (option == 's') {
          luaL_addchar(&out, '\0');
          ++size;
        }
        break;
      }
      default:
        format.control(option);
    }
    total += size;
  }
  luaL_pushresult(&out);
  return 1;
}

int unpack(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  size_t length;
  const char* data = luaL_checklstring(lua, 2, &length);
  auto position = static_cast<size_t>(luaL_optinteger(lua, 3, 1));
  luaL_argcheck(lua, position > 0, 3, "offset must be 1 or greater");
  --position;
  int results = 0;
  char option;
  size_t size, padding;
  while (format.next(position, &option, &size, &padding)) {
    position += padding;
    luaL_argcheck(lua, size <= length && position <= length - size, 2, "data string too short");
    luaL_checkstack(lua, 2, "too many results");
    const char* at = data + position;
    switch (option) {
      case 'b':
      case 'B':
      case 'h':
      case 'H':
      case 'l':
      case 'L':
      case 'T':
      case 'i':
      case 'I':
        lua_pushnumber(lua,
                       read_integer(at, format.big_endian,
                                    std::islower(static_cast<unsigned char>(option)) != 0, size));
        ++results;
        break;
      case 'x':
        break;
      case 'f':
        lua_pushnumber(lua, read_float<float>(at, format.big_endian));
        ++results;
        break;
      case 'd':
        lua_pushnumber(lua, read_float<double>(at, format.big_endian));
        ++results;
        break;
      case 'c':
        if (size == 0) {
          if (results == 0 || lua_isnumber(lua, -1) == 0) {
            luaL_error(lua, "format 'c0' needs a previous size");
          }
          const lua_Number wanted = lua_tonumber(lua, -1);
          lua_pop(lua, 1);
          --results;
          luaL_argcheck(lua, wanted >= 0 && wanted <= static_cast<lua_Number>(length - position), 2,
                        "data string too short");
          size = static_cast<size_t>(wanted);
        }
        lua_pushlstring(lua, at, size);
        ++results;
        break;
      case 's': {
        const void* end = std::memchr(at, '\0', length - position);
        if (end == nullptr) luaL_error(lua, "unfinished string in data");
        size = static_cast<size_t>(static_cast<const char*>(end) - at) + 1;
        lua_pushlstring(lua, at, size - 1);
        ++results;
        break;
      }
      default:
        format.control(option);
    }
    position += size;
  }
  lua_pushinteger(lua, static_cast<lua_Integer>(position + 1));
  return results + 1;
}

int size_of(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  size_t position = 0;
  char option;
  size_t size, padding;
  while (format.next(position, &option, &size, &padding)) {
    position += padding;
    if (option == 's') luaL_argerror(lua, 1, "option 's' has no fixed size");
    if (option == 'c' && size == 0) luaL_argerror(lua, 1, "option 'c0' has no fixed size");
    if (std::isalnum(static_cast<unsigned char>(option)) == 0) format.control(option);
    position += size;
  }
  lua_pushinteger(lua, static_cast<lua_Integer>(position));
  return 1;
}

constexpr luaL_Reg kFunctions[] = {
    {"pack", pack}, {"unpack", unpack}, {"size", size_of}, {nullptr, nullptr}};

}  // namespace

int open_struct(lua_State* lua) {
  luaL_register(lua, "struct", kFunctions);
  return 1;
}

}  // namespace holdfast
