// See snapshot_receiver.h.
#include "replica/snapshot_receiver.h"

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "base/log.h"
#include "replica/snapshot_rows.h"
#include "store/effect.h"

namespace holdfast {
namespace {

// The members that a checkpoint's state names; an error if it is not the state of that log.
Result<Membership> members_of(const SnapshotBegin& begin) {
  Keyspace unused(0);
  LogSummary log;
  Membership members;
  bool whole = false;
  Status status = load_checkpoint_state(begin.state, &log, &members, unused, &whole);
  if (status.ok() && (!whole || log.last != begin.base.last)) {
    status = Status::corrupt("the state of a snapshot is of another log");
  }
  if (!status.ok()) return status;
  return members;
}

}  // namespace

bool SnapshotReceiver::may_begin(const SnapshotHost& host, const Message& message,
                                 const SnapshotBegin& begin) {
  const ReplicaCore& core = host.replica.core();
  const bool leads = message.epoch == core.epoch() && message.from == core.leader();
  if (!leads || core.role() != Role::kBackup) return false;
  if (!core.wants_snapshot(begin.base.last)) return false;  // its log has the base already
  if (!host.engine.info().wants_checkpoints) {
    log_error("this engine keeps no records: it cannot take a snapshot", {});
    return false;
  }
  const Result<Membership> members = members_of(begin);
  if (!members.ok()) log_error("a snapshot is refused", {{"reason", members.status().message()}});
  return members.ok();
}

SnapshotReceiver::SnapshotReceiver(const SnapshotHost& host, const Member& from,
                                   const SnapshotBegin& begin)
    : host_(host), from_(from), begin_(begin), heard_ns_(host.reactor.clock().mono_ns()) {
  log_info("receiving a snapshot", {{"node", uint64_t{from.node}}, {"base", begin.base.last.seq}});
  host_.arrivals.expect();
  host_.checkpoint.stop([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired() && !over_) make_room();
  });
  tell_later();
}

SnapshotReceiver::~SnapshotReceiver() { *alive_ = false; }

Engine::Done SnapshotReceiver::then(void (SnapshotReceiver::*task)()) {
  return [this, alive = std::weak_ptr<bool>(alive_), task](const Status& status) {
    if (alive.expired() || over_) return;
    if (status.ok()) {
      (this->*task)();
    } else {
      over_ = true;
      host_.store_failed(status);
    }
  };
}

// --- the old state ---

void SnapshotReceiver::make_room() {
  if (host_.engine.info().refs) {
    erase_all();
    return;
  }
  const Result<Membership> members = members_of(begin_);
  host_.engine.finish_checkpoint(
      host_.shard, {host_.checkpoint.finished_seq(), encode_unfinished_state(members.value())},
      then(&SnapshotReceiver::erase_all));
}

void SnapshotReceiver::erase_all() {
  const Seq keep = host_.engine.info().refs ? begin_.base.last.seq : 0;
  for (int db = 0; db < kDbCount; ++db) {
    host_.engine.erase_database(host_.shard, static_cast<DbId>(db), [](const Status&) {});
  }
  const auto done = [this] {
    ready_ = true;
    next();
  };
  if (host_.replica.core().last().seq <= keep) {
    done();
    return;
  }
  host_.engine.truncate_suffix(
      host_.shard, keep, [this, done, alive = std::weak_ptr<bool>(alive_)](const Status& status) {
        if (alive.expired() || over_) return;
        if (status.ok()) {
          done();
        } else {
          host_.store_failed(status);
        }
      });
}

// --- the new one ---

void SnapshotReceiver::receive(const Message& message) {
  if (over_ || message.from != from_) return;
  const auto* chunk = std::get_if<SnapshotChunk>(&message.body);
  const auto* end = std::get_if<SnapshotEnd>(&message.body);
  const uint64_t id = chunk != nullptr ? chunk->id : end != nullptr ? end->id : 0;
  if (id != begin_.id) return;
  heard_ns_ = host_.reactor.clock().mono_ns();
  if (waiting_.size() >= kMostWaiting) {
    abandon("more of a snapshot came than was asked for");
    return;
  }
  waiting_.push_back(message.body);
  next();
}

void SnapshotReceiver::next() {
  if (!ready_ || busy_ || over_ || waiting_.empty()) return;
  const MessageBody body = std::move(waiting_.front());
  waiting_.pop_front();
  if (const auto* chunk = std::get_if<SnapshotChunk>(&body)) {
    write(*chunk);
  } else {
    install(std::get<SnapshotEnd>(body));
  }
}

Status SnapshotReceiver::read_rows(const SnapshotChunk& chunk, std::vector<RecordWrite>* writes) {
  if (chunk.number != chunks_ || chunk.records == nullptr) {
    return Status::corrupt("a part of a snapshot is missing");
  }
  return visit_rows(*chunk.records, [&](DbId db, std::string_view key, std::string_view image) {
    const Result<RecordImage> decoded = decode_record(key, image);
    if (!decoded.ok()) return decoded.status();
    writes->push_back({{db, slot_of(key), key}, false, image});
    return Status();
  });
}

void SnapshotReceiver::write(const SnapshotChunk& chunk) {
  std::vector<RecordWrite> writes;
  const Status read = read_rows(chunk, &writes);
  if (!read.ok()) {
    abandon(read.message());
    return;
  }
  rows_ += writes.size();
  digest_ = crc32c(chunk.records->data(), chunk.records->size(), digest_);
  busy_ = true;
  host_.engine.write_records(host_.shard, writes,
                             [this, alive = std::weak_ptr<bool>(alive_)](
                                 const Status& status, const std::vector<RecordRef>&) {
                               if (alive.expired() || over_) return;
                               busy_ = false;
                               if (!status.ok()) {
                                 over_ = true;
                                 host_.store_failed(status);
                                 return;
                               }
                               ++chunks_;
                               tell(false);
                               next();
                             });
}

void SnapshotReceiver::install(const SnapshotEnd& end) {
  if (end.chunks != chunks_ || end.rows != rows_ || end.digest != digest_) {
    abandon("a snapshot is not what its sender says it is");
    return;
  }
  busy_ = true;
  host_.engine.finish_checkpoint(host_.shard, {begin_.base.last.seq, begin_.state},
                                 then(&SnapshotReceiver::installed));
}

void SnapshotReceiver::installed() {
  host_.engine.release_prefix(host_.shard, begin_.base.last.seq, [](const Status&) {});
  log_info("a snapshot was installed", {{"keys", rows_}, {"base", begin_.base.last.seq}});
  host_.arrivals.arrived([this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired() || over_) return;
    tell(true);
    over_ = true;
    host_.start_anew("a snapshot was installed");
  });
}

// --- how it goes ---

void SnapshotReceiver::tell(bool installed) {
  host_.replica.send(SnapshotOk{begin_.id, chunks_, installed}, from_);
}

void SnapshotReceiver::tell_later() {
  host_.reactor.run_after(kTellMs, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired() || over_) return;
    if (!busy_ && host_.reactor.clock().mono_ns() - heard_ns_ > kSilenceMs * 1'000'000) {
      abandon("no more of a snapshot has come");
      return;
    }
    tell(false);
    tell_later();
  });
}

void SnapshotReceiver::begun_again(const Message& message) {
  const auto& begin = std::get<SnapshotBegin>(message.body);
  if (message.from == host_.replica.core().leader() && begin.id != begin_.id) {
    abandon("another snapshot has begun");
  }
}

void SnapshotReceiver::leader_changed() {
  const ReplicaCore& core = host_.replica.core();
  if (core.role() != Role::kBackup || core.leader() != from_) abandon("another leader's turn");
}

void SnapshotReceiver::abandon(std::string_view why) {
  if (over_) return;
  over_ = true;
  host_.start_anew(std::string("a snapshot was not finished: ") + std::string(why));
}

}  // namespace holdfast
