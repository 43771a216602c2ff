// See repairs.h.
#include "replica/repairs.h"

#include "base/assert.h"
#include "base/log.h"
#include "store/collection.h"

namespace holdfast {
namespace {

constexpr int64_t kMs = 1'000'000;

std::string shown(std::string_view key) { return std::string(key.substr(0, 64)); }

// A collection that can be made of it, if it is to be one.
bool sound(const RecordImage& image, const Keyspace& keyspace) {
  if (image.type == ObjectType::kString) return true;
  ObjectType type;
  Collection value;
  if (!decode_collection(image.value, keyspace.limits(), &type, &value)) return false;
  destroy_collection(type, value);
  return type == image.type;
}

}  // namespace

Repairs::Repairs(Host host) : host_(std::move(host)) {}
Repairs::~Repairs() { *alive_ = false; }

// --- what is wanted ---

Repairs::Map::iterator Repairs::add(DbId db, std::string_view key, RecordRef ref) {
  const auto [at, fresh] = wanted_.try_emplace({db, std::string(key)});
  Wanted& wanted = at->second;
  if (fresh || wanted.ref != ref) {
    wanted.ref = ref;
    wanted.from = host_.committed.last.seq;
    wanted.since_ns = host_.reactor.clock().mono_ns();
    wanted.answer.reset();
    wanted.slow = false;
    if (fresh) {
      log_warning("a record is damaged: the other members are asked for it",
                  {{"database", db}, {"key", shown(key)}, {"from", wanted.from}});
    }
  }
  tick_later();
  return at;
}

void Repairs::want(DbId db, std::string_view key, RecordRef ref, Done done) {
  const bool known = wanted_.contains({db, std::string(key)});
  if (!known && wanted_.size() >= kMostWanted) {
    if (done) host_.reactor.post(done);
    return;
  }
  const auto at = add(db, key, ref);
  Wanted& wanted = at->second;
  if (done && wanted.slow) {
    host_.reactor.post(done);
  } else if (done) {
    wanted.done.push_back(std::move(done));
  }
  if (!known) ask(at->first, wanted);
}

void Repairs::want_missing(DbId db, std::string_view key, RecordRef ref) {
  const auto at = add(db, key, ref);
  if (!at->second.missing) ++missing_;
  at->second.missing = true;
}

// It is still the record that is missing or damaged.
bool Repairs::needed(const Name& name, const Wanted& wanted) const {
  if (wanted.missing) return true;
  const Object* object = host_.keyspace.find(name.first, host_.keyspace.key(name.second));
  return object != nullptr && object->cold() && object->ref() == wanted.ref;
}

void Repairs::tick_later() {
  if (ticking_) return;
  ticking_ = true;
  host_.reactor.run_after(kTickMs, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    ticking_ = false;
    tick();
    if (!wanted_.empty() || rewrite_) tick_later();
  });
}

void Repairs::tick() {
  const int64_t now_ns = host_.reactor.clock().mono_ns();
  size_t questions = 0;
  for (auto at = wanted_.begin(); at != wanted_.end();) look_at(at++, now_ns, &questions);
  if (!rewrite_ || !wanted_.empty() || host_.checkpoint.running()) return;
  rewrite_ = false;
  host_.checkpoint.start();
}

void Repairs::look_at(Map::iterator at, int64_t now_ns, size_t* questions) {
  Wanted& wanted = at->second;
  if (!needed(at->first, wanted)) {
    drop(at);
    return;
  }
  if (!wanted.slow && now_ns - wanted.since_ns > kPatienceMs * kMs) {
    wanted.slow = true;
    log_error("a damaged record could not be repaired yet; the members are asked again",
              {{"database", at->first.first}, {"key", shown(at->first.second)}});
    run_done(wanted);
  }
  if (wanted.ask_ns <= now_ns && *questions < kMostAsked) {
    ++*questions;
    wanted.answer.reset();  // what did not fit by now is asked for anew
    ask(at->first, wanted);
    return;
  }
  if (wanted.answer != nullptr) try_answer(at);
}

void Repairs::ask(const Name& name, Wanted& wanted) {
  const ReplicaCore& core = host_.replica.core();
  std::vector<Member> members = core.membership().voters;
  const std::vector<Member>& learners = core.membership().learners;
  members.insert(members.end(), learners.begin(), learners.end());
  std::erase(members, core.self());
  const int64_t patience = wanted.slow ? kSlowMs : kAnswerMs;
  wanted.ask_ns = host_.reactor.clock().mono_ns() + patience * kMs;
  if (members.empty()) return;
  const Member& to = members[wanted.asked++ % members.size()];
  host_.replica.send(GetRecord{name.first, name.second, wanted.from}, to);
}

// --- what others want ---

void Repairs::receive(const Message& message) {
  if (const auto* get = std::get_if<GetRecord>(&message.body)) {
    answer(message, *get);
  } else if (const auto* is = std::get_if<RecordIs>(&message.body)) {
    take(message, *is);
  }
}

void Repairs::answer(const Message& message, const GetRecord& get) {
  const LogPosition& at = host_.committed.last;
  RecordIs is{get.db, get.key, {}, RecordIs::kUnknown, nullptr};
  const bool able = host_.exact() && !holds_up() && at.seq >= get.from;
  const KeyRef key = host_.keyspace.key(get.key);
  const Object* object = able ? host_.keyspace.find(get.db, key) : nullptr;
  if (object != nullptr && object->mod_seq() <= at.seq) {  // P4
    if (object->cold()) {
      answer_from_device(message, get, *object);
      return;
    }
    std::string image;
    encode_record(*object, &image);
    is.at = at;
    is.state = RecordIs::kThere;
    is.image = std::make_shared<const std::string>(std::move(image));
    ++stats_.answered;
  } else if (able && object == nullptr && host_.serves() &&
             host_.keyspace.erased_at(get.db, key) <= at.seq &&
             host_.keyspace.replaced_at(get.db) <= at.seq) {
    is.at = at;
    is.state = RecordIs::kAbsent;
  }
  host_.replica.send(std::move(is), message.from);
}

// Nothing has changed the object since its record was written, so it is what it was at this
// position, whatever happens while it is read.
void Repairs::answer_from_device(const Message& message, const GetRecord& get,
                                 const Object& object) {
  const uint64_t size = object.string_size();
  const RecordKey place{get.db, host_.keyspace.key(get.key).slot, get.key, object.ref(),
                        size == 0 ? 0 : kRecordImageHead + size};
  host_.engine.fetch_record(
      host_.shard, place,
      [this, alive = std::weak_ptr<bool>(alive_), to = message.from, db = get.db, key = get.key,
       ref = object.ref(), at = host_.committed.last](const Result<std::string>& image) {
        if (alive.expired()) return;
        RecordIs is{db, key, {}, RecordIs::kUnknown, nullptr};
        if (image.ok() && decode_record(key, image.value()).ok()) {
          is.at = at;
          is.state = RecordIs::kThere;
          is.image = std::make_shared<const std::string>(image.value());
          ++stats_.answered;
        } else {
          want(db, key, ref, {});
        }
        host_.replica.send(std::move(is), to);
      });
}

// --- answers ---

void Repairs::take(const Message& message, const RecordIs& is) {
  const auto at = wanted_.find({is.db, is.key});
  if (at == wanted_.end() || at->second.answer != nullptr) return;
  Wanted& wanted = at->second;
  if (is.state == RecordIs::kUnknown) {
    if (!wanted.slow) wanted.ask_ns = host_.reactor.clock().mono_ns() + kTickMs * kMs;
    return;
  }
  if (is.at.seq < wanted.from) return;  // P1
  wanted.answer = std::make_shared<const RecordIs>(is);
  wanted.answerer = message.from;
  try_answer(at);
}

void Repairs::applied() {
  for (auto at = wanted_.begin(); at != wanted_.end();) {
    const auto next = std::next(at);
    if (at->second.answer != nullptr) try_answer(at);
    at = next;
  }
}

void Repairs::try_answer(Map::iterator at) {
  Wanted& wanted = at->second;
  const RecordIs& is = *wanted.answer;
  if (!needed(at->first, wanted)) {
    drop(at);
    return;
  }
  const ReplicaCore& core = host_.replica.core();
  if (is.at.seq > core.last().seq) return;  // the log is on its way
  const Result<LogPosition> own = core.tail().position(is.at.seq);
  if (!own.ok()) {  // not kept any more: a newer answer is needed
    wanted.answer.reset();
    return;
  }
  if (own.value() != is.at) {
    refuse(at, "it is of another log");
    return;
  }
  RecordImage image;
  if (is.state == RecordIs::kThere) {
    const Result<RecordImage> decoded = decode_record(is.key, *is.image);
    if (!decoded.ok() || !sound(decoded.value(), host_.keyspace)) {
      refuse(at, "it cannot be decoded");
      return;
    }
    image = decoded.value();
  }
  const bool applied = is.at.seq <= host_.committed.last.seq;
  if (wanted.missing || (held_up_ && !applied)) {
    take_place(at, is.state == RecordIs::kThere ? &image : nullptr);
  } else if (applied && is.state == RecordIs::kThere) {
    take_value(at, image);
  } else if (applied) {
    refuse(at, "it says that there is no such key");
  }
}

// P2.
void Repairs::take_value(Map::iterator at, const RecordImage& image) {
  const auto& [db, name] = at->first;
  const KeyRef key = host_.keyspace.key(name);
  const RecordRef ref = at->second.ref;
  const Object* object = host_.keyspace.find(db, key);
  const uint64_t size = object->is_collection() ? 0 : object->string_size();
  const bool fits = image.type == object->type() && image.expire_at_ms == object->expire_at_ms() &&
                    (size == 0 || size == image.value.size());
  if (fits) host_.keyspace.warm(db, key, ref, image.value);
  if (!fits || host_.keyspace.find(db, key)->cold()) {
    refuse(at, "it is not the object that is here");
    return;
  }
  host_.checkpoint.rewrite(db, key, ref);
  repaired(at);
}

// P3. The damaged record is given back by the checkpoint that writes the key anew.
void Repairs::take_place(Map::iterator at, const RecordImage* image) {
  const auto& [db, name] = at->first;
  const KeyRef key = host_.keyspace.key(name);
  const Seq seq = at->second.answer->at.seq;
  Effect effect = Effect::erase(db, key);
  if (image != nullptr && image->type == ObjectType::kString) {
    effect = Effect::put_string(db, key, image->value, image->expire_at_ms);
  } else if (image != nullptr) {
    effect = Effect::put_value(db, key, image->value, image->expire_at_ms);
  }
  apply(effect, seq, host_.keyspace);
  if (at->second.missing) host_.keyspace.replace_record(db, key, at->second.ref);
  repaired(at);
}

void Repairs::refuse(Map::iterator at, std::string_view why) {
  ++stats_.refused;
  log_error("another member's answer for a damaged record is refused",
            {{"database", at->first.first},
             {"key", shown(at->first.second)},
             {"node", uint64_t{at->second.answerer.node}},
             {"reason", std::string(why)}});
  at->second.answer.reset();
}

void Repairs::repaired(Map::iterator at) {
  ++stats_.repaired;
  rewrite_ = true;
  log_info("a damaged record was repaired from another member",
           {{"database", at->first.first},
            {"key", shown(at->first.second)},
            {"node", uint64_t{at->second.answerer.node}},
            {"at", at->second.answer->at.seq}});
  drop(at);
}

void Repairs::drop(Map::iterator at) {
  const bool held = holds_up();
  if (at->second.missing) --missing_;
  run_done(at->second);
  wanted_.erase(at);
  held_up_ = false;
  tick_later();
  if (!held || holds_up()) return;
  host_.reactor.post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) host_.resume();
  });
}

void Repairs::run_done(Wanted& wanted) {
  for (Done& done : wanted.done) host_.reactor.post(std::move(done));
  wanted.done.clear();
}

}  // namespace holdfast
