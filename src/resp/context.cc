// See context.h.
#include "resp/context.h"

#include "base/double_text.h"
#include "base/mutant.h"
#include "replica/shard.h"
#include "resp/command_table.h"
#include "resp/server.h"
#include "resp/session.h"
#include "store/types/hash.h"

namespace holdfast {

CommandContext::CommandContext(Server& owner, Session& caller, const Command& called,
                               std::span<const std::string_view> arguments, const Route& route,
                               int64_t now)
    : server(owner),
      session(caller),
      command(called),
      args(arguments),
      reply(caller.reply),
      now_ms(now),
      options_(owner.options()),
      shard_(route.shard != nullptr ? route.shard : owner.shards().first()),
      keyspace_(shard_ == nullptr ? nullptr : &shard_->keyspace()),
      slot_(route.slot),
      db_(shard_ == nullptr ? DbId{0} : keyspace_->physical(caller.state.db)),
      observed_(shard_) {}

CommandContext::CommandContext(CommandContext& outer, ReplyWriter& reply_to, const Command& called,
                               std::span<const std::string_view> arguments, bool in_script)
    : server(outer.server),
      session(outer.session),
      command(called),
      args(arguments),
      reply(reply_to),
      now_ms(outer.now_ms),
      options_(outer.options()),
      outer_(&outer),
      in_script_(in_script),
      shard_(outer.shard_),
      keyspace_(outer.keyspace_),
      slot_(outer.slot_),
      db_(shard_ == nullptr ? DbId{0} : keyspace_->physical(outer.session.state.db)),
      observed_(shard_) {}

void CommandContext::bind_all(Shard& shard) {
  shard_ = &shard;
  keyspace_ = &shard.keyspace();
  db_ = keyspace_->physical(session.state.db);
}

bool CommandContext::is(size_t i, std::string_view word) const {
  return equals_ignoring_case(args[i], word);
}

bool CommandContext::integer(size_t i, int64_t* out, std::string_view error) {
  if (parse_int64(args[i], out)) return true;
  reply.error(error);
  return false;
}

bool CommandContext::integer_between(size_t i, int64_t least, int64_t most, int64_t* out) {
  if (!integer(i, out)) return false;
  if (*out >= least && *out <= most) return true;
  reply.error("ERR value is out of range, value must between " + std::to_string(least) + " and " +
              std::to_string(most));
  return false;
}

bool CommandContext::number_from(size_t i, int64_t least, std::string_view error, uint64_t* out) {
  int64_t number;
  if (!integer(i, &number, error)) return false;
  *out = static_cast<uint64_t>(number);
  if (number < least) reply.error(error);
  return number >= least;
}

bool CommandContext::real(size_t i, double* out, std::string_view error) {
  if (parse_double(args[i], out)) return true;
  reply.error(error);
  return false;
}

KeyRef CommandContext::key(size_t i) const {
  return i == first_key_index_ && i != 0 ? first_key_ : keyspace_->key(args[i]);
}

Object* CommandContext::find(DbId db, const KeyRef& key, bool with_value) {
  Object* object = with_value ? keyspace_->find_value(db, key) : keyspace_->find(db, key);
  if (object == nullptr) {
    observe(keyspace_->erased_at(db, key));
    return nullptr;
  }
  const int64_t expire_at_ms = object->expire_at_ms();
  if (expire_at_ms != 0 && expire_at_ms <= now_ms) {
    // "Gone because expired" is a fact only once the erase is committed, so it is logged first.
    if (!shard_->failed() && shard_->serves()) {
      server.key_expires(db, key);
      shard_->emit(Effect::erase(db, key));
      ++server.stats().expired_keys;
    }
    return nullptr;
  }
  if (object->type() == ObjectType::kHash && !object->cold() && !shard_->failed() &&
      hash_next_expiry_ms(object->collection()) <= now_ms) {
    if (!shard_->serves()) throw AskPrimary{};  // its fields are deleted there first
    const bool emptied = shard_->expire_fields(db, key, *object, now_ms);
    server.fields_expired(db, key, emptied);
    return find(db, key, with_value);
  }
  if (!mutant(Mutant::kReadUncommitted)) observe(object->mod_seq());
  observe(keyspace_->replaced_at(db));  // SWAPDB shows objects that are older than itself
  return object;
}

Object* CommandContext::find_read(DbId db, const KeyRef& key) {
  Object* object = find_write(db, key);
  if (object == nullptr) {
    ++server.stats().keyspace_misses;
    notify(NotifyClass::kKeyMiss, "keymiss", db, key);
    return nullptr;
  }
  ++server.stats().keyspace_hits;
  object->set_used();
  if (!session.state.no_touch) object->set_access(keyspace_->access_clock());
  return object;
}

bool CommandContext::expect_type(const Object* object, ObjectType type) {
  if (object == nullptr || object->type() == type) return true;
  reply.error(errors::kWrongType);
  return false;
}

void CommandContext::observe_database(DbId db) {
  for (Shard* of : server.shards().served()) observe_database(*of, db);
}

void CommandContext::block_on(std::span<const std::string_view> keys, int64_t timeout_ms,
                              const AwaitedKeys& awaited,
                              std::span<const std::string_view> args_then) {
  HF_ASSERT(may_block());
  if (!shard_->serves()) throw AskPrimary{};  // nobody is told here what comes
  waits_ = true;
  if (KeyWait* wait = session.key_wait()) {
    wait->found_nothing = true;  // its time runs on
  } else {
    session.wait_for_keys(command, *shard_, slot_, args_then.empty() ? args : args_then, keys,
                          timeout_ms, awaited);
  }
}

void CommandContext::publish_event(std::string_view event, DbId db, const KeyRef& key) {
  server.pubsub().publish_event(options_.notify_events, keyspace_->logical(db), event, key.bytes);
}

std::string& CommandContext::operands() { return server.operands(); }

void CommandContext::emit(const Effect& effect) {
  if (!shard_->serves()) throw AskPrimary{};
  if (!has_key(effect.type)) {
    shard_->emit(effect);
    return;
  }
  if (server.tracking().watches()) server.tracking().changed(effect.key.bytes, &session);
  const bool may_be_new = notifies(NotifyClass::kNew) && !keyspace_->find(effect.db, effect.key);
  shard_->emit(effect);
  if (may_be_new && keyspace_->find(effect.db, effect.key) != nullptr) {
    notify(NotifyClass::kNew, "new", effect.db, effect.key);
  }
}

}  // namespace holdfast
