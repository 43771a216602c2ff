// See generator.h.
#include "tests/unit/history/generator.h"

#include <algorithm>
#include <stdexcept>

#include "tests/unit/history/plain_object.h"

namespace holdfast::history {

namespace {

using enum OpKind;

class Generator {
 public:
  Generator(Random& random, const Profile& profile, const Extent& extent)
      : random_(random), profile_(profile), extent_(extent) {
    for (uint32_t i = 0; i < extent.objects; ++i) {
      history_.add_object("x" + std::to_string(i), profile.kind, profile.members);
      objects_.emplace_back(profile.kind, profile.members);
    }
    for (uint32_t i = 0; i < extent.clients; ++i) clients_.push_back({next_client_++, {}});
  }

  History run() {
    while (history_.size() < extent_.operations) {
      step(clients_[random_.below(clients_.size())], true);
      if (!late_.empty() && random_.one_in(6)) serve_late();
    }
    for (Client& client : clients_) {
      while (client.stage != Stage::kIdle) step(client, false);
    }
    if (profile_.resolved) resolve_some();
    if (extent_.read_at_end) read_all();
    return std::move(history_);
  }

 private:
  enum class Stage { kIdle, kSent, kServed };
  struct Client {
    uint32_t number;
    OpId op = 0;
    Stage stage = Stage::kIdle;
    Reply reply = {};
  };

  bool lost() { return profile_.lost_one_in != 0 && random_.one_in(profile_.lost_one_in); }

  void step(Client& client, bool may_send) {
    now_ += static_cast<int64_t>(random_.below(3));
    switch (client.stage) {
      case Stage::kIdle:
        if (may_send) send(client);
        return;
      case Stage::kSent:
        if (lost()) return lose_request(client);
        client.reply = serve(client.op);
        client.stage = Stage::kServed;
        return;
      case Stage::kServed:
        if (lost()) {
          happened_.push_back({client.op, now_});
        } else {
          answer(client.op, client.reply);
        }
        client.stage = Stage::kIdle;
    }
  }

  void lose_request(Client& client) {
    if (random_.one_in(3)) {
      history_.fail(client.op);
    } else {
      late_.push_back(client.op);
      client.number = next_client_++;  // one that goes on is another one
    }
    client.stage = Stage::kIdle;
  }

  void serve_late() {
    const size_t which = random_.below(late_.size());
    if (random_.one_in(2)) {
      serve(late_[which]);
      happened_.push_back({late_[which], now_});
    }
    late_.erase(late_.begin() + static_cast<ptrdiff_t>(which));
  }

  Reply serve(OpId op) {
    const Operation& operation = history_.operation(op);
    return objects_[operation.object].act(operation, history_.values(operation));
  }

  void answer(OpId op, const Reply& reply) {
    if (reply.values.empty()) return history_.ok(op, now_, reply.value);
    std::vector<Value> told = reply.values;
    if (profile_.kind == ObjectKind::kSet) std::ranges::reverse(told);  // the order says nothing
    if (profile_.partial && random_.one_in(2)) told[random_.below(told.size())] = kUntouched;
    history_.ok(op, now_, told);
  }

  void send(Client& client) {
    const auto object = static_cast<ObjectId>(random_.below(extent_.objects));
    const OpKind kind = profile_.operations[random_.below(profile_.operations.size())];
    client.stage = Stage::kSent;
    if (kind == kMset) {
      client.op = history_.invoke_mset(client.number, object, now_, group_values());
      return;
    }
    const Value argument = argument_of(kind);
    const Value expected = kind == kCas ? old_value() : 0;
    client.op = history_.invoke(client.number, object, kind, now_, argument, expected);
  }

  std::vector<Value> group_values() {
    std::vector<Value> values(profile_.members, fresh_value());
    if (!profile_.partial) return values;
    for (Value& value : values) value = random_.one_in(3) ? kUntouched : fresh_value();
    return values;
  }

  Value argument_of(OpKind kind) {
    switch (kind) {
      case kIncr:
        return static_cast<Value>(1 + random_.below(3)) *
               (!profile_.positive && random_.one_in(2) ? -1 : 1);
      case kSadd:
      case kSrem:
      case kSismember:
        return static_cast<Value>(1 + random_.below(profile_.values == 0 ? 12 : profile_.values));
      default:
        return fresh_value();
    }
  }

  Value fresh_value() {
    return profile_.values == 0 ? ++last_value_
                                : static_cast<Value>(1 + random_.below(profile_.values));
  }

  // One that may well be there now.
  Value old_value() {
    if (random_.one_in(8)) return kNil;
    if (profile_.values != 0) return fresh_value();
    return std::max<Value>(1, last_value_ - static_cast<Value>(random_.below(4)));
  }

  void resolve_some() {
    for (const auto& [op, at] : happened_) {
      if (random_.one_in(2)) history_.resolve(op, true, random_.one_in(2) ? at : kForever);
    }
    for (OpId op = 0; op < history_.size(); ++op) {
      const bool did = std::ranges::any_of(happened_, [op](auto& one) { return one.first == op; });
      if (history_.operation(op).outcome == Outcome::kOpen && !did && random_.one_in(2)) {
        history_.resolve(op, false);
      }
    }
  }

  void read_all() {
    const OpKind kind = profile_.kind == ObjectKind::kSet    ? kSmembers
                        : profile_.kind == ObjectKind::kList ? kLrange
                        : profile_.members > 1               ? kMget
                                                             : kGet;
    for (ObjectId object = 0; object < extent_.objects; ++object) {
      const OpId op = history_.invoke(0, object, kind, ++now_);
      const Reply reply = serve(op);
      ++now_;
      history_.ok(op, now_, reply.value);
      history_.set_values(op, reply.values);
    }
  }

  Random& random_;
  const Profile& profile_;
  const Extent& extent_;
  History history_;
  std::vector<PlainObject> objects_;
  std::vector<Client> clients_;
  std::vector<OpId> late_;                          // lost requests that may still be served
  std::vector<std::pair<OpId, int64_t>> happened_;  // served, but nobody was told; when at latest
  uint32_t next_client_ = 1;
  Value last_value_ = 0;
  int64_t now_ = 0;
};

}  // namespace

std::vector<Profile> profiles() {
  std::vector<Profile> all;
  all.push_back(
      {"register", ObjectKind::kRegister, {kGet, kSet, kSetNx, kGetSet, kCas, kCas, kDel}});
  all.push_back({"get and set", ObjectKind::kRegister, {kGet, kGet, kSet}});
  all.push_back({"getset", ObjectKind::kRegister, {kGet, kGetSet, kGetSet}});
  all.push_back({"setnx", ObjectKind::kRegister, {kGet, kSetNx, kSetNx}});
  all.push_back({"cas", ObjectKind::kRegister, {kGet, kSet, kCas, kCas, kCas}});
  all.push_back({"group", ObjectKind::kRegister, {kMget, kMset}});
  all.back().members = 3;
  all.push_back({"partial group", ObjectKind::kRegister, {kMget, kMset}});
  all.back().members = 3;
  all.back().partial = true;
  all.push_back({"counter", ObjectKind::kCounter, {kIncr, kIncr, kIncr, kGet, kGet, kDel}});
  all.back().positive = false;
  all.push_back({"rising counter", ObjectKind::kCounter, {kIncr, kIncr, kGet}});
  all.push_back(
      {"set", ObjectKind::kSet, {kSadd, kSadd, kSrem, kSrem, kSismember, kSmembers, kDel}});
  all.push_back({"growing set", ObjectKind::kSet, {kSadd, kSadd, kSismember, kSmembers}});
  all.push_back({"list", ObjectKind::kList, {kRpush, kRpush, kRpush, kLpop, kLpop, kLrange, kDel}});
  all.push_back({"growing list", ObjectKind::kList, {kRpush, kRpush, kLrange}});
  all.push_back({"queue", ObjectKind::kList, {kRpush, kRpush, kLpop, kLrange}});
  return all;
}

const Profile& profile(const std::string& name) {
  static const std::vector<Profile> kAll = profiles();
  const auto found = std::ranges::find(kAll, name, &Profile::name);
  if (found == kAll.end()) throw std::logic_error("no profile " + name);
  return *found;
}

History generate(Random& random, const Profile& profile, const Extent& extent) {
  return Generator(random, profile, extent).run();
}

}  // namespace holdfast::history
