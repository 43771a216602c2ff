// Wal and scan_wal on the simulated disk: whatever is appended is found again, in order, wherever
// the records happen to end.
#include "engine/disk/wal.h"

#include <doctest/doctest.h>

#include "base/sim/sim_disk.h"
#include "base/sim/sim_reactor.h"
#include "engine/disk/disk_store.h"
#include "engine/disk/wal_scan.h"

using namespace holdfast;
using namespace holdfast::disk;

namespace {

// Appends all at once, so that they share batches, and reads them back.
void round_trip(const std::vector<size_t>& sizes) {
  SimReactor reactor;
  SimDisk disk(1);
  SeededRandom random(1);
  Result<DiskStore> store = open_disk_store(disk, "store", 1024, random);
  REQUIRE(store.ok());
  const WalIdentity identity{store.value().superblock.uuid, 1024};
  auto writer = disk.open_writer(store.value().wal_path(), reactor);
  REQUIRE(writer.ok());
  Wal wal(reactor, *writer.value(), identity, {}, 1, 0);
  size_t acknowledged = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    wal.append({WalRecordType::kGroup, 1, i + 1, i + 1,
                std::make_shared<const std::string>(sizes[i], static_cast<char>('a' + i % 26)),
                [&](const Status& status, const WalPlace&) { acknowledged += status.ok(); }});
  }
  reactor.run_for(100);
  REQUIRE(acknowledged == sizes.size());

  WalReader reader(*store.value().wal, identity);
  size_t found = 0;
  std::vector<WalPlace> places;
  WalScanRange range;
  range.newest_generation = 1;
  const Result<WalScan> scan =
      scan_wal(reader, range, [&](const WalRecord& record, const WalPlace& place) {
        if (record.type == WalRecordType::kOpened) return Status();
        CHECK(record.first == found + 1);
        CHECK(record.payload == std::string(sizes[found], static_cast<char>('a' + found % 26)));
        places.push_back(place);
        ++found;
        return Status();
      });
  REQUIRE_MESSAGE(scan.ok(), scan.status().message());
  CHECK(found == sizes.size());
  for (size_t i = 0; i < places.size(); ++i) {
    WalRecord record;
    REQUIRE(reader.read(places[i], &record).ok());
    CHECK(record.first == i + 1);
  }
}

}  // namespace

TEST_CASE("wal: records that end with a block, inside of a batch") {
  static_assert(kWalPayload % (kWalRecordHeader + 64) == 0);
  round_trip(std::vector<size_t>(500, 64));
  round_trip(std::vector<size_t>(20, kWalPayload - kWalRecordHeader));
  round_trip(std::vector<size_t>(20, 2 * kWalPayload - kWalRecordHeader));
}

TEST_CASE("wal: records of any size") {
  SeededRandom random(7);
  for (int round = 0; round < 20; ++round) {
    std::vector<size_t> sizes;
    for (int i = 0; i < 60; ++i) {
      const uint64_t kind = random.below(4);
      sizes.push_back(kind == 0   ? 64
                      : kind == 1 ? random.below(20000)
                      : kind == 2 ? kWalPayload * (1 + random.below(3)) - kWalRecordHeader
                                  : random.below(200));
    }
    round_trip(sizes);
  }
}
