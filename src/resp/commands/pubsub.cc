// SUBSCRIBE, PUBLISH, PUBSUB and their kin.
//
// A subscription is answered with one push for each channel, which tells how many subscriptions
// the client has then: channels and patterns together, shard channels for themselves.
#include "resp/commands/pubsub.h"

#include <algorithm>
#include <vector>

#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/server.h"
#include "resp/session.h"
#include "store/glob.h"

namespace holdfast {
namespace {

constexpr auto kChannel = SubscriptionKind::kChannel;
constexpr auto kPattern = SubscriptionKind::kPattern;
constexpr auto kShard = SubscriptionKind::kShard;

size_t told_count(const Session& session, SubscriptionKind kind) {
  if (kind == kShard) return session.subscription_count(kShard);
  return session.subscription_count(kChannel) + session.subscription_count(kPattern);
}

// Everything of the push but the channel's name.
void begin_push(CommandContext& c) {
  c.reply.push(3);
  c.reply.bulk(c.command.full_name);
}
void end_push(CommandContext& c, SubscriptionKind kind) {
  c.reply.integer(static_cast<int64_t>(told_count(c.session, kind)));
}

void subscribe(CommandContext& c, SubscriptionKind kind) {
  for (size_t i = 1; i < c.argc(); ++i) {
    c.server.pubsub().subscribe(c.session, kind, c.args[i]);
    begin_push(c);
    c.reply.bulk(c.args[i]);
    end_push(c, kind);
  }
}

void unsubscribe_from_all(CommandContext& c, SubscriptionKind kind) {
  if (c.session.subscription_count(kind) == 0) {
    begin_push(c);
    c.reply.null();
    end_push(c, kind);
    return;
  }
  while (c.session.subscription_count(kind) > 0) {
    const std::string name(c.session.subscriptions->of(kind).begin()->first);
    c.server.pubsub().unsubscribe(c.session, kind, name);
    begin_push(c);
    c.reply.bulk(name);
    end_push(c, kind);
  }
}

void unsubscribe(CommandContext& c, SubscriptionKind kind) {
  if (c.argc() == 1) return unsubscribe_from_all(c, kind);
  for (size_t i = 1; i < c.argc(); ++i) {
    c.server.pubsub().unsubscribe(c.session, kind, c.args[i]);
    begin_push(c);
    c.reply.bulk(c.args[i]);
    end_push(c, kind);
  }
}

void subscribe_command(CommandContext& c) { subscribe(c, kChannel); }
void psubscribe_command(CommandContext& c) { subscribe(c, kPattern); }
void ssubscribe_command(CommandContext& c) {
  if (!c.may_block()) return c.fail("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
  subscribe(c, kShard);
}
void unsubscribe_command(CommandContext& c) { unsubscribe(c, kChannel); }
void punsubscribe_command(CommandContext& c) { unsubscribe(c, kPattern); }
void sunsubscribe_command(CommandContext& c) { unsubscribe(c, kShard); }

void publish_command(CommandContext& c) {
  c.reply.integer(static_cast<int64_t>(c.server.publish(c.args[1], c.args[2])));
}

void spublish_command(CommandContext& c) {
  c.reply.integer(
      static_cast<int64_t>(c.server.pubsub().publish_to_shard_channel(c.args[1], c.args[2])));
}

// --- PUBSUB ---

void reply_channels(CommandContext& c, SubscriptionKind kind) {
  if (c.argc() > 3) return fail_subcommand(c);
  std::vector<std::string_view> names;
  for (const auto& [name, channel] : c.server.pubsub().channels(kind)) {
    if (c.argc() == 2 || glob_match(c.args[2], name)) names.push_back(name);
  }
  c.reply.array(names.size());
  for (const std::string_view name : names) c.reply.bulk(name);
}

void reply_subscribers(CommandContext& c, SubscriptionKind kind) {
  c.reply.array((c.argc() - 2) * 2);
  for (size_t i = 2; i < c.argc(); ++i) {
    c.reply.bulk(c.args[i]);
    c.reply.integer(static_cast<int64_t>(c.server.pubsub().subscribers(kind, c.args[i])));
  }
}

void channels_subcommand(CommandContext& c) { reply_channels(c, kChannel); }
void shardchannels_subcommand(CommandContext& c) { reply_channels(c, kShard); }
void numsub_subcommand(CommandContext& c) { reply_subscribers(c, kChannel); }
void shardnumsub_subcommand(CommandContext& c) { reply_subscribers(c, kShard); }

void numpat_subcommand(CommandContext& c) {
  c.reply.integer(static_cast<int64_t>(c.server.pubsub().channels(kPattern).size()));
}

void help_subcommand(CommandContext& c) {
  reply_help(c, {
                    "CHANNELS [<pattern>]",
                    "    Channels with subscribers whose name matches <pattern> (default: '*').",
                    "NUMPAT",
                    "    How many different patterns are subscribed to.",
                    "NUMSUB [<channel> ...]",
                    "    How many clients are subscribed to each channel, patterns left aside.",
                    "SHARDCHANNELS [<pattern>]",
                    "    As CHANNELS, of shard channels.",
                    "SHARDNUMSUB [<shardchannel> ...]",
                    "    As NUMSUB, of shard channels.",
                });
}

constexpr uint32_t kListen = kPubSub | kNoScript | kLoading | kStale;
constexpr uint32_t kSend = kPubSub | kLoading | kStale | kFast;
constexpr uint32_t kAsk = kPubSub | kLoading | kStale;

constexpr CommandSpec row(std::string_view name, int arity, uint32_t flags, Handler handler,
                          std::string_view since, std::string_view complexity,
                          std::string_view summary, std::string_view syntax = {},
                          KeySpec keys = {}) {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .keys = {keys},
          .handler = handler,
          .group = "pubsub",
          .since = since,
          .complexity = complexity,
          .summary = summary,
          .syntax = syntax};
}

constexpr CommandSpec kSubcommands[] = {
    row("channels", -2, kAsk, channels_subcommand, "2.8.0",
        "O(N) where N is the number of active channels, and assuming constant time pattern "
        "matching (relatively short channels and patterns)",
        "List active channels", "[pattern:pattern]"),
    row("help", 2, kLoading | kStale, help_subcommand, "6.2.0", "O(1)",
        "Show helpful text about the different subcommands"),
    row("numpat", 2, kAsk, numpat_subcommand, "2.8.0", "O(1)",
        "Get the count of unique patterns pattern subscriptions"),
    row("numsub", -2, kAsk, numsub_subcommand, "2.8.0",
        "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        "Get the count of subscribers for channels", "[channel [channel ...]]"),
    row("shardchannels", -2, kAsk, shardchannels_subcommand, "7.0.0",
        "O(N) where N is the number of active shard channels, and assuming constant time pattern "
        "matching (relatively short shard channels).",
        "List active shard channels", "[pattern:pattern]"),
    row("shardnumsub", -2, kAsk, shardnumsub_subcommand, "7.0.0",
        "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        "Get the count of subscribers for shard channels", "[shardchannel [shardchannel ...]]"),
};

constexpr KeySpec kShardChannels = KeySpec::range(kKeyNotKey, 1, -1);

constexpr CommandSpec kCommands[] = {
    row("subscribe", -2, kListen, subscribe_command, "2.0.0",
        "O(N) where N is the number of channels to subscribe to.",
        "Listen for messages published to the given channels", "channel [channel ...]"),
    row("unsubscribe", -1, kListen, unsubscribe_command, "2.0.0",
        "O(N) where N is the number of clients already subscribed to a channel.",
        "Stop listening for messages posted to the given channels", "[channel [channel ...]]"),
    row("psubscribe", -2, kListen, psubscribe_command, "2.0.0",
        "O(N) where N is the number of patterns the client is already subscribed to.",
        "Listen for messages published to channels matching the given patterns",
        "pattern:pattern [pattern ...]"),
    row("punsubscribe", -1, kListen, punsubscribe_command, "2.0.0",
        "O(N+M) where N is the number of patterns the client is already subscribed and M is the "
        "number of total patterns subscribed in the system (by any client).",
        "Stop listening for messages posted to channels matching the given patterns",
        "[pattern:pattern [pattern ...]]"),
    row("ssubscribe", -2, kListen, ssubscribe_command, "7.0.0",
        "O(N) where N is the number of shard channels to subscribe to.",
        "Listen for messages published to the given shard channels",
        "shardchannel [shardchannel ...]", kShardChannels),
    row("sunsubscribe", -1, kListen, sunsubscribe_command, "7.0.0",
        "O(N) where N is the number of clients already subscribed to a shard channel.",
        "Stop listening for messages posted to the given shard channels",
        "[shardchannel [shardchannel ...]]", kShardChannels),
    row("publish", 3, kSend, publish_command, "2.0.0",
        "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the "
        "total number of subscribed patterns (by any client).",
        "Post a message to a channel", "channel message"),
    row("spublish", 3, kSend, spublish_command, "7.0.0",
        "O(N) where N is the number of clients subscribed to the receiving shard channel.",
        "Post a message to a shard channel", "shardchannel message",
        KeySpec::range(kKeyNotKey, 1, 1)),
    {.name = "pubsub",
     .arity = -2,
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for Pub/Sub commands",
     .subcommands = kSubcommands},
};

}  // namespace

std::span<const CommandSpec> pubsub_commands() { return kCommands; }

bool answers_with_pushes(const Command& command) {
  constexpr Handler kHandlers[] = {subscribe_command,   psubscribe_command,   ssubscribe_command,
                                   unsubscribe_command, punsubscribe_command, sunsubscribe_command};
  return std::ranges::find(kHandlers, command.spec.handler) != std::end(kHandlers);
}

bool allowed_while_subscribed(const Command& command) {
  return answers_with_pushes(command) || command.full_name == "ping" ||
         command.full_name == "quit" || command.full_name == "reset";
}

}  // namespace holdfast
