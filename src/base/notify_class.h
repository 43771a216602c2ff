// Classes of keyspace events, as notify-keyspace-events names them: one letter each.
//
// A set of classes is a mask. K and E say on which channels events are told, the others which
// events; A stands for all of them but m (misses) and n (new keys).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

enum class NotifyClass : uint16_t {
  kKeyspace = 1 << 0,  // K: __keyspace@<db>__:<key> tells the event
  kKeyevent = 1 << 1,  // E: __keyevent@<db>__:<event> tells the key
  kGeneric = 1 << 2,   // g: DEL, EXPIRE, RENAME ...
  kString = 1 << 3,    // $
  kList = 1 << 4,      // l
  kSet = 1 << 5,       // s
  kHash = 1 << 6,      // h
  kZset = 1 << 7,      // z
  kExpired = 1 << 8,   // x
  kEvicted = 1 << 9,   // e
  kStream = 1 << 10,   // t
  kModule = 1 << 11,   // d: nothing here makes such events
  kKeyMiss = 1 << 12,  // m
  kNew = 1 << 13,      // n
};

using NotifyMask = uint16_t;
constexpr NotifyMask mask_of(NotifyClass event) { return static_cast<NotifyMask>(event); }

// Where events are told, each by the node of its key.
inline bool is_event_channel(std::string_view name) {
  return name.starts_with("__keyspace@") || name.starts_with("__keyevent@");
}

// Nothing when a letter is none of these.
std::optional<NotifyMask> parse_notify_classes(std::string_view letters);
// In Redis's order; parse_notify_classes() reads it back.
std::string notify_class_letters(NotifyMask mask);

}  // namespace holdfast
