// See log_tail.h.
#include "replica/log_tail.h"

#include <algorithm>

#include "base/assert.h"

namespace holdfast {
namespace {

// Entries first..last of the slice, as many as fit; at least one. The bytes are shared if it is
// all.
LogSlice part_of(const LogSlice& slice, Seq first, Seq last, uint64_t max_bytes) {
  LogSlice part{slice.previous, nullptr, slice.previous};
  size_t begin = 0, end = 0;
  visit_entries(*slice.entries, [&](const EntryHeader& header, std::string_view entry) {
    if (header.seq < first) {
      part.previous = position_of(header);
      begin = end = end + entry.size();
      return true;
    }
    if (header.seq > last || (end > begin && end - begin + entry.size() > max_bytes)) return false;
    end += entry.size();
    part.last = position_of(header);
    return true;
  });
  const bool all = begin == 0 && end == slice.entries->size();
  part.entries =
      all ? slice.entries : std::make_shared<const std::string>(*slice.entries, begin, end - begin);
  return part;
}

LogPosition position_in(const LogSlice& slice, Seq seq) {
  if (slice.last.seq == seq) return slice.last;
  LogPosition found;
  visit_entries(*slice.entries, [&](const EntryHeader& header, std::string_view) {
    found = position_of(header);
    return header.seq != seq;
  });
  return found;
}

}  // namespace

Result<LogSlice> check_entries(const LogPosition& previous, const Bytes& entries) {
  LogSlice slice{previous, entries, previous};
  std::string_view rest = entries == nullptr ? std::string_view() : std::string_view(*entries);
  while (!rest.empty()) {
    const Result<EntryHeader> header = read_entry_header(rest);
    if (!header.ok()) return header.status();
    const EntryHeader& h = header.value();
    if (h.seq != slice.last.seq + 1 || h.previous_crc != slice.last.crc ||
        h.epoch < slice.last.epoch) {
      return Status::corrupt("entries that do not follow each other");
    }
    slice.last = position_of(h);
    rest.remove_prefix(h.length);
  }
  return slice;
}

void LogTail::append(const LogSlice& slice) {
  HF_ASSERT(slice.previous == last());
  visit_entries(*slice.entries, [&](const EntryHeader& header, std::string_view) {
    HF_ASSERT(header.seq == log_.last.seq + 1 && header.previous_crc == log_.last.crc);
    HF_ASSERT(header.epoch >= log_.last.epoch);
    log_.advance(position_of(header));
    return true;
  });
  HF_ASSERT(slice.last == last());
  recent_bytes_ += slice.entries->size();
  recent_.push_back(slice);
  trim();
}

void LogTail::trim() {
  while (recent_bytes_ > memory_bytes_ && recent_.size() > 1 &&
         recent_.front().last.seq <= on_device_) {
    recent_bytes_ -= recent_.front().entries->size();
    recent_.pop_front();
  }
}

void LogTail::on_device(Seq upto) {
  HF_ASSERT(upto <= last().seq);
  on_device_ = std::max(on_device_, upto);
  trim();
}

void LogTail::release(const LogPosition& base) {
  HF_ASSERT(base.seq >= base_.seq && base.seq <= last().seq);
  base_ = base;
}

void LogTail::truncate(Seq last_kept) {
  HF_ASSERT(last_kept >= base_.seq && last_kept <= last().seq);
  const Result<LogPosition> kept = position(last_kept);
  HF_ASSERT(kept.ok());
  while (!recent_.empty() && recent_.back().last.seq > last_kept) {
    const LogSlice cut = recent_.back();
    recent_bytes_ -= cut.entries->size();
    recent_.pop_back();
    if (cut.previous.seq >= last_kept) continue;
    recent_.push_back(part_of(cut, cut.previous.seq + 1, last_kept, UINT64_MAX));
    recent_bytes_ += recent_.back().entries->size();
  }
  while (!log_.ended.empty() && log_.ended.back().last >= last_kept) log_.ended.pop_back();
  log_.last = kept.value();
  on_device_ = std::min(on_device_, last_kept);
}

void LogTail::reset(const LogSummary& log) {
  base_ = log.last;
  log_ = log;
  on_device_ = log.last.seq;
  recent_.clear();
  recent_bytes_ = 0;
}

const LogSlice* LogTail::recent(Seq seq) const {
  if (recent_.empty() || seq <= recent_.front().previous.seq || seq > last().seq) return nullptr;
  const auto after =
      std::upper_bound(recent_.begin(), recent_.end(), seq,
                       [](Seq wanted, const LogSlice& slice) { return wanted <= slice.last.seq; });
  return &*after;
}

std::optional<LogPosition> LogTail::known(Seq seq) const {
  if (seq == last().seq) return last();
  if (seq == base_.seq) return base_;
  if (!recent_.empty() && seq == recent_.front().previous.seq) return recent_.front().previous;
  if (const LogSlice* slice = recent(seq)) return position_in(*slice, seq);
  return {};
}

Result<LogPosition> LogTail::position(Seq seq) const {
  if (const auto at = known(seq)) return *at;
  if (seq > last().seq || seq == 0) return Status::not_found("beyond the log");
  const Result<LogSlice> read = source_.read_entries(seq, 1);
  if (!read.ok()) return read.status();
  return position_of(peek_entry_header(*read.value().entries));
}

Result<LogSlice> LogTail::slice(Seq from, uint64_t max_bytes) const {
  HF_ASSERT(from > 0);
  const Result<LogPosition> previous = from == 1 ? LogPosition{} : position(from - 1);
  if (!previous.ok()) return previous.status();
  if (from > last().seq) return LogSlice{previous.value(), nullptr, previous.value()};
  if (const LogSlice* slice = recent(from)) {
    return part_of(*slice, from, slice->last.seq, max_bytes);
  }
  Result<LogSlice> read = source_.read_entries(from, max_bytes);
  if (!read.ok()) return read.status();
  read.value().previous = previous.value();
  return part_of(read.value(), from, on_device_, UINT64_MAX);
}

Result<std::vector<LogSlice>> LogTail::read_back(const LogPosition& previous, const Bytes& entries,
                                                 uint64_t max_bytes) const {
  const Result<LogSlice> read = check_entries(previous, entries);
  if (!read.ok()) return read.status();
  const Seq last = std::min(read.value().last.seq, on_device_);
  std::vector<LogSlice> parts;
  for (Seq next = previous.seq + 1; next <= last; next = parts.back().last.seq + 1) {
    parts.push_back(part_of(read.value(), next, last, max_bytes));
  }
  return parts;
}

bool LogTail::may_hold(const LogPosition& at) const {
  if (at.seq < base_.seq || at.seq > last().seq) return false;
  const auto own = known(at.seq);
  return !own || *own == at;
}

Seq LogTail::common_end(const LogSummary& other) const {
  // Both hold the same entries of an epoch up to where the shorter one ends: one primary wrote
  // them.
  const auto end_of = [](const LogSummary& log, Epoch epoch) -> Seq {
    if (log.last.epoch == epoch) return log.last.seq;
    for (auto end = log.ended.rbegin(); end != log.ended.rend(); ++end) {
      if (end->epoch == epoch) return end->last;
    }
    return 0;
  };
  Seq common = std::min(last().seq, end_of(other, last().epoch));
  for (auto end = log_.ended.rbegin(); end != log_.ended.rend(); ++end) {
    if (common != 0) break;
    common = std::min(end->last, end_of(other, end->epoch));
  }
  return common;
}

}  // namespace holdfast
