// See snapshot_sender.h.
#include "replica/snapshot_sender.h"

#include <utility>

#include "base/crc32c.h"
#include "base/log.h"
#include "store/effect.h"

namespace holdfast {
namespace {

constexpr uint32_t kAllSlots = uint32_t{kDbCount} * kSlotCount;

}  // namespace

SnapshotSender::SnapshotSender(const SnapshotHost& host, const Member& to,
                               std::function<void(bool)> ended)
    : host_(host),
      to_(to),
      on_ended_(std::move(ended)),
      id_(host.random.next() | 1),
      base_(host.committed.last.seq),
      begun_ns_(host.reactor.clock().mono_ns()),
      heard_ns_(begun_ns_) {
  host_.reactor.post(later(&SnapshotSender::begin));
  watch();
}

SnapshotSender::~SnapshotSender() { *alive_ = false; }

std::function<void()> SnapshotSender::later(void (SnapshotSender::*task)()) {
  return [this, alive = std::weak_ptr<bool>(alive_), task] {
    if (!alive.expired() && !ended_) (this->*task)();
  };
}

void SnapshotSender::begin() {
  base_ = host_.committed.last.seq;
  checkpoints_ = host_.checkpoint.finished_count() - (host_.checkpoint.running() ? 1 : 0);
  log_info("sending a snapshot", {{"node", uint64_t{to_.node}}, {"base", base_}});
  host_.replica.send(SnapshotBegin{id_, host_.committed, host_.state()}, to_);
  pump();
}

void SnapshotSender::watch() {
  host_.reactor.run_after(kLookMs, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired() || ended_) return;
    if (host_.reactor.clock().mono_ns() - heard_ns_ > kSilenceMs * 1'000'000) {
      give_up("nothing was heard for too long");
    } else {
      watch();
    }
  });
}

void SnapshotSender::acknowledged(const SnapshotOk& ok) {
  if (ended_ || ok.id != id_) return;
  heard_ns_ = host_.reactor.clock().mono_ns();
  if (ok.chunks > acknowledged_ && ok.chunks <= sent_) acknowledged_ = ok.chunks;
  if (ok.installed && end_sent_) {
    end(true);
  } else {
    pump();
  }
}

void SnapshotSender::pump() {
  if (ended_) return;
  while (!chunks_.empty() && sent_ - acknowledged_ < kWindow) {
    host_.replica.send(SnapshotChunk{id_, sent_++, std::move(chunks_.front())}, to_);
    chunks_.pop_front();
  }
  if (!chunks_.empty()) return;
  if (!gathered_) {
    if (reading_bytes_ == 0) gather_later();
  } else if (!end_sent_ && host_.committed.last.seq >= shown_) {
    send_end();
  }
}

void SnapshotSender::gather_later() {
  if (gathering_) return;
  gathering_ = true;
  host_.reactor.post(later(&SnapshotSender::gather));
}

void SnapshotSender::gather() {
  gathering_ = false;
  for (uint32_t looked = 0; chunks_.empty() && cold_.empty() && looked < kSlotsPerTurn; ++looked) {
    if (next_slot_ == kAllSlots) break;
    const auto db = static_cast<DbId>(next_slot_ / kSlotCount);
    if (host_.keyspace.size(db) == 0) {
      next_slot_ = (uint32_t{db} + 1) * kSlotCount;
      continue;
    }
    gather_slot(db, static_cast<SlotId>(next_slot_ % kSlotCount));
    ++next_slot_;
  }
  read_cold();
  if (next_slot_ == kAllSlots && cold_.empty() && reading_bytes_ == 0) {
    gathered_ = true;
    close_chunk();
    shown_ = host_.applied();  // the absence of a key may rest on the newest entry too
  }
  pump();
}

void SnapshotSender::gather_slot(DbId db, SlotId slot) {
  host_.keyspace.visit_slot(db, slot, [&](const Object& object) {
    if (object.cold()) {
      cold_.emplace_back(db, object.key());
    } else {
      add_row(db, object);
    }
  });
}

// As they are now: what became of a key since its slot was visited is in the log too.
void SnapshotSender::read_cold() {
  while (!cold_.empty() && chunks_.empty() && reading_bytes_ < kReadBytes) {
    const auto [db, key] = std::move(cold_.front());
    cold_.pop_front();
    const Object* object = host_.keyspace.find(db, host_.keyspace.key(key));
    if (object == nullptr) continue;
    if (object->cold()) {
      read(db, key, *object);
    } else {
      add_row(db, *object);
    }
  }
}

void SnapshotSender::read(DbId db, const std::string& key, const Object& object) {
  const uint64_t size = object.string_size();
  const RecordKey place{db, host_.keyspace.key(key).slot, key, object.ref(),
                        size == 0 ? 0 : kRecordImageHead + size};
  const size_t cost = size + kReadLeast;
  reading_bytes_ += cost;
  host_.engine.fetch_record(host_.shard, place,
                            [this, alive = std::weak_ptr<bool>(alive_), db, key, ref = object.ref(),
                             cost](const Result<std::string>& image) {
                              if (alive.expired() || ended_) return;
                              reading_bytes_ -= cost;
                              was_read(db, key, ref, image);
                            });
}

// An object without this very ref has changed, or was moved: it is looked at again.
void SnapshotSender::was_read(DbId db, const std::string& key, RecordRef ref,
                              const Result<std::string>& image) {
  const Object* object = host_.keyspace.find(db, host_.keyspace.key(key));
  if (object != nullptr && (!object->cold() || object->ref() != ref)) {
    cold_.emplace_front(db, key);
  } else if (object != nullptr && image.ok()) {
    image_ = image.value();
    if (!records_are_old()) set_record_seq(&image_, host_.committed.last.seq);
    add_image(db, key);
  } else if (object != nullptr) {
    host_.damaged(db, *object);
    return give_up(image.status().message());
  }
  gather_later();
}

// Whoever has a record has forgotten when it was changed. It was before the base, unless a
// checkpoint wrote records since.
bool SnapshotSender::records_are_old() const {
  return !host_.checkpoint.running() && host_.checkpoint.finished_count() == checkpoints_;
}

void SnapshotSender::add_row(DbId db, const Object& object) {
  image_.clear();
  encode_record(object, &image_);
  // What is in a record is committed.
  if (object.has_ref() && !records_are_old()) set_record_seq(&image_, host_.committed.last.seq);
  add_image(db, object.key());
}

void SnapshotSender::add_image(DbId db, std::string_view key) {
  ++row_count_;
  rows_.add(db, key, image_);
  if (rows_.bytes() >= kChunkBytes) close_chunk();
}

void SnapshotSender::close_chunk() {
  if (rows_.bytes() == 0) return;
  chunks_.push_back(rows_.take());
  bytes_ += chunks_.back()->size();
  digest_ = crc32c(chunks_.back()->data(), chunks_.back()->size(), digest_);
}

void SnapshotSender::send_end() {
  end_sent_ = true;
  host_.replica.send(SnapshotEnd{id_, sent_, row_count_, digest_}, to_);
}

void SnapshotSender::give_up(std::string_view why) {
  if (ended_) return;
  log_warning("a snapshot was given up",
              {{"node", uint64_t{to_.node}}, {"reason", std::string(why)}});
  end(false);
}

void SnapshotSender::end(bool installed) {
  ended_ = true;
  chunks_.clear();
  if (installed) {
    const int64_t ns = host_.reactor.clock().mono_ns() - begun_ns_;
    log_info("a snapshot was sent", {{"node", uint64_t{to_.node}},
                                     {"keys", row_count_},
                                     {"bytes", bytes_},
                                     {"ms", static_cast<uint64_t>(ns / 1'000'000)}});
  }
  on_ended_(installed);
}

}  // namespace holdfast
