// See history.h.
#include "tests/support/history/history.h"

#include <stdexcept>

namespace holdfast::history {

namespace {

constexpr size_t kShownValues = 24;  // of a longer list, both ends are shown

std::string_view command_name(OpKind kind) {
  static constexpr std::string_view kNames[] = {
      "GET",  "SET",  "SETNX",     "GETSET",   "CAS",   "MGET", "MSET",   "INCR",
      "SADD", "SREM", "SISMEMBER", "SMEMBERS", "RPUSH", "LPOP", "LRANGE", "DEL"};
  return kNames[static_cast<size_t>(kind)];
}

bool has_argument(OpKind kind) {
  switch (kind) {
    case OpKind::kSet:
    case OpKind::kSetNx:
    case OpKind::kGetSet:
    case OpKind::kCas:
    case OpKind::kIncr:
    case OpKind::kSadd:
    case OpKind::kSrem:
    case OpKind::kSismember:
    case OpKind::kRpush:
      return true;
    default:
      return false;
  }
}

bool gives_values(OpKind kind) {
  return kind == OpKind::kMget || kind == OpKind::kSmembers || kind == OpKind::kLrange;
}

}  // namespace

std::string value_text(Value value) {
  if (value == kNil) return "nil";
  if (value == kUntouched) return "-";
  return std::to_string(value);
}

std::string values_text(std::span<const Value> values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) {
    if (values.size() > kShownValues && i == kShownValues / 2) {
      text += " ..." + std::to_string(values.size() - kShownValues) + " more...";
      i = values.size() - kShownValues / 2;
    }
    text += (i == 0 ? "" : " ") + value_text(values[i]);
  }
  return text + "]";
}

ObjectId History::add_object(std::string name, ObjectKind kind, uint32_t members) {
  if (members == 0 || (members > 1 && kind != ObjectKind::kRegister)) {
    throw std::logic_error("only registers form groups");
  }
  objects_.push_back({std::move(name), kind, members});
  return static_cast<ObjectId>(objects_.size() - 1);
}

OpId History::invoke(uint32_t client, ObjectId object, OpKind kind, int64_t at, Value argument,
                     Value expected) {
  Operation op;
  op.invoked = at;
  op.argument = argument;
  op.expected = expected;
  op.client = client;
  op.object = object;
  op.kind = kind;
  operations_.push_back(op);
  return static_cast<OpId>(operations_.size() - 1);
}

OpId History::invoke_mset(uint32_t client, ObjectId object, int64_t at,
                          std::span<const Value> values) {
  if (values.size() != members(object)) throw std::logic_error("MSET of another group");
  const OpId op = invoke(client, object, OpKind::kMset, at);
  set_values(op, values);
  return op;
}

void History::ok(OpId op, int64_t at, Value result) {
  if (operations_[op].outcome != Outcome::kOpen) throw std::logic_error("answered twice");
  if (at < operations_[op].invoked) throw std::logic_error("answered before it was sent");
  operations_[op].outcome = Outcome::kOk;
  operations_[op].returned = at;
  operations_[op].result = result;
}

void History::ok(OpId op, int64_t at, std::span<const Value> values) {
  ok(op, at);
  set_values(op, values);
}

void History::ok(OpId op, int64_t at, std::initializer_list<Value> values) {
  ok(op, at, std::span<const Value>(values.begin(), values.size()));
}

void History::fail(OpId op) {
  if (operations_[op].outcome != Outcome::kOpen) throw std::logic_error("failed, but answered");
  operations_[op].outcome = Outcome::kFailed;
}

void History::resolve(OpId op, bool happened, int64_t by) {
  if (operations_[op].outcome != Outcome::kOpen) throw std::logic_error("it is not open");
  operations_[op].outcome = happened ? Outcome::kHappened : Outcome::kFailed;
  operations_[op].returned = by;
}

void History::set_values(OpId op, std::span<const Value> values) {
  operations_[op].values_at = static_cast<uint32_t>(pool_.size());
  operations_[op].values_count = static_cast<uint32_t>(values.size());
  pool_.insert(pool_.end(), values.begin(), values.end());
}

std::span<const Value> History::values(const Operation& op) const {
  return std::span(pool_).subspan(op.values_at, op.values_count);
}

std::string History::describe(OpId id) const {
  const Operation& op = operations_[id];
  const bool answered = op.outcome == Outcome::kOk;
  std::string text = "#" + std::to_string(id) + " client " + std::to_string(op.client) + " [" +
                     std::to_string(op.invoked) + ", " +
                     (op.returned == kForever ? "..." : std::to_string(op.returned)) + "] " +
                     std::string(command_name(op.kind)) + " " + objects_[op.object].name;
  if (op.kind == OpKind::kCas) text += " " + value_text(op.expected);
  if (has_argument(op.kind)) text += " " + value_text(op.argument);
  if (op.kind == OpKind::kMset) text += " " + values_text(values(op));
  switch (op.outcome) {
    case Outcome::kOpen:
      return text + " -> unknown";
    case Outcome::kHappened:
      return text + " -> happened";
    case Outcome::kFailed:
      return text + " -> failed";
    case Outcome::kOk:
      break;
  }
  if (gives_values(op.kind) && answered) return text + " -> " + values_text(values(op));
  if (op.kind == OpKind::kSet || op.kind == OpKind::kMset) return text + " -> ok";
  return text + " -> " + value_text(op.result);
}

}  // namespace holdfast::history
