// Error replies that more than one place gives: Redis's exact texts, once.
#pragma once

#include <string_view>

namespace holdfast::errors {

inline constexpr std::string_view kWrongType =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr std::string_view kSyntax = "ERR syntax error";
inline constexpr std::string_view kNotInteger = "ERR value is not an integer or out of range";
inline constexpr std::string_view kNotPositive = "ERR value is out of range, must be positive";
inline constexpr std::string_view kNotFloat = "ERR value is not a valid float";
inline constexpr std::string_view kNoSuchKey = "ERR no such key";
inline constexpr std::string_view kSameObject = "ERR source and destination objects are the same";
inline constexpr std::string_view kOutOfRange = "ERR index out of range";
inline constexpr std::string_view kDbIndex = "ERR DB index is out of range";
inline constexpr std::string_view kInvalidCursor = "ERR invalid cursor";
inline constexpr std::string_view kStringTooLong =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
inline constexpr std::string_view kDemoted =
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
inline constexpr std::string_view kUnblocked = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
inline constexpr std::string_view kOverflow = "ERR increment or decrement would overflow";
inline constexpr std::string_view kOutOfMemory =
    "OOM command not allowed when used memory > 'maxmemory'.";
inline constexpr std::string_view kNoAuth = "NOAUTH Authentication required.";
inline constexpr std::string_view kWrongPass =
    "WRONGPASS invalid username-password pair or user is disabled.";
inline constexpr std::string_view kNoProto = "NOPROTO unsupported protocol version";
inline constexpr std::string_view kNotServed = "CLUSTERDOWN Hash slot not served";
inline constexpr std::string_view kCrossSlot =
    "CROSSSLOT Keys in request don't hash to the same slot";
inline constexpr std::string_view kNoReplicas = "NOREPLICAS Not enough good replicas to write.";
inline constexpr std::string_view kLogFailed =
    "MISCONF The log could not be written, so nothing can be promised any more: this server is "
    "stopping. See its log.";

inline constexpr std::string_view kDeviceFull =
    "MISCONF The device of data.dir is full: commands that add data are refused until there is "
    "room. Free some space, or delete keys.";

inline constexpr std::string_view kEntryFull =
    "ERR this transaction or script has written 1 GiB already, which is the most that is logged as "
    "one; write in smaller parts";

inline constexpr std::string_view kUnreadable =
    "IOERR A value could not be read back from the device; it is damaged or the device fails. See "
    "the server's log.";

}  // namespace holdfast::errors
