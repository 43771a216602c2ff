// Looks into a DiskEngine's store that no process uses: `holdfast inspect` and `holdfast verify`.
// Never writes. What is damaged is told, and what lies behind it is looked at all the same.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "base/reactor.h"
#include "base/status.h"

namespace holdfast {

struct InspectOptions {
  bool log = false;      // print every record of the log
  bool records = false;  // print every record of the checkpoint
  // With `log`, each entry too, in the lines that this makes of it: an engine knows nothing of what
  // is in entries. May be empty.
  std::function<std::vector<std::string>(std::string_view entry)> entry_lines = {};
};

// Bytes that something rests on: a bit that turns there is a problem.
struct LiveRange {
  std::string file;  // "wal" or "data"
  uint64_t offset = 0;
  uint64_t size = 0;
};

struct StoreReport {
  std::vector<std::string> problems;
  std::vector<LiveRange> live;
  uint64_t segments = 0;
  uint64_t records = 0;
  uint64_t record_bytes = 0;
  uint64_t log_blocks = 0;
  uint64_t log_groups = 0;
};

// Reads and checks everything that is live. `print` gets a line at a time. Not ok when there is no
// store to look into; damage is a problem of the report. `reactor` is not run.
Result<StoreReport> inspect_store(Reactor& reactor, Disk& disk, const std::string& directory,
                                  const InspectOptions& options,
                                  const std::function<void(const std::string&)>& print);

}  // namespace holdfast
