// The log alone, as a device: appends of each size at a depth, beside plain durable writes of the
// same size and depth through the same writer and, where it is installed, beside fio; many writers
// of 64-byte records; and how fast recovery reads it all back.
//
//   wal_bench [--dir D] [--ring-mb N] [--seconds S] [--runs N] [--depth N] [--size BYTES]
//   [--writers N]
//
// Every figure is of durable writes (O_DIRECT, O_DSYNC). Without --size all sizes are measured.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/libevent_reactor.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/real_disk.h"
#include "engine/disk/disk_store.h"
#include "engine/disk/wal.h"
#include "engine/disk/wal_scan.h"

namespace {

using namespace holdfast;
using namespace holdfast::disk;

struct Options {
  std::string directory = "wal_bench.tmp";
  uint64_t ring_mb = 1024;
  double seconds = 2;
  int runs = 3;
  size_t depth = Wal::kDepth;
  uint64_t size = 0;
  size_t writers = 20000;
};

struct Figures {
  uint64_t bytes = 0;
  int64_t ns = 0;
  Histogram latency;

  double mb_per_second() const { return double(bytes) * 1e3 / double(ns); }
  double per_second() const { return double(latency.count()) * 1e9 / double(ns); }
};

[[noreturn]] void stop(const std::string& what) {
  std::fprintf(stderr, "wal_bench: %s\n", what.c_str());
  std::exit(1);
}

void must(const Status& status) {
  if (!status.ok()) stop(status.message());
}

template <typename T>
T must(Result<T> result) {
  must(result.status());
  return std::move(result.value());
}

void print(const std::string& name, const Figures& figures) {
  const auto us = [&](double fraction) {
    return double(figures.latency.percentile(fraction)) / 1000;
  };
  std::printf("%-28s%10.0f%14.0f%11.0f%11.0f%11.0f\n", name.c_str(), figures.mb_per_second(),
              figures.per_second(), us(0.5), us(0.99), us(0.999));
  std::fflush(stdout);
}

std::string name_of_size(uint64_t size) {
  if (size % (1 << 20) == 0) return std::to_string(size >> 20) + " MiB";
  return size % 1024 == 0 ? std::to_string(size >> 10) + " KiB" : std::to_string(size) + " B";
}

// Keeps `depth` operations going for some seconds; `start` begins one and calls back at its end.
class Load {
 public:
  using Start = std::function<void(std::function<void(const Status&)> done)>;

  Load(LibeventReactor& reactor, uint64_t bytes_each, Start start)
      : reactor_(reactor), bytes_each_(bytes_each), start_(std::move(start)) {}

  Figures run(size_t depth, double seconds) {
    const int64_t begun = reactor_.clock().mono_ns();
    end_ns_ = begun + static_cast<int64_t>(seconds * 1e9);
    running_ = depth;
    for (size_t i = 0; i < depth; ++i) next();
    while (running_ > 0) reactor_.run_turn();
    figures_.ns = reactor_.clock().mono_ns() - begun;
    return figures_;
  }

 private:
  void next() {
    start_([this, from = reactor_.clock().mono_ns()](const Status& status) {
      must(status);
      const int64_t now = reactor_.clock().mono_ns();
      figures_.latency.record(static_cast<uint64_t>(now - from));
      figures_.bytes += bytes_each_;
      if (now < end_ns_) {
        reactor_.post([this] { next(); });
      } else {
        --running_;
      }
    });
  }

  LibeventReactor& reactor_;
  const uint64_t bytes_each_;
  const Start start_;
  int64_t end_ns_ = 0;
  size_t running_ = 0;
  Figures figures_;
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    must(disk_.make_directory(options.directory));
    store_ =
        must(open_disk_store(disk_, options.directory, (options.ring_mb << 20) / kBlock, random_));
    writer_ = must(disk_.open_writer(store_.wal_path(), reactor_));
    identity_ = {store_.superblock.uuid, store_.superblock.wal_blocks};
  }

  std::string path() const { return store_.wal_path(); }

  // The device itself: plain writes, one behind the other, round the ring.
  Figures raw(uint64_t size, size_t depth) {
    const uint64_t bytes = round_up(size, kBlock);
    uint64_t at = 0;
    Load load(reactor_, size, [&, bytes](const std::function<void(const Status&)>& done) {
      if (at + bytes > identity_.ring_blocks * kBlock) at = 0;
      AlignedBuffer data(bytes);
      std::memset(data.data(), 'r', bytes);
      writer_->write(kRegionOffset + at, std::move(data), done);
      at += bytes;
    });
    return load.run(depth, options_.seconds);
  }

  // The log, in a new generation that begins where the last one ended.
  Figures log(uint64_t size, size_t depth) {
    begin();
    const auto payload = std::make_shared<const std::string>(size, 'w');
    Load load(reactor_, size, [&](const std::function<void(const Status&)>& done) {
      ++seq_;
      wal_->append({WalRecordType::kGroup, 1, seq_, seq_, payload,
                    [&, done](const Status& status, const WalPlace&) {
                      keep_half();
                      done(status);
                    }});
    });
    const Figures figures = load.run(depth, options_.seconds);
    end();
    return figures;
  }

  // The device itself: the same bytes as scan() reads, in as large pieces, the next one asked for.
  Figures raw_scan() {
    Figures figures;
    AlignedBuffer window(4 << 20);
    const int64_t begun = reactor_.clock().mono_ns();
    for (uint64_t block = kept_.block; block < next_.block;) {
      const uint64_t offset = identity_.offset(block);
      const uint64_t room = (identity_.ring_blocks - block % identity_.ring_blocks) * kBlock;
      const uint64_t bytes = std::min<uint64_t>(room, window.size());
      must(bytes == window.size() ? store_.wal->fill(offset, &window)
                                  : store_.wal->read_at(offset, window.span().first(bytes)));
      if (room >= 2 * window.size()) store_.wal->will_read(offset + bytes, bytes);
      block += bytes / kBlock;
    }
    figures.ns = reactor_.clock().mono_ns() - begun;
    figures.bytes = (next_.block - kept_.block) * kBlock;
    return figures;
  }

  // What recovery does with the last log written, up to half a ring of it.
  Figures scan() {
    WalReader reader(*store_.wal, identity_);
    Figures figures;
    const int64_t begun = reactor_.clock().mono_ns();
    WalScanRange range;
    range.start = kept_;
    range.newest_generation = generation_;
    const WalScan scan =
        must(scan_wal(reader, range, [&](const WalRecord&, const WalPlace&) { return Status(); }));
    figures.ns = reactor_.clock().mono_ns() - begun;
    figures.bytes = (scan.next.block - kept_.block) * kBlock;
    if (scan.next.block != next_.block) stop("the scan did not find the end of the log");
    return figures;
  }

 private:
  void begin() {
    ++generation_;
    kept_ = next_;
    kept_.generation = generation_;
    wal_ = std::make_unique<Wal>(reactor_, *writer_, identity_, next_, generation_, next_.block);
    marks_.clear();
  }

  // Gives up what lies more than half a ring behind; marks_ are places where a batch begins.
  void keep_half() {
    const WalPosition& at = wal_->first_in_flight();
    if (marks_.empty() || at.block > marks_.back().block + identity_.ring_blocks / 16) {
      marks_.push_back(at);
    }
    while (wal_->end().block - kept_.block > identity_.ring_blocks / 2 && !marks_.empty()) {
      kept_ = marks_.front();
      marks_.pop_front();
      wal_->trim(kept_.block);
    }
  }

  void end() {
    next_ = wal_->end();
    wal_.reset();
  }

  const Options& options_;
  LibeventReactor reactor_;
  RealDisk disk_;
  SeededRandom random_{1};
  DiskStore store_;
  std::unique_ptr<BlockWriter> writer_;
  WalIdentity identity_;
  std::unique_ptr<Wal> wal_;
  uint64_t generation_ = 0;
  Seq seq_ = 0;
  WalPosition next_, kept_;
  std::deque<WalPosition> marks_;
};

void print_scan(const Figures& scan, const Figures& raw) {
  std::printf("%-28s%10.0f   of the device's %.0f MB/s: %.0f%%\n", "  read back by recovery",
              scan.mb_per_second(), raw.mb_per_second(),
              100 * scan.mb_per_second() / raw.mb_per_second());
}

// MB/s as fio measures it in the same place of the same file, its buffers filled anew for each
// write, as a log's are (unchanged ones are still in caches); 0 when fio is not there.
double fio(const Options& options, const std::string& path, uint64_t size) {
  const std::string command =
      "fio --name=wal --filename=" + path + " --offset=" + std::to_string(kRegionOffset) +
      " --size=" + std::to_string(options.ring_mb) +
      "m --buffer_pattern=0x72 --refill_buffers=1 --rw=write --direct=1 --sync=dsync --overwrite=1 "
      "--ioengine=io_uring --iodepth=" +
      std::to_string(options.depth) + " --bs=" + std::to_string(size) +
      " --time_based --runtime=" + std::to_string(std::lround(options.seconds)) +
      " --output-format=terse 2>/dev/null";
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  char line[8192];
  constexpr int kWriteKbField = 48;  // of terse version 3, from 1
  if (pipe == nullptr || fgets(line, sizeof line, pipe.get()) == nullptr) return 0;
  const char* at = line;
  for (int field = 1; field < kWriteKbField && at != nullptr; ++field) {
    at = std::strchr(at, ';');
    if (at != nullptr) ++at;
  }
  return at == nullptr ? 0 : std::atof(at) * 1024 / 1e6;
}

template <typename T, typename By>
T median(std::vector<T> all, By by) {
  std::sort(all.begin(), all.end(), [&](const T& a, const T& b) { return by(a) < by(b); });
  return all[all.size() / 2];
}

// In turns, because a device's speed changes from second to second.
void measure(Bench& bench, const Options& options, uint64_t size) {
  // The largest record of the log is 1 MiB with its header.
  const uint64_t payload = std::min(size, Wal::kRecordBytes - kWalRecordHeader);
  std::vector<Figures> logs, raws, scans, raw_scans;
  std::vector<double> fios;
  for (int run = 0; run < options.runs; ++run) {
    logs.push_back(bench.log(payload, options.depth));
    scans.push_back(bench.scan());
    raw_scans.push_back(bench.raw_scan());
    raws.push_back(bench.raw(size, options.depth));
    fios.push_back(fio(options, bench.path(), size));
  }
  const auto speed = [](const Figures& figures) { return figures.mb_per_second(); };
  const Figures log = median(logs, speed), raw = median(raws, speed);
  print(name_of_size(size) + ", the log", log);
  print(name_of_size(size) + ", the device", raw);
  std::printf("%-28s%9.0f%%", "  the log of the device", 100 * speed(log) / speed(raw));
  const double best = median(fios, [](double figure) { return figure; });
  if (best > 0) std::printf("   of fio's %.0f MB/s: %.0f%%", best, 100 * speed(log) / best);
  std::printf("\n");
  print_scan(median(scans, speed), median(raw_scans, speed));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"How fast Holdfast's log is, beside the device it is on"};
  app.add_option("--dir", options.directory,
                 "Directory for the files; made, and removed at the end");
  app.add_option("--ring-mb", options.ring_mb, "Size of the log's ring")
      ->check(CLI::Range(16, 65536));
  app.add_option("--seconds", options.seconds, "Seconds a measurement");
  app.add_option("--runs", options.runs, "Runs of each; the medians are told")
      ->check(CLI::Range(1, 99));
  app.add_option("--depth", options.depth, "Writes in flight")->check(CLI::Range(1, 32));
  app.add_option("--size", options.size, "Bytes an append; all sizes if absent");
  app.add_option("--writers", options.writers,
                 "Writers of small records, each waiting for its own");
  CLI11_PARSE(app, argc, argv);
  if (std::filesystem::exists(options.directory)) stop(options.directory + " exists already");
  {
    Bench bench(options);
    std::printf("ring of %llu MiB, depth %zu, all writes durable\n\n",
                static_cast<unsigned long long>(options.ring_mb), options.depth);
    std::printf("%-28s%10s%14s%11s%11s%11s\n", "", "MB/s", "appends/s", "p50 us", "p99 us",
                "p99.9 us");
    if (options.size != 0) {
      measure(bench, options, options.size);
    } else {
      for (const uint64_t size : {4 << 10, 64 << 10, 256 << 10, 1 << 20}) {
        measure(bench, options, size);
      }
      const Figures log = bench.log(64, options.writers);
      print("64 B, " + std::to_string(options.writers) + " writers", log);
      print_scan(bench.scan(), bench.raw_scan());
    }
  }
  std::filesystem::remove_all(options.directory);
}
