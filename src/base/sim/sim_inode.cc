// See sim_inode.h.
#include "base/sim/sim_inode.h"

#include <algorithm>

#include "base/assert.h"
#include "base/sim/sim_disk.h"

namespace holdfast {
namespace {

// Chances are counted in eighths: 0 keeps nothing, kSure keeps all.
constexpr uint64_t kSure = 8;

bool happens(Random& random, uint64_t eighths) { return random.below(kSure) < eighths; }

}  // namespace

void SimInode::write(uint64_t offset, std::span<const char> data, bool certain) {
  add({Change::kWrite, certain, ++changes_, offset, std::string(data.data(), data.size())});
}

void SimInode::resize(uint64_t size, bool certain) {
  add({Change::kResize, certain, ++changes_, size, {}});
}

void SimInode::add(Change change) {
  apply(change, seen_);
  if (change.certain && unflushed_.empty()) {
    apply(change, durable_);
  } else {
    unflushed_.push_back(std::move(change));
  }
}

void SimInode::flush() {
  for (const Change& change : unflushed_) apply(change, durable_);
  unflushed_.clear();
}

void SimInode::settle(uint64_t change) {
  for (Change& each : unflushed_) {
    if (each.number == change) each.certain = true;
  }
  while (!unflushed_.empty() && unflushed_.front().certain) {
    apply(unflushed_.front(), durable_);
    unflushed_.pop_front();
  }
}

void SimInode::apply(const Change& change, CowBytes& content) {
  if (change.kind == Change::kResize) {
    content.resize(change.offset);
  } else {
    content.write(change.offset, change.bytes);
  }
}

// Each sector survives with `keep` eighths. The file may have grown for sectors that did not.
void SimInode::apply_torn(const Change& change, CowBytes& content, Random& random, uint64_t keep) {
  if (change.kind == Change::kResize) {
    if (happens(random, keep)) apply(change, content);
    return;
  }
  const uint64_t end = change.offset + change.bytes.size();
  for (uint64_t at = change.offset; at < end;) {
    const uint64_t next = std::min(end, (at / SimDisk::kSector + 1) * SimDisk::kSector);
    if (happens(random, keep)) {
      content.write(at, std::string_view(change.bytes).substr(at - change.offset, next - at));
    }
    at = next;
  }
  if (content.size() < end && keep > 0 && random.one_in(4)) content.resize(end);
}

void SimInode::crash(Random& random) {
  // The extremes, all and nothing, are often where the mistakes are.
  constexpr uint64_t kKeeps[] = {0, 1, kSure / 2, kSure - 1, kSure};
  const uint64_t keep = kKeeps[random.below(std::size(kKeeps))];
  for (const Change& change : unflushed_) {
    if (change.certain) {
      apply(change, durable_);
    } else {
      apply_torn(change, durable_, random, keep);
    }
  }
  unflushed_.clear();
  seen_ = durable_;
  poisoned = false;
  misdirect_next = false;
}

void SimInode::turn_bit(uint64_t offset, int bit) {
  durable_.turn_bit(offset, bit);
  if (offset < seen_.size()) seen_.turn_bit(offset, bit);
}

}  // namespace holdfast
