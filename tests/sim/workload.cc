// See workload.h.
#include "tests/sim/workload.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "engine/engine.h"
#include "tests/sim/violation.h"
#include "tests/support/history/linearizable.h"

namespace holdfast {
namespace {

using history::kNil;
using history::ObjectKind;
using history::OpKind;
using history::Step;
using history::Value;

constexpr uint64_t kStepsPerObject = 200'000;  // of the search; few objects need a thousand
constexpr uint64_t kSetMembers = 6;

Value value_of(const Reply& reply) {
  if (reply.nil) return kNil;
  if (reply.type == ':') return reply.number;
  return std::strtoll(reply.text.c_str(), nullptr, 10);
}

std::vector<Value> values_of(const Reply& reply) {
  std::vector<Value> values;
  for (const Reply& element : reply.elements) values.push_back(value_of(element));
  return values;
}

[[noreturn]] void unexpected(const Reply& reply) {
  throw Violation("an unexpected reply: " + std::string(1, reply.type) + reply.text);
}

}  // namespace

Workload::Workload(Random& random) : random_(random) {
  const auto some = [&](uint64_t most) { return random_.below(most + 1); };
  add("register", ObjectKind::kRegister, 2 + some(4), 1);
  add("group", ObjectKind::kRegister, some(2), 3);
  add("counter", ObjectKind::kCounter, 1 + some(2), 1);
  add("set", ObjectKind::kSet, some(2), 1);
  add("list", ObjectKind::kList, some(2), 1);
  for (uint64_t i = some(4); i > 0; --i) {
    const std::string name = "{log}" + std::to_string(i);
    lists_.emplace_back(transactions_.add_key(name), name);
  }
  stir_percent_ = some(40);
  transaction_percent_ = lists_.empty() ? 0 : 5 + some(30);
  read_percent_ = 10 + some(70);
  large_percent_ = random_.one_in(2) ? 0 : some(20);
  hot_ = 1 + some(2);
  hot_percent_ = some(70);
}

void Workload::add(const std::string& name, ObjectKind kind, uint64_t count, uint32_t members) {
  for (uint64_t i = 0; i < count; ++i) {
    Object object{history_.add_object(name + std::to_string(i), kind, members), kind, {}};
    for (uint32_t member = 0; member < members; ++member) {
      object.keys.push_back("{" + name + std::to_string(i) + "}" + std::to_string(member));
    }
    objects_.push_back(std::move(object));
  }
}

Asked Workload::next(uint32_t client) {
  const uint64_t draw = random_.below(100);
  if (draw < stir_percent_) return stir();
  if (random_.below(100) < transaction_percent_) return ask_transaction(client);
  const Object& object = any_object();
  if (random_.below(100) < read_percent_) return read(client, object);
  if (object.keys.size() > 1) return ask_group(client, object, false);
  switch (object.kind) {
    case ObjectKind::kRegister:
      return ask_register(client, object);
    case ObjectKind::kCounter:
      return ask_counter(client, object);
    case ObjectKind::kSet:
      return ask_set(client, object);
    case ObjectKind::kList:
      return ask_list(client, object);
  }
  std::abort();
}

Asked Workload::next_read(uint32_t client) { return read(client, objects_[random_.below(hot_)]); }

const Workload::Object& Workload::any_object() {
  const bool hot = random_.below(100) < hot_percent_;
  return objects_[random_.below(hot ? hot_ : objects_.size())];
}

std::vector<std::function<Asked()>> Workload::final_reads(uint32_t client) {
  std::vector<std::function<Asked()>> all;
  for (const Object& object : objects_) {
    all.emplace_back([this, client, &object] { return read_whole(client, object); });
  }
  for (const auto& [key, name] : lists_) {
    all.emplace_back([this, client, id = key] { return transaction(client, {Step::read(id)}); });
  }
  return all;
}

// --- asking ---

Asked Workload::ask(uint32_t client, const Object& object, OpKind kind, Value argument,
                    std::vector<std::string> words) {
  const auto op = history_.invoke(client, object.id, kind, history_.next_moment(), argument);
  return {{std::move(words)}, [this, op](std::span<const Reply> got) { take(op, got[0]); }};
}

Asked Workload::read(uint32_t client, const Object& object) {
  if (object.kind != ObjectKind::kSet || random_.one_in(2)) return read_whole(client, object);
  const auto member = static_cast<Value>(random_.below(kSetMembers));
  return ask(client, object, OpKind::kSismember, member,
             {"SISMEMBER", object.keys[0], std::to_string(member)});
}

Asked Workload::read_whole(uint32_t client, const Object& object) {
  const std::string& key = object.keys[0];
  if (object.keys.size() > 1) return ask_group(client, object, true);
  switch (object.kind) {
    case ObjectKind::kSet:
      return ask(client, object, OpKind::kSmembers, 0, {"SMEMBERS", key});
    case ObjectKind::kList:
      return ask(client, object, OpKind::kLrange, 0, {"LRANGE", key, "0", "-1"});
    default:
      return ask(client, object, OpKind::kGet, 0, {"GET", key});
  }
}

Asked Workload::ask_register(uint32_t client, const Object& object) {
  const std::string& key = object.keys[0];
  const Value value = next_value_++;
  const std::string text = std::to_string(value);
  switch (random_.below(8)) {
    case 0:
      return ask(client, object, OpKind::kSetNx, value, {"SETNX", key, text});
    case 1:
      return ask(client, object, OpKind::kGetSet, value, {"SET", key, text, "GET"});
    case 2:
      return ask(client, object, OpKind::kDel, 0, {"DEL", key});
    default:
      return ask(client, object, OpKind::kSet, value, {"SET", key, text});
  }
}

Asked Workload::ask_group(uint32_t client, const Object& object, bool read) {
  std::vector<std::string> words = {read ? "MGET" : "MSET"};
  std::vector<Value> values;
  for (const std::string& key : object.keys) {
    words.push_back(key);
    if (read) continue;
    values.push_back(next_value_++);
    words.push_back(std::to_string(values.back()));
  }
  if (read) return ask(client, object, OpKind::kMget, 0, std::move(words));
  const auto op = history_.invoke_mset(client, object.id, history_.next_moment(), values);
  return {{std::move(words)}, [this, op](std::span<const Reply> got) { take(op, got[0]); }};
}

Asked Workload::ask_counter(uint32_t client, const Object& object) {
  const Value by = 1 + static_cast<Value>(random_.below(3));
  return ask(client, object, OpKind::kIncr, by, {"INCRBY", object.keys[0], std::to_string(by)});
}

Asked Workload::ask_set(uint32_t client, const Object& object) {
  const auto member = static_cast<Value>(random_.below(kSetMembers));
  const bool add = random_.one_in(2);
  return ask(client, object, add ? OpKind::kSadd : OpKind::kSrem, member,
             {add ? "SADD" : "SREM", object.keys[0], std::to_string(member)});
}

// Few pops: many open ones of one list are hard to judge.
Asked Workload::ask_list(uint32_t client, const Object& object) {
  const std::string& key = object.keys[0];
  const uint64_t draw = random_.below(12);
  if (draw == 0) return ask(client, object, OpKind::kDel, 0, {"DEL", key});
  if (draw < 4) return ask(client, object, OpKind::kLpop, 0, {"LPOP", key});
  const Value value = next_value_++;
  return ask(client, object, OpKind::kRpush, value, {"RPUSH", key, std::to_string(value)});
}

Asked Workload::ask_transaction(uint32_t client) {
  std::vector<Step> steps;
  for (uint64_t i = 1 + random_.below(4); i > 0; --i) {
    const history::KeyId key = lists_[random_.below(lists_.size())].first;
    steps.push_back(random_.one_in(2) ? Step::append(key, next_value_++) : Step::read(key));
  }
  return transaction(client, steps);
}

Asked Workload::transaction(uint32_t client, const std::vector<Step>& steps) {
  Asked asked;
  asked.requests.push_back({"MULTI"});
  for (const Step& step : steps) {
    const std::string& name = lists_[step.key].second;
    if (step.is_append) {
      asked.requests.push_back({"RPUSH", name, std::to_string(step.element)});
    } else {
      asked.requests.push_back({"LRANGE", name, "0", "-1"});
    }
  }
  asked.requests.push_back({"EXEC"});
  const auto id = transactions_.invoke(client, transactions_.next_moment(), steps);
  asked.answered = [this, id](std::span<const Reply> got) { take_transaction(id, got); };
  return asked;
}

// What is not judged by itself: effects of all types, for the replicas.
Asked Workload::stir() {
  const std::string key = "{stir" + std::to_string(random_.below(12)) + "}";
  const std::string number = std::to_string(random_.below(100));
  const std::string soon = std::to_string(1 + random_.below(3000));
  std::vector<std::string> words;
  switch (random_.below(10)) {
    case 0:
      words = {"SET", key + "s", number, "PX", soon};
      break;
    case 1:
      words = {"HSET", key + "h", "f" + number, number};
      break;
    case 2:
      words = {"HPEXPIRE", key + "h", soon, "FIELDS", "1", "f" + number};
      break;
    case 3:
      words = {"ZADD", key + "z", number, "m" + number};
      break;
    case 4:
      words = {"XADD", key + "x", "MAXLEN", "20", "*", "f", number};
      break;
    case 5:
      words = {"PEXPIRE", key + (random_.one_in(2) ? "h" : "z"), soon};
      break;
    case 6:
      words = {"SETRANGE", key + "b", number, "bytes"};
      break;
    case 7:
      words = {"DEL", key + "b", key + "x", key + "h"};
      break;
    case 8:
      words = {"EVAL",    "redis.call('incr',KEYS[1]); return redis.call('rpush',KEYS[2],ARGV[1])",
               "2",       key + "n",
               key + "l", number};
      break;
    default:
      words = {"LTRIM", key + "l", "-10", "-1"};
  }
  if (random_.below(100) < large_percent_) {
    // One in ten is written to the data file at once.
    size_t size = random_.below(30'000);
    if (size < 3'000) size += LogGroup::kLarge;
    words = {"SET", key + "b", std::string(size, 'a' + char(random_.below(26)))};
  }
  const auto answered = [this](std::span<const Reply> got) {
    if (refused(got[0])) {
      note_refusal(got[0]);
    } else if (got[0].error()) {
      unexpected(got[0]);
    }
  };
  return {{std::move(words)}, answered};
}

// --- answers ---

bool Workload::refused(const Reply& reply) {
  constexpr std::string_view kNothingDone[] = {"MOVED",   "CLUSTERDOWN", "NOREPLICAS", "MISCONF",
                                               "LOADING", "TRYAGAIN",    "EXECABORT",  "BUSY"};
  return reply.error() && std::ranges::find(kNothingDone, reply.code()) != std::end(kNothingDone);
}

void Workload::note_refusal(const Reply& reply) {
  ++refused_;
  if (reply.text.starts_with("MISCONF The device")) ++device_full_;
}

void Workload::take(history::OpId op, const Reply& reply) {
  if (refused(reply)) {
    note_refusal(reply);
    history_.fail(op);
    return;
  }
  if (reply.error()) unexpected(reply);
  const int64_t now = history_.next_moment();
  switch (history_.operation(op).kind) {
    case OpKind::kSet:
    case OpKind::kMset:
      if (reply.text != "OK") unexpected(reply);
      history_.ok(op, now);
      break;
    case OpKind::kMget:
    case OpKind::kSmembers:
    case OpKind::kLrange:
      history_.ok(op, now, values_of(reply));
      break;
    default:
      history_.ok(op, now, value_of(reply));
  }
  ++acknowledged_;
}

void Workload::take_transaction(history::TransactionId id, std::span<const Reply> replies) {
  const Reply& last = replies.back();
  if (refused(last)) {
    for (const Reply& reply : replies) {
      if (refused(reply)) note_refusal(reply);
    }
    transactions_.fail(id);
    return;
  }
  if (last.error() || last.nil) unexpected(last);
  std::vector<std::vector<Value>> reads;
  const auto steps = std::as_const(transactions_).steps(id);
  for (size_t i = 0; i < steps.size(); ++i) {
    if (last.elements[i].error()) unexpected(last.elements[i]);
    if (!steps[i].is_append) reads.push_back(values_of(last.elements[i]));
  }
  transactions_.ok(id, transactions_.next_moment(), reads);
  ++acknowledged_;
}

uint64_t Workload::unknown() const {
  uint64_t open = 0;
  for (history::OpId op = 0; op < history_.size(); ++op) {
    if (history_.operation(op).outcome == history::Outcome::kOpen) ++open;
  }
  for (history::TransactionId id = 0; id < transactions_.size(); ++id) {
    if (transactions_.transaction(id).outcome == history::Outcome::kOpen) ++open;
  }
  return open;
}

std::string Workload::judge() {
  history::SearchLimits limits;
  limits.steps_per_object = kStepsPerObject;
  const history::Judgement objects = check_linearizable(history_, limits);
  undecided_ = objects.verdict == history::Verdict::kUnknown;
  if (objects.verdict == history::Verdict::kWrong) return "not linearizable: " + objects.why;
  const history::Judgement all = check_transactions(transactions_);
  if (all.verdict == history::Verdict::kWrong) return "not serializable: " + all.why;
  return {};
}

}  // namespace holdfast
