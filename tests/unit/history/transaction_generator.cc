// See transaction_generator.h.
#include "tests/unit/history/transaction_generator.h"

#include <algorithm>

namespace holdfast::history {

namespace {

using Lists = std::vector<std::vector<Value>>;  // by key

// What the reads among `steps` give.
Lists execute(Lists& lists, std::span<const Step> steps) {
  Lists reads;
  for (const Step& step : steps) {
    if (step.is_append) {
      lists[step.key].push_back(step.element);
    } else {
      reads.push_back(lists[step.key]);
    }
  }
  return reads;
}

class Generator {
 public:
  Generator(Random& random, const TransactionProfile& profile)
      : random_(random), profile_(profile), lists_(profile.keys), clients_(profile.clients) {
    for (uint32_t key = 0; key < profile.keys; ++key) history_.add_key("k" + std::to_string(key));
    for (Client& client : clients_) client.number = next_client_++;
  }

  TransactionHistory run() {
    while (history_.size() < profile_.transactions) {
      step(clients_[random_.below(clients_.size())], true);
      if (!late_.empty() && random_.one_in(6)) serve_late();
    }
    for (Client& client : clients_) {
      while (client.stage != Stage::kIdle) step(client, false);
    }
    if (profile_.resolved) resolve_some();
    if (profile_.read_at_end) read_all();
    return std::move(history_);
  }

 private:
  enum class Stage { kIdle, kSent, kServed };
  struct Client {
    uint32_t number = 0;
    TransactionId id = 0;
    Stage stage = Stage::kIdle;
    Lists reads = {};
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
        client.reads = execute(lists_, history_.steps(client.id));
        client.stage = Stage::kServed;
        return;
      case Stage::kServed:
        if (lost()) {
          happened_.push_back({client.id, now_});
        } else {
          history_.ok(client.id, now_, client.reads);
        }
        client.stage = Stage::kIdle;
    }
  }

  void send(Client& client) {
    std::vector<Step> steps;
    for (uint64_t count = 1 + random_.below(profile_.steps); count > 0; --count) {
      const auto key = static_cast<KeyId>(random_.below(profile_.keys));
      steps.push_back(random_.one_in(2) ? Step::append(key, ++last_element_) : Step::read(key));
    }
    client.id = history_.invoke(client.number, now_, steps);
    client.stage = Stage::kSent;
  }

  void lose_request(Client& client) {
    if (random_.one_in(3)) {
      history_.fail(client.id);
    } else {
      late_.push_back(client.id);
      client.number = next_client_++;
    }
    client.stage = Stage::kIdle;
  }

  void serve_late() {
    const size_t which = random_.below(late_.size());
    if (random_.one_in(2)) {
      execute(lists_, history_.steps(late_[which]));
      happened_.push_back({late_[which], now_});
    }
    late_.erase(late_.begin() + static_cast<ptrdiff_t>(which));
  }

  void resolve_some() {
    for (const auto& [id, at] : happened_) {
      if (random_.one_in(2)) history_.resolve(id, true, random_.one_in(2) ? at : kForever);
    }
    for (TransactionId id = 0; id < history_.size(); ++id) {
      const bool did = std::ranges::any_of(happened_, [id](auto& one) { return one.first == id; });
      if (history_.transaction(id).outcome == Outcome::kOpen && !did) history_.resolve(id, false);
    }
  }

  void read_all() {
    std::vector<Step> steps;
    for (KeyId key = 0; key < profile_.keys; ++key) steps.push_back(Step::read(key));
    ++now_;
    const TransactionId id = history_.invoke(0, now_, steps);
    ++now_;
    history_.ok(id, now_, lists_);
  }

  Random& random_;
  const TransactionProfile& profile_;
  TransactionHistory history_;
  Lists lists_;
  std::vector<Client> clients_;
  std::vector<TransactionId> late_;
  std::vector<std::pair<TransactionId, int64_t>> happened_;  // but nobody was told; when at latest
  uint32_t next_client_ = 1;
  Value last_element_ = 0;
  int64_t now_ = 0;
};

bool must_happen(const Transaction& transaction) {
  return transaction.outcome == Outcome::kOk || transaction.outcome == Outcome::kHappened;
}

bool agrees(const TransactionHistory& history, TransactionId id, const Lists& reads) {
  if (history.transaction(id).outcome != Outcome::kOk) return true;
  size_t next = 0;
  for (const Step& step : history.steps(id)) {
    if (!step.is_append && !std::ranges::equal(history.values(step), reads[next++])) return false;
  }
  return true;
}

bool some_order(const TransactionHistory& history, const Lists& lists,
                const std::vector<TransactionId>& left) {
  const auto must = [&](TransactionId id) { return must_happen(history.transaction(id)); };
  if (std::ranges::none_of(left, must)) return true;
  for (size_t i = 0; i < left.size(); ++i) {
    const int64_t invoked = history.transaction(left[i]).invoked;
    const bool too_early = std::ranges::any_of(left, [&](TransactionId other) {
      return must(other) && history.transaction(other).returned < invoked;
    });
    if (too_early) continue;
    Lists next = lists;
    if (!agrees(history, left[i], execute(next, history.steps(left[i])))) continue;
    auto rest = left;
    rest.erase(rest.begin() + static_cast<ptrdiff_t>(i));
    if (some_order(history, next, rest)) return true;
  }
  return false;
}

}  // namespace

TransactionHistory generate_transactions(Random& random, const TransactionProfile& profile) {
  return Generator(random, profile).run();
}

bool brute_force(const TransactionHistory& history) {
  std::vector<TransactionId> left;
  for (TransactionId id = 0; id < history.size(); ++id) {
    if (history.transaction(id).outcome != Outcome::kFailed) left.push_back(id);
  }
  return some_order(history, Lists(history.keys()), left);
}

}  // namespace holdfast::history
