// Configuration files: what is read, what is refused in which words, what a rewrite leaves alone.
// Runs in the root of the repository, for conf/.
#include "node/config.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "base/real_disk.h"
#include "node/yaml.h"

namespace holdfast {
namespace {

std::string errors(std::string_view text, const std::vector<std::string>& overrides = {}) {
  return load_config_text(text, "conf/x.yaml", overrides).status().message();
}

Options good(std::string_view text, const std::vector<std::string>& overrides = {}) {
  Result<Options> read = load_config_text(text, "conf/x.yaml", overrides);
  REQUIRE(read.status().message() == "");
  return std::move(read.value());
}

std::string value(const Options& options, std::string_view name) {
  return find_option(name)->get(options);
}

bool same(const Options& a, const Options& b) {
  for (const OptionSpec& each : option_table()) {
    if (each.get(a) != each.get(b)) return false;
  }
  return true;
}

// Files in memory; replace_file comes from Disk.
class MapDisk final : public Disk {
 public:
  class MapFile final : public File {
   public:
    explicit MapFile(std::string& content) : content_(content) {}
    Status read_at(uint64_t offset, std::span<char> out) override {
      if (offset + out.size() > content_.size()) return Status::corrupt("short read");
      content_.copy(out.data(), out.size(), offset);
      return {};
    }
    Status write_at(uint64_t offset, std::span<const char> data) override {
      content_.resize(offset);
      content_.append(data.data(), data.size());
      return {};
    }
    Status sync() override { return {}; }
    Status truncate(uint64_t size) override {
      content_.resize(size);
      return {};
    }
    Status reserve(uint64_t) override { return {}; }
    Result<uint64_t> size() override { return uint64_t(content_.size()); }

   private:
    std::string& content_;
  };

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    if (!mode.create && !files.contains(path)) return Status::not_found("open " + path);
    opened_to_write += mode.read_only ? 0 : 1;
    return std::unique_ptr<File>(std::make_unique<MapFile>(files[path]));
  }
  Result<std::unique_ptr<BlockWriter>> open_writer(const std::string&, Reactor&) override {
    return Status::unavailable("not here");
  }
  bool exists(const std::string& path) override { return files.contains(path); }
  Status make_directory(const std::string&) override { return {}; }
  Result<std::vector<std::string>> list(const std::string&) override {
    return std::vector<std::string>();
  }
  Status rename(const std::string& from, const std::string& to) override {
    files[to] = files[from];
    files.erase(from);
    return {};
  }
  Status remove(const std::string& path) override {
    files.erase(path);
    return {};
  }
  Status sync_directory(const std::string&) override { return {}; }

  std::map<std::string, std::string> files;
  int opened_to_write = 0;
};

// The text after the options that it says, with `changes`, were written back.
std::string rewritten(const std::string& text, const std::vector<std::string>& changes) {
  MapDisk disk;
  disk.files["/x.yaml"] = text;
  Options options = good(text, changes);
  options.config_file = "/x.yaml";
  REQUIRE(rewrite_config(options, disk).message() == "");
  CHECK(disk.files.size() == 1);
  CHECK(same(good(disk.files["/x.yaml"]), options));
  return disk.files["/x.yaml"];
}

}  // namespace

TEST_CASE("config: conf/reference.yaml is what the table says, and says the defaults") {
  RealDisk disk;
  const Result<std::string> file = disk.read_file("conf/reference.yaml");
  REQUIRE(file.status().message() == "");
  const bool up_to_date = file.value() == reference_yaml();
  CHECK_MESSAGE(up_to_date, "run: make reference");
  CHECK(same(good(reference_yaml()), Options()));
  for (const OptionSpec& each : option_table()) {
    const std::string key(each.name.substr(each.name.find('.') + 1));
    CHECK(reference_yaml().find(key + ": ") != std::string::npos);
  }
  for (size_t at = 0, end = 0; at < reference_yaml().size(); at = end + 1) {
    end = reference_yaml().find('\n', at);
    CHECK(end - at <= 100);
  }
}

TEST_CASE("config: the files in conf/ start a server") {
  const Result<Options> standalone = load_config("conf/standalone.yaml", {});
  REQUIRE(standalone.status().message() == "");
  CHECK(same(standalone.value(), Options()));
  CHECK(standalone.value().config_file.starts_with("/"));
  CHECK(standalone.value().config_file.ends_with("/conf/standalone.yaml"));
  const Result<Options> memory = load_config("conf/memory.yaml", {"resp.port=0"});
  REQUIRE(memory.status().message() == "");
  CHECK(memory.value().engine_type == EngineType::kMem);
  CHECK(memory.value().durability == Durability::kNone);
  CHECK(memory.value().resp_port == 0);
  CHECK(load_config("conf/none.yaml", {}).status().code() == Code::kNotFound);
}

TEST_CASE("config: empty files, nested keys, keys with dots, lists, quotes") {
  CHECK(same(good(""), Options()));
  CHECK(same(good("# nothing\n"), Options()));
  CHECK(same(good("resp:\n  # port: 1\nlog: ~\n"), Options()));
  const Options nested = good("resp:\n  port: 1\n  bind:\n    - 127.0.0.1\n    - ::1\n");
  CHECK(same(nested, good("resp.port: 1\nresp.bind: [127.0.0.1, '::1']\n")));
  CHECK(same(nested, good("resp: {port: \"1\", bind: 127.0.0.1 ::1}\r\n")));
  CHECK(nested.resp_bind == std::vector<std::string>{"127.0.0.1", "::1"});
  CHECK(nested.resp_port == 1);
  CHECK(good("resp.password: \"a # \\\"b\\\"\"").resp_password == "a # \"b\"");
  CHECK(good("resp.unix_socket_mode: 0770").resp_unix_socket_mode == 0770);
  CHECK(good("memory: {limit: 1gb}").memory_limit == 1ULL << 30);
  const Options limits = good("resp.output_limits: slave 1gb 0 0");
  CHECK(limits.resp_output_limits[1] == OutputLimit{1ULL << 30, 0, 0});
  CHECK(limits.resp_output_limits[2] == Options().resp_output_limits[2]);
}

TEST_CASE("config: errors name file, line, key and what is allowed") {
  CHECK(errors("# x\nresp:\n  port: abc\n") ==
        "conf/x.yaml:3: resp.port: \"abc\" is not a port; allowed: 0 to 65535");
  CHECK(errors("resp.port: 70000") ==
        "conf/x.yaml:1: resp.port: \"70000\" is out of range; allowed: 0 to 65535");
  CHECK(errors("resp:\n  port:\n  backlog: 5\n") ==
        "conf/x.yaml:2: resp.port: has no value; allowed: 0 to 65535");
  CHECK(errors("resp.port: [1, 2]") ==
        "conf/x.yaml:1: resp.port: takes one value, not a list; allowed: 0 to 65535");
  CHECK(errors("resp:\n  port: {low: 1}") ==
        "conf/x.yaml:2: resp.port: takes a value, not keys; allowed: 0 to 65535");
  CHECK(errors("resp: 5") == "conf/x.yaml:1: resp: is a section: it takes keys, not a value");
  CHECK(errors("resp: [5]") == "conf/x.yaml:1: resp: is a section: it takes keys, not a value");
  CHECK(errors("resp.bind: [[a]]") ==
        "conf/x.yaml:1: resp.bind: a list of plain values is expected");
  CHECK(errors("resp.bind: [a, ~]") ==
        "conf/x.yaml:1: resp.bind: an item of the list has no value");
  CHECK(errors("engine:\n  type: disc\n") ==
        "conf/x.yaml:2: engine.type: \"disc\" is not known; allowed: disk, mem, rocks");
}

TEST_CASE("config: unknown keys suggest the nearest one") {
  CHECK(errors("mode: standalone\nresp:\n  prot: 6380\n") ==
        "conf/x.yaml:3: resp.prot: unknown key; did you mean resp.port?");
  CHECK(errors("port: 6380") == "conf/x.yaml:1: port: unknown key; here it is resp.port");
  CHECK(errors("Durability: none") ==
        "conf/x.yaml:1: Durability: unknown key; here it is durability");
  CHECK(errors("resps:\n  port: 1\n  backlog: x\n") ==
        "conf/x.yaml:1: resps: unknown key; did you mean resp?");
  CHECK(errors("zookeeper: 1") ==
        "conf/x.yaml:1: zookeeper: unknown key; 'holdfast reference' prints all of them");
  CHECK(errors(std::string(1000, 'k') + ": 1") ==
        "conf/x.yaml:1: " + std::string(80, 'k') +
            "...: unknown key; 'holdfast reference' prints all of them");
}

TEST_CASE("config: a key is given once, in whatever form") {
  CHECK(errors("resp:\n  port: 1\n  port: 2\n") ==
        "conf/x.yaml:3: resp.port: given twice, first in line 2");
  CHECK(errors("resp.port: 1\nresp:\n  port: 1\n") ==
        "conf/x.yaml:3: resp.port: given twice, first in line 1");
  CHECK(errors("log:\n  level: info\nlog:\n  format: text\n") ==
        "conf/x.yaml:3: log: given twice, first in line 1");
}

TEST_CASE("config: all errors at once, in the order of the lines") {
  CHECK(errors("resp:\n  port: abc\n  bind: &a [x]\nwhat: 1\nlog.level: loud\n", {"a", "b=1"}) ==
        "conf/x.yaml:2: resp.port: \"abc\" is not a port; allowed: 0 to 65535\n"
        "conf/x.yaml:3: anchors are not supported\n"
        "conf/x.yaml:4: what: unknown key; 'holdfast reference' prints all of them\n"
        "conf/x.yaml:5: log.level: \"loud\" is not known; allowed: debug, info, warning, error, "
        "off\n"
        "--set a: no value; write --set KEY=VALUE\n"
        "--set b=1: unknown key; 'holdfast reference' prints all of them");
  std::string many;
  for (int i = 0; i < 60; ++i) many += "x" + std::to_string(i) + ": 1\n";
  CHECK(errors(many).ends_with("\n... and 10 more"));
}

TEST_CASE("config: what is not YAML, or more of it than is wanted") {
  CHECK(errors("resp:\n  prot: [1\n") ==
        "conf/x.yaml:3: not valid YAML: end of sequence flow not found");
  CHECK(errors("resp: {port: 1\n") == "conf/x.yaml:2: not valid YAML: end of map flow not found");
  CHECK(errors("mode: standalone\nlog: *a\n") ==
        "conf/x.yaml:2: not valid YAML: the referenced anchor is not defined");
  CHECK(errors("a\n") == "conf/x.yaml:1: keys and values are expected, as in 'durability: always'");
  CHECK(errors("- a\n") ==
        "conf/x.yaml:1: keys and values are expected, as in 'durability: always'");
  CHECK(errors("mode: standalone\n---\nmode: standalone\n").find("more than one document") !=
        std::string::npos);
  CHECK(errors("? [a]\n: {b: 1}\nresp.port: x\n") ==
        "conf/x.yaml:1: a key must be a word\n"
        "conf/x.yaml:3: resp.port: \"x\" is not a port; allowed: 0 to 65535");
  CHECK(errors("? {b: 1}\n: 1\n") == "conf/x.yaml:1: a key must be a word");
  CHECK(errors("{a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}").find("nested too deeply") !=
        std::string::npos);
  CHECK(errors(std::string(100000, '[')) != "");
  CHECK(errors(std::string(kMaxConfigBytes + 1, '#')) == "conf/x.yaml:1: larger than 262144 bytes");
}

TEST_CASE("config: --set wins over the file, the last one counts") {
  const Options options = good("resp.port: 1\n", {"resp.port=2", "resp.bind=127.0.0.1 ::1",
                                                  "resp.port=3", "resp.password=a=b"});
  CHECK(options.resp_port == 3);
  CHECK(value(options, "resp.bind") == "127.0.0.1 ::1");
  CHECK(options.resp_password == "a=b");
  CHECK(errors("", {"resp.port=abc"}) ==
        "--set resp.port=abc: \"abc\" is not a port; allowed: 0 to 65535");
  CHECK(errors("", {"resp.prot=1"}) == "--set resp.prot=1: unknown key; did you mean resp.port?");
  CHECK(errors("", {"port=1"}) == "--set port=1: unknown key; here it is resp.port");
  CHECK(errors("", {"resp.port"}) == "--set resp.port: no value; write --set KEY=VALUE");
  // A wrong value in the file is an error even where it is overridden.
  CHECK(errors("resp.port: x\n", {"resp.port=1"}) != "");
}

TEST_CASE("config: checks across options") {
  CHECK(errors("engine:\n  type: mem\n") ==
        "conf/x.yaml:2: durability: \"always\" is more than engine.type mem can keep; write "
        "durability: none");
  CHECK(errors("engine.type: mem\n\ndurability: interval\n")
            .starts_with("conf/x.yaml:3: durability: \"interval\""));
  CHECK(errors("", {"engine.type=mem"}).starts_with("--set engine.type=mem: durability: "));
  CHECK(good("engine.type: mem\ndurability: none\n").engine_type == EngineType::kMem);
  CHECK(good("engine.type: mem\n", {"durability=none"}).durability == Durability::kNone);

  CHECK(errors("resp.bind: []\n") ==
        "conf/x.yaml:1: resp.bind: empty, and so is resp.unix_socket: nowhere to listen");
  good("resp.bind: []\nresp.unix_socket: /tmp/x\n");
}

TEST_CASE("config: a scalar is quoted when it must be") {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"abc", "abc"},      {"", "\"\""},
      {"-1", "-1"},        {"-x", "\"-x\""},
      {"-", "\"-\""},      {"null", "\"null\""},
      {"~", "\"~\""},      {"a b", "\"a b\""},
      {"::1", "\"::1\""},  {"a\"\\", "\"a\\\"\\\\\""},
      {"\n", "\"\\x0a\""}, {"/a.b", "/a.b"},
      {"...", "\"...\""},  {"---", "\"---\""}};
  for (const auto& [text, yaml] : cases) {
    CHECK(yaml_scalar(text) == yaml);
    const YamlFile file = read_yaml("k: " + yaml_scalar(text) + "\n");
    REQUIRE(file.entries.size() == 1);
    CHECK(file.entries[0].values == std::vector<std::string>{std::string(text)});
  }
}

TEST_CASE("config rewrite: comments and order stay, only differences are written") {
  const std::string text =
      "# mine\n\nlog:\n  level: info   # quiet\nresp:\n  # the port\n  port: 6380  # any\n"
      "  password: \"a # b\" # secret\n";
  CHECK(rewritten(text, {}) == text);
  CHECK(rewritten(text, {"resp.port=7", "resp.password=x y", "log.level=debug"}) ==
        "# mine\n\nlog:\n  level: debug   # quiet\nresp:\n  # the port\n  port: 7  # any\n"
        "  password: \"x y\" # secret\n");
}

TEST_CASE("config rewrite: a missing key goes to its section, or to the end") {
  CHECK(rewritten("# mine\nmode: standalone\nresp:\n  port: 0  # any\ndata:\n  dir: ./d\n",
                  {"resp.max_clients=77"}) ==
        "# mine\nmode: standalone\nresp:\n  port: 0  # any\n  max_clients: 77\ndata:\n"
        "  dir: ./d\n");
  CHECK(rewritten("mode: standalone", {"memory.limit=1gb", "durability=interval"}) ==
        "mode: standalone\ndurability: interval\nmemory.limit: 1073741824\n");
  CHECK(rewritten("", {"resp.port=1"}) == "resp.port: 1\n");
  CHECK(rewritten("resp: {port: 1}\n", {"resp.backlog=5"}) == "resp: {port: 1}\nresp.backlog: 5\n");
  CHECK(rewritten("resp:\n  # port: 1\n", {"resp.port=5"}) == "resp:\n  # port: 1\nresp.port: 5\n");
}

TEST_CASE("config rewrite: lists in either form") {
  CHECK(rewritten("resp:\n  bind:  # where\n    - 127.0.0.1\n    # the other\n    - ::1\n"
                  "  port: 1\n",
                  {"resp.bind=localhost"}) ==
        "resp:\n  bind: [localhost]  # where\n    # the other\n  port: 1\n");
  CHECK(rewritten("resp.bind: [127.0.0.1, '::1'] # both\n", {"resp.bind=::1"}) ==
        "resp.bind: [\"::1\"] # both\n");
  CHECK(rewritten("resp.bind: [127.0.0.1]\n", {"resp.bind=", "resp.unix_socket=/tmp/x"}) ==
        "resp.bind: []\nresp.unix_socket: /tmp/x\n");
}

TEST_CASE("config rewrite: refused rather than wrong") {
  MapDisk disk;
  Options options;
  CHECK(rewrite_config(options, disk).message() == "The server is running without a config file");
  options.config_file = "/x.yaml";
  CHECK(rewrite_config(options, disk).code() == Code::kNotFound);
  options.resp_port = 5;
  for (const std::string text : {"{resp: {port: 1}}\n", "resp: {port: 1, backlog: 2}\n",
                                 "resp.port: \"\n  1\"\n", "resp.port: x\n", "log: {}\n...\n"}) {
    CAPTURE(text);
    disk.files["/x.yaml"] = text;
    disk.opened_to_write = 0;
    CHECK(!rewrite_config(options, disk).ok());
    CHECK(disk.files["/x.yaml"] == text);
    CHECK(disk.opened_to_write == 0);
  }
}

TEST_CASE("config rewrite: every option survives it") {
  for (const OptionSpec& each : option_table()) {
    Options changed;
    for (const char* value : {"5000000", "error", "mem", "json", "interval", "no", "640",
                              "a \"'#: b", "pubsub 1 2 3", "localhost"}) {
      if (each.set(changed, value).ok() && each.get(changed) != each.get(Options())) break;
    }
    CAPTURE(each.name);
    for (const std::string& text : {std::string(), reference_yaml()}) {
      MapDisk disk;
      disk.files["/x.yaml"] = text;
      changed.config_file = "/x.yaml";
      CHECK(rewrite_config(changed, disk).message() == "");
      const Result<Options> read = read_config_values(disk.files["/x.yaml"], "x");
      REQUIRE(read.ok());
      CHECK(same(read.value(), changed));
    }
  }
}

}  // namespace holdfast
