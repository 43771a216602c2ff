// See campaign.h. Each job is a process of its own, which reports through a pipe: a seed that ends
// its process takes only its job with it, and is known by what the job said last.
#include "tests/sim/campaign.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>

namespace holdfast {
namespace {

constexpr size_t kTimelineShown = 60;  // of a seed that runs alone: everything

struct Totals {
  uint64_t passed = 0, failed = 0, faults = 0;
  int64_t virtual_ms = 0;
  MarkCounts marks;
};

struct Job {
  pid_t pid = 0;
  FILE* out = nullptr;
};

std::string run_seed(uint64_t seed, bool twice, bool alone, const RunSeed& run, Totals* totals) {
  const SeedResult first = run(seed);
  std::string failure = first.failure;
  if (failure.empty() && twice && run(seed).hash != first.hash) failure = "two runs differ";
  if (!failure.empty()) {
    const size_t shown =
        alone ? first.timeline.size() : std::min(first.timeline.size(), kTimelineShown);
    for (size_t i = first.timeline.size() - shown; i < first.timeline.size(); ++i) {
      failure += "\n    " + first.timeline[i];
    }
  }
  totals->faults += first.faults;
  totals->virtual_ms += first.virtual_ms;
  for (const auto& [name, count] : first.marks) totals->marks[name] += count;
  return failure;
}

// A line a seed: "begin S", then "pass S", or "fail S LENGTH" and the text; the totals at the end.
void work(const std::vector<uint64_t>& seeds, size_t job, size_t jobs, bool stop, FILE* out,
          const RunSeed& run) {
  Totals totals;
  for (size_t i = job; i < seeds.size(); i += jobs) {
    const auto seed = static_cast<unsigned long long>(seeds[i]);
    std::fprintf(out, "begin %llu\n", seed);
    std::fflush(out);
    const std::string failure = run_seed(seeds[i], !stop, seeds.size() == 1, run, &totals);
    if (failure.empty()) {
      std::fprintf(out, "pass %llu\n", seed);
    } else {
      std::fprintf(out, "fail %llu %zu\n", seed, failure.size());
      std::fwrite(failure.data(), 1, failure.size(), out);
      if (stop) break;
    }
  }
  std::fprintf(out, "faults %llu\nvirtual %lld\n", static_cast<unsigned long long>(totals.faults),
               static_cast<long long>(totals.virtual_ms));
  for (const auto& [name, count] : totals.marks) {
    std::fprintf(out, "mark %llu %s\n", static_cast<unsigned long long>(count), name.c_str());
  }
  std::fflush(out);
}

class Campaign {
 public:
  Campaign(CampaignOptions options, const RunSeed& run) : options_(std::move(options)), run_(run) {}

  int run(const std::vector<uint64_t>& seeds, size_t jobs, bool single, bool stop) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<Job> running;
    for (size_t job = 0; job < jobs; ++job) running.push_back(fork_job(seeds, job, jobs, stop));
    std::vector<std::thread> readers;
    readers.reserve(running.size());
    for (Job& job : running) {
      readers.emplace_back([this, &job, &running, stop] {
        read(job.out);
        if (stop && totals_.failed > 0) {
          for (const Job& other : running) kill(other.pid, SIGKILL);
        }
      });
    }
    for (std::thread& reader : readers) reader.join();
    for (const Job& job : running) waitpid(job.pid, nullptr, 0);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report(seeds.size(), seconds, single || stop);
  }

 private:
  Job fork_job(const std::vector<uint64_t>& seeds, size_t job, size_t jobs, bool stop) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) std::abort();
    std::fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(pipe_ends[0]);
      FILE* out = fdopen(pipe_ends[1], "w");
      work(seeds, job, jobs, stop, out, run_);
      std::fclose(out);
      std::_Exit(0);
    }
    close(pipe_ends[1]);
    return {pid, fdopen(pipe_ends[0], "r")};
  }

  void read(FILE* in) {
    char line[512];
    std::string current;
    while (std::fgets(line, sizeof line, in) != nullptr) {
      std::istringstream words(line);
      std::string kind, seed;
      words >> kind >> seed;
      const std::lock_guard lock(mutex_);
      if (kind == "begin") current = seed;
      if (kind == "pass") passed(&current);
      if (kind == "fail") {
        size_t length = 0;
        words >> length;
        std::string text(length, '\0');
        text.resize(std::fread(text.data(), 1, length, in));
        failed(seed, text);
        current.clear();
      }
      if (kind == "faults") totals_.faults += std::stoull(seed);
      if (kind == "virtual") totals_.virtual_ms += std::stoll(seed);
      if (kind == "mark") {
        std::string name;
        std::getline(words >> std::ws, name);
        totals_.marks[name] += std::stoull(seed);
      }
    }
    std::fclose(in);
    const std::lock_guard lock(mutex_);
    if (!current.empty() && !stopped_) failed(current, "it ended its process");
  }

  void passed(std::string* current) {
    current->clear();
    if (++totals_.passed % 500 == 0) {
      std::printf("%llu seeds\n", static_cast<unsigned long long>(totals_.passed));
      std::fflush(stdout);
    }
  }

  void failed(const std::string& seed, const std::string& why) {
    ++totals_.failed;
    stopped_ = true;
    std::printf("seed %s: %s\n  repeat: make %s SEED=%s\n", seed.c_str(), why.c_str(),
                options_.name.c_str(), seed.c_str());
    std::fflush(stdout);
  }

  int report(size_t seeds, double seconds, bool partial) {
    for (const auto& [name, count] : totals_.marks) {
      std::printf("%12llu %s\n", static_cast<unsigned long long>(count), name.c_str());
    }
    if (!partial && seeds >= 50 && totals_.failed == 0) {
      for (const std::string& name : options_.marks) {
        if (totals_.marks[name] > 0) continue;
        std::printf("mark never reached: %s\n", name.c_str());
        ++totals_.failed;
      }
    }
    std::printf("%.1f seeds/s (each run twice), %.1f virtual hours, %llu faults\n",
                double(totals_.passed + totals_.failed) / seconds,
                double(totals_.virtual_ms) / 3.6e6,
                static_cast<unsigned long long>(totals_.faults));
    std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(totals_.passed),
                static_cast<unsigned long long>(totals_.failed));
    return totals_.failed == 0 ? 0 : 1;
  }

  const CampaignOptions options_;
  const RunSeed& run_;
  std::mutex mutex_;
  Totals totals_;
  bool stopped_ = false;
};

std::vector<uint64_t> remembered(const std::string& path) {
  std::vector<uint64_t> seeds;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    for (uint64_t seed = 0; words >> seed;) seeds.push_back(seed);
  }
  return seeds;
}

}  // namespace

int run_campaign(int argc, char** argv, CampaignOptions options, const RunSeed& run) {
  std::vector<uint64_t> seeds = remembered(options.seeds_file);
  uint64_t count = options.seeds, first = 1;
  size_t jobs = std::max(1U, std::thread::hardware_concurrency());
  bool single = false, stop = false, second_only = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const uint64_t value = i + 1 < argc ? std::strtoull(argv[i + 1], nullptr, 10) : 0;
    if (flag == "--seeds") count = value;
    if (flag == "--first") first = value;
    if (flag == "--jobs") jobs = std::max<uint64_t>(1, value);
    if (flag == "--until-failure") stop = true;
    if (flag == "--second-kind") second_only = true;
    if (flag == "--seed") {
      seeds = {value};
      single = true;
    }
  }
  if (stop && !single) seeds.clear();  // how many it takes, not whether it is remembered
  for (uint64_t i = 0; !single && i < count; ++i) {
    const uint64_t second = options.second_kind;
    if (second == 0) {
      seeds.push_back(first + i);
    } else if (second_only) {
      seeds.push_back(second + first + i);
    } else {
      seeds.push_back(i % 3 == 2 ? second + first + i / 3 : first + i - i / 3);
    }
  }
  return Campaign(std::move(options), run).run(seeds, std::min(jobs, seeds.size()), single, stop);
}

}  // namespace holdfast
