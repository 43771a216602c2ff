// See inspect_command.h.
#include "node/inspect_command.h"

#include <cstdio>

#include "base/libevent_reactor.h"
#include "base/real_disk.h"
#include "engine/disk/inspect.h"
#include "node/exit_codes.h"
#include "store/entry_text.h"

namespace holdfast {

int run_inspect(const InspectCommand& command) {
  LibeventReactor reactor;
  RealDisk disk;
  const auto print = [&command](const std::string& line) {
    const bool wanted = !command.quiet || line.starts_with("PROBLEM");
    if (wanted) std::printf("%s\n", line.c_str());
  };
  const Keyspace none(0);  // effects are only shown, so any hash of their keys will do
  InspectOptions options{.log = command.log, .records = command.records};
  options.entry_lines = [&none](std::string_view entry) { return entry_lines(entry, none); };
  const Result<StoreReport> report =
      inspect_store(reactor, disk, command.directory, options, print);
  if (!report.ok()) {
    std::fprintf(stderr, "holdfast: %s\n", report.status().message().c_str());
    const bool damaged = report.status().code() == Code::kCorrupt;
    return static_cast<int>(damaged ? ExitCode::kDataError : ExitCode::kUnavailable);
  }
  const StoreReport& found = report.value();
  if (command.quiet) {
    std::printf("%s: %llu records, %llu log blocks, %zu problems\n", command.directory.c_str(),
                static_cast<unsigned long long>(found.records),
                static_cast<unsigned long long>(found.log_blocks), found.problems.size());
  }
  return static_cast<int>(found.problems.empty() ? ExitCode::kOk : ExitCode::kDataError);
}

}  // namespace holdfast
