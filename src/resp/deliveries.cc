// See deliveries.h.
#include "resp/deliveries.h"

#include <utility>

#include "resp/session.h"

namespace holdfast {

bool Deliveries::push(Session& to, Push& message) {
  if (to.closing()) return false;
  const SharedBytes& bytes = message.bytes(to.reply.protocol());
  if (&to == caller_) {
    behind_reply_.push_back(bytes);
  } else {
    append(to, bytes);
  }
  return true;
}

bool Deliveries::touched(const Session& session) const {
  return session.touched_in_round == round_;
}

void Deliveries::append(Session& to, const SharedBytes& bytes) {
  const uint64_t from = to.output.position();
  if (to.touched_in_round != round_) {
    to.touched_in_round = round_;
    touched_.push_back({&to, from});
  }
  to.output.append_shared(bytes);
  to.flush_soon();
  to.check_output_limit(from);
}

void Deliveries::replied() {
  Session* to = std::exchange(caller_, nullptr);
  for (const SharedBytes& bytes : behind_reply_) {
    if (!to->closing()) append(*to, bytes);
  }
  behind_reply_.clear();
}

void Deliveries::settle(const Dependency& depends_on) {
  if (touched_.empty()) return;
  if (!depends_on.committed()) {
    const bool lost = depends_on.lost();
    for (const Touched& touched : touched_) {
      Output& output = touched.session->output;
      if (touched.session->closing()) continue;
      if (lost) {
        output.rewind(touched.from);
        continue;
      }
      depends_on.visit([&](const CommitPoint& point) {
        if (!point.committed()) output.hold_from(touched.from, point);
      });
    }
  }
  touched_.clear();
  ++round_;
}

}  // namespace holdfast
