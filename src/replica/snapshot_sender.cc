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
  if (next_slot_ < kAllSlots) {
    gather_later();
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
  for (uint32_t looked = 0; chunks_.empty() && looked < kSlotsPerTurn; ++looked) {
    if (next_slot_ == kAllSlots) break;
    const auto db = static_cast<DbId>(next_slot_ / kSlotCount);
    if (host_.keyspace.size(db) == 0) {
      next_slot_ = (uint32_t{db} + 1) * kSlotCount;
      continue;
    }
    if (!gather_slot(db, static_cast<SlotId>(next_slot_ % kSlotCount))) return;
    ++next_slot_;
  }
  if (next_slot_ == kAllSlots) {
    close_chunk();
    shown_ = host_.applied();  // the absence of a key may rest on the newest entry too
  }
  pump();
}

bool SnapshotSender::gather_slot(DbId db, SlotId slot) {
  bool good = true;
  host_.keyspace.visit_slot(db, slot, [&](const Object& object) {
    good = good && add_row(db, object);
    if (rows_.bytes() >= kChunkBytes) close_chunk();
  });
  return good;
}

// Whoever has a record has forgotten when it was changed. It was before the base, unless a
// checkpoint wrote records since.
bool SnapshotSender::records_are_old() const {
  return !host_.checkpoint.running() && host_.checkpoint.finished_count() == checkpoints_;
}

bool SnapshotSender::add_row(DbId db, const Object& object) {
  ++row_count_;
  if (!object.cold()) {
    image_.clear();
    encode_record(object, &image_);
    // What is in a record is committed.
    if (object.has_ref() && !records_are_old()) set_record_seq(&image_, host_.committed.last.seq);
    rows_.add(db, object.key(), image_);
    return true;
  }
  // Nothing has changed it since its record was written.
  const uint64_t size = object.string_size();
  const RecordKey place{db, host_.keyspace.key(object.key()).slot, object.key(), object.ref(),
                        size == 0 ? 0 : kRecordImageHead + size};
  const Result<std::string> image = host_.engine.read_record(host_.shard, place);
  if (!image.ok()) {
    host_.damaged(db, object);
    give_up(image.status().message());
    return false;
  }
  image_ = image.value();
  if (!records_are_old()) set_record_seq(&image_, host_.committed.last.seq);
  rows_.add(db, object.key(), image_);
  return true;
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
