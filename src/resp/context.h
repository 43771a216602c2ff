// CommandContext: what a handler sees of one call. It reads keys, writes its reply and emits
// effects; it never changes the keyspace directly.
//
// It works on one shard, the one that has its keys. Commands on whole databases work on all that
// serve here (Server::shards()), and say which when they observe or emit.
//
// Views: arguments live until the handler returns (they lie in the read buffer). An Object* and a
// view of its value live until the next effect on that key.
//
// Reading a key through find_read/find_write does what a correct read needs: an expired key counts
// as absent and is erased by a logged effect, and the reply waits until everything it observed is
// committed. Whole-database reads call observe_database(). A value that is on the device only is
// read when it is needed; if it can't be, ValueUnreadable ends the command with an error.
//
// On a backup (READONLY) a command reads what is applied there and changes nothing: what has
// expired is absent, and the primary's to erase.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/options.h"
#include "resp/blocked_keys.h"
#include "resp/command.h"
#include "resp/commit_point.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"
#include "resp/route.h"
#include "store/effect.h"
#include "store/keyspace.h"

namespace holdfast {

class Server;
class Session;

// Thrown by a context on a backup when only the primary can answer; ends the command with MOVED.
struct AskPrimary {};

class CommandContext {
 public:
  CommandContext(Server& server, Session& session, const Command& command,
                 std::span<const std::string_view> args, const Route& route, int64_t now_ms);
  // A command that runs inside of another (EXEC, a script): the same time, effects in the same
  // entry, and what it observes counts for the whole.
  CommandContext(CommandContext& outer, ReplyWriter& reply_to, const Command& command,
                 std::span<const std::string_view> args, bool in_script);

  Server& server;
  Session& session;
  const Command& command;
  std::span<const std::string_view> args;  // args[0] is the command's name
  ReplyWriter& reply;
  const int64_t now_ms;  // wall clock, the same for the whole call

  const Options& options() const { return options_; }
  // Of a command without keys: one of those that serve here, or any. REQUIRES: there is one, as
  // there is for all commands that have to do with data.
  Shard& shard() const { return *shard_; }
  Keyspace& keyspace() const { return *keyspace_; }
  bool has_shard() const { return shard_ != nullptr; }
  // Of its keys, in a cluster.
  int slot() const { return slot_; }
  // It turns out to have to do with a key of this slot, whose shard is here.
  void bind(SlotId slot, Shard& shard) {
    slot_ = slot;
    bind_all(shard);
  }
  // It has to do with this shard, whatever the slot.
  void bind_all(Shard& shard);
  // False inside of a transaction or a script: a command that would wait answers at once then.
  bool may_block() const { return outer_ == nullptr; }
  // A script called the command.
  bool in_script() const { return in_script_; }
  // The command has found nothing and replies nothing: it runs again, from the beginning, when one
  // of the keys (of the session's database) has a value of the awaited type, and so on until it
  // replies; `timeout_ms` (0: never) later it is given up. `args_then`: the command as it will run
  // again, if that is not as it was given. REQUIRES: may_block(); nothing was emitted.
  void block_on(std::span<const std::string_view> keys, int64_t timeout_ms,
                const AwaitedKeys& awaited, std::span<const std::string_view> args_then = {});
  bool waits() const { return waits_; }

  // --- arguments ---
  size_t argc() const { return args.size(); }
  bool is(size_t i, std::string_view word) const;  // case-insensitive
  // Each replies with an error and returns false when the argument is wrong.
  bool integer(size_t i, int64_t* out, std::string_view error = errors::kNotInteger);
  bool integer_between(size_t i, int64_t least, int64_t most, int64_t* out);
  // The error is the same for what is no number and for one below `least`, which is not negative.
  bool number_from(size_t i, int64_t least, std::string_view error, uint64_t* out);
  bool real(size_t i, double* out, std::string_view error = errors::kNotFloat);
  // Replies kSyntax (or another error). For `return c.fail();`.
  void fail(std::string_view error = errors::kSyntax) { reply.error(error); }

  // --- keys ---
  DbId db() const { return db_; }  // physical number of the session's database
  KeyRef key(size_t i) const;      // of argument i
  // For reading: counts a hit or miss and touches the access clock.
  Object* find_read(const KeyRef& key) { return find_read(db_, key); }
  Object* find_read(DbId db, const KeyRef& key);
  // For changing (or for looking without counting a hit or miss).
  Object* find_write(const KeyRef& key) { return find_write(db_, key); }
  Object* find_write(DbId db, const KeyRef& key) { return find(db, key, command.reads_values); }
  // With its value, for a command that is not marked as one that reads values.
  Object* find_value(const KeyRef& key) { return find(db_, key, true); }
  // True for null and for an object of this type; else replies WRONGTYPE.
  bool expect_type(const Object* object, ObjectType type);
  // The reply shows (or depends on) every key of the database.
  void observe_database(Shard& of, DbId db) { observe(of, of.keyspace().last_change(db)); }
  void observe_database(DbId db);  // of all that serve here
  void observe(Seq seq) { observed_.add(shard_, seq); }
  void observe(const Shard& of, Seq seq) { observed_.add(&of, seq); }
  void observe(const CommitPoint& point) { observed_.add(point); }
  void observe(const Dependency& all) { observed_.add(all); }

  // --- effects ---
  void put_string(const KeyRef& key, std::string_view value, int64_t expire_at_ms) {
    emit(Effect::put_string(db_, key, value, expire_at_ms));
  }
  // The whole value of any type: of a string its bytes, of a collection as its encode() gives it.
  void put_value(DbId db, const KeyRef& key, ObjectType type, std::string_view bytes,
                 int64_t expire_at_ms) {
    emit(type == ObjectType::kString ? Effect::put_string(db, key, bytes, expire_at_ms)
                                     : Effect::put_value(db, key, bytes, expire_at_ms));
  }
  // A part of a collection. What is taken out last takes the key away.
  void edit(EffectType type, const KeyRef& key, std::string_view operands) {
    emit(Effect::edit(type, db_, key, operands));
  }
  // Empty, to put an edit's operands together. One at a time: it is the server's.
  std::string& operands();
  void write_range(const KeyRef& key, uint64_t offset, std::string_view bytes) {
    emit(Effect::write_range(db_, key, offset, bytes));
  }
  void erase(const KeyRef& key) { emit(Effect::erase(db_, key)); }
  void set_expiry(const KeyRef& key, int64_t at_ms) { emit(Effect::set_expiry(db_, key, at_ms)); }
  void emit(const Effect& effect);
  // One without a key.
  static void emit_on(Shard& shard, const Effect& effect) { shard.emit(effect); }

  // --- keyspace events ---
  // Tells subscribers what happened to a key, if they want events of this class. Called after the
  // change, with Redis's name of the event and in Redis's order. What is told leaves when the
  // change is committed.
  void notify(NotifyClass what, std::string_view event, const KeyRef& key) {
    notify(what, event, db_, key);
  }
  void notify(NotifyClass what, std::string_view event, DbId db, const KeyRef& key) {
    if (notifies(what)) publish_event(event, db, key);
  }
  // The same for a string command and for one that works on keys of any type.
  void notify_string(std::string_view event, const KeyRef& key) {
    notify(NotifyClass::kString, event, key);
  }
  void notify_generic(std::string_view event, const KeyRef& key) {
    notify(NotifyClass::kGeneric, event, key);
  }
  // True when any event may be told: a command that overwrites a key without a look at it looks
  // first then, so that an expiry is told before.
  bool notifies() const { return options_.notify_events != 0; }
  bool notifies(NotifyClass what) const { return (options().notify_events & mask_of(what)) != 0; }

  // --- for the dispatcher ---
  CommandContext* outer() const { return outer_; }
  const Dependency& observed() const { return observed_; }
  // The nested command has run; `errors`: how many error replies it gave.
  void take_from_nested(const CommandContext& nested, uint64_t errors) {
    observe(nested.observed());
    if (&nested.reply == &reply) nested_errors_ += errors;
  }
  uint64_t nested_errors() const { return nested_errors_; }
  void set_first_key(const KeyRef& key, size_t index) {
    first_key_ = key;
    first_key_index_ = index;
  }

 private:
  Object* find(DbId db, const KeyRef& key, bool with_value);
  void publish_event(std::string_view event, DbId db, const KeyRef& key);

  const Options& options_;
  CommandContext* const outer_ = nullptr;
  const bool in_script_ = false;
  Shard* shard_;
  Keyspace* keyspace_;
  int slot_;
  DbId db_;
  Dependency observed_;
  uint64_t nested_errors_ = 0;  // error replies in `reply` that are not this command's own
  KeyRef first_key_;            // hashed ahead of time by the session
  size_t first_key_index_ = 0;  // 0: none
  bool waits_ = false;
};

}  // namespace holdfast
