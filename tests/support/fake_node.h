// FakeNode: a storage node that answers as a test says, for tests of what stands before nodes.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/backend.h"
#include "resp/parser.h"
#include "store/key.h"
#include "tests/support/stream_ends.h"
#include "tests/support/worlds.h"

namespace holdfast {

inline std::string encoded(const std::vector<std::string_view>& words) {
  std::string bytes;
  append_command(&bytes, words);
  return bytes;
}

// What nodes remember of numbered writes (TAG), all copies of a shard alike.
using RememberedReplies = std::map<std::vector<std::string>, std::string>;

// A storage node that answers as the test says. Writes with a number are done once, as nodes do.
class FakeNode {
 public:
  // Gives the answer; nothing: it is held back, and nothing else is answered either.
  using Script = std::function<std::string(const std::vector<std::string>& args)>;

  // `remembered`: what it shares with others; null: it has its own.
  FakeNode(SimWorld& world, uint16_t port, Script script, RememberedReplies* remembered = nullptr)
      : world_(world),
        address_(Address::tcp("127.0.0.1", port)),
        script_(std::move(script)),
        remembered_(remembered != nullptr ? *remembered : own_remembered_) {
    open();
  }

  void open() {
    auto listener = world_.net.listen(address_, {}, [this](std::unique_ptr<Conn> conn) {
      ends_.push_back(std::make_unique<End>(*this, std::move(conn)));
    });
    REQUIRE(listener.ok());
    listener_ = std::move(listener.value());
  }
  // Breaks all connections; `refuses`: and takes no new ones.
  void cut(bool refuses) {
    ends_.clear();
    if (refuses) listener_.reset();
  }
  void set_script(Script script) {
    script_ = std::move(script);
    for (const auto& end : ends_) end->answer();
  }
  std::string address() const { return address_.to_string(); }
  bool mute = false;              // answers are lost
  std::vector<std::string> seen;  // commands, words joined by blanks

 private:
  struct End final : Peer {
    End(FakeNode& node_in, std::unique_ptr<Conn> c) : Peer(std::move(c)), node(node_in) {}
    void on_readable() override {
      Peer::on_readable();
      std::vector<std::string_view> args;
      while (parser.parse(received, &parsed, &args, {}) == RequestParser::Outcome::kCommand) {
        if (args[0] == "TAG") {
          tag.assign(args.begin() + 1, args.begin() + 4);
          args.clear();
          continue;
        }
        queued.push_back({{args.begin(), args.end()}, {}});
        if (args[0] == "MULTI") in_multi = true;
        if (args[0] == "EXEC") in_multi = false;
        if (args[0] != "ASKING" && !in_multi) queued.back().tag = std::exchange(tag, {});
        std::string line;
        for (const std::string_view arg : args) {
          line += (line.empty() ? "" : " ") + std::string(arg);
        }
        node.seen.push_back(line);
        args.clear();
      }
      answer();
    }
    void answer() {
      while (!queued.empty()) {
        const Request& request = queued.front();
        const bool numbered = !request.tag.empty();
        const auto known = node.remembered_.find(request.tag);
        const bool again = numbered && known != node.remembered_.end();
        const std::string reply = again ? known->second : node.script_(request.words);
        if (reply.empty()) return;
        const bool refused = classify_refusal(reply).kind != RefusalKind::kNone ||
                             (reply[0] == '-' && refused_this_time(reply.substr(1)));
        if (numbered && !refused) node.remembered_.emplace(request.tag, reply);
        queued.pop_front();
        if (!node.mute) send(reply);
      }
    }
    struct Request {
      std::vector<std::string> words;
      std::vector<std::string> tag;  // gateway, session, number; empty: none
    };
    FakeNode& node;
    RequestParser parser;
    size_t parsed = 0;
    bool in_multi = false;
    std::vector<std::string> tag;  // of the next one
    std::deque<Request> queued;
  };

  SimWorld& world_;
  Address address_;
  Script script_;
  RememberedReplies own_remembered_;
  RememberedReplies& remembered_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<End>> ends_;
};

// Keys of the node of the lower half of the slots, a, or of the upper one, b.
inline std::string key_of(char node, int number) {
  for (int i = 0;; ++i) {
    std::string key = "k" + std::to_string(number) + "-" + std::to_string(i);
    if ((slot_of(key) < 8192) == (node == 'a')) return key;
  }
}

}  // namespace holdfast
