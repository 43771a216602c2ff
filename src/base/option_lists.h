// Kinds of options that are lists; see option_kinds.h.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/option_kinds.h"
#include "base/options.h"

namespace holdfast::kinds {

inline std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t start = text.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos) return words;
    text.remove_prefix(start);
    const size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

// NODE=HOST:PORT/RESP-PORT, as often as there are members.
template <auto kField>
struct Members {
  static constexpr std::string_view kType = "list of members";
  static constexpr std::string_view kAllowed =
      "NODE=HOST:PORT/RESP-PORT, as in 1=127.0.0.1:7401/6381; at most 9, each node once";
  static constexpr size_t kMostMembers = 9;

  static bool parse(std::string_view text, GroupMember* member) {
    const size_t equals = text.find('='), colon = text.rfind(':'), slash = text.rfind('/');
    if (equals == std::string_view::npos || colon == std::string_view::npos ||
        slash == std::string_view::npos || equals > colon || colon > slash) {
      return false;
    }
    member->host = text.substr(equals + 1, colon - equals - 1);
    const auto ok = [](std::errc error) { return error == std::errc(); };
    return !member->host.empty() && ok(parse_number(text.substr(0, equals), &member->node)) &&
           member->node > 0 &&
           ok(parse_number(text.substr(colon + 1, slash - colon - 1), &member->port)) &&
           ok(parse_number(text.substr(slash + 1), &member->resp_port));
  }
  static std::string get(const Options& o) {
    std::string out;
    for (const GroupMember& member : o.*kField) {
      if (!out.empty()) out.push_back(' ');
      out += std::to_string(member.node) + '=' + member.host + ':' + std::to_string(member.port) +
             '/' + std::to_string(member.resp_port);
    }
    return out;
  }
  static Status set(Options& o, std::string_view text) {
    std::vector<GroupMember> members;
    for (const std::string_view word : split_words(text)) {
      GroupMember member;
      if (!parse(word, &member)) return refused(word, "is not a member", kAllowed);
      if (members.size() == kMostMembers) return refused(text, "has too many members", kAllowed);
      for (const GroupMember& other : members) {
        if (other.node == member.node) return refused(word, "names a node again", kAllowed);
      }
      members.push_back(std::move(member));
    }
    o.*kField = std::move(members);
    return {};
  }
};

// HOST:PORT, as often as wanted.
template <auto kField>
struct Endpoints {
  static constexpr std::string_view kType = "list of endpoints";
  static constexpr std::string_view kAllowed = "HOST:PORT, as in 127.0.0.1:6381; at most 64";
  static constexpr size_t kMost = 64;

  static std::string get(const Options& o) {
    std::string out;
    for (const std::string& endpoint : o.*kField) {
      if (!out.empty()) out.push_back(' ');
      out += endpoint;
    }
    return out;
  }
  static Status set(Options& o, std::string_view text) {
    std::vector<std::string> endpoints;
    for (const std::string_view word : split_words(text)) {
      const size_t colon = word.rfind(':');
      uint16_t port = 0;
      if (colon == std::string_view::npos || colon == 0 ||
          parse_number(word.substr(colon + 1), &port) != std::errc() || port == 0) {
        return refused(word, "is not an endpoint", kAllowed);
      }
      if (endpoints.size() == kMost) return refused(text, "has too many endpoints", kAllowed);
      endpoints.emplace_back(word);
    }
    o.*kField = std::move(endpoints);
    return {};
  }
};

// Whether a name resolves is seen when it is bound; here only what cannot be a host at all.
struct Bind {
  static constexpr std::string_view kType = "list of addresses";
  static constexpr std::string_view kAllowed =
      "IPv4 and IPv6 addresses, host names, * for every IPv4 address; at most 16";
  static constexpr size_t kMaxAddresses = 16;
  static constexpr size_t kMaxHostBytes = 255;

  static bool is_host(std::string_view text) {
    return text.size() <= kMaxHostBytes && std::ranges::all_of(text, [](char c) {
             return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    std::string_view(".:*%_-").find(c) != std::string_view::npos;
           });
  }
  static std::string get(const Options& o) {
    std::string out;
    for (const std::string& host : o.resp_bind) {
      if (!out.empty()) out.push_back(' ');
      out.append(host);
    }
    return out;
  }
  static Status set(Options& o, std::string_view text) {
    std::vector<std::string> hosts;
    for (const std::string_view host : split_words(text)) {
      if (!is_host(host)) return refused(host, "is not an address", kAllowed);
      if (hosts.size() == kMaxAddresses) return refused(text, "has too many addresses", kAllowed);
      hosts.emplace_back(host);
    }
    o.resp_bind = std::move(hosts);
    return {};
  }
};

// A YAML sequence, space separated in CONFIG.
template <typename Kind>
inline constexpr bool kIsList = std::is_same_v<Kind, Bind>;
template <auto kField>
inline constexpr bool kIsList<Members<kField>> = true;
template <auto kField>
inline constexpr bool kIsList<Endpoints<kField>> = true;

}  // namespace holdfast::kinds
