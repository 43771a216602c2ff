// The command line: each form gives its command; mistakes are refused with exit code 64.
#include "node/cli.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/version.h"
#include "node/cluster_status.h"
#include "node/config.h"
#include "node/exit_codes.h"
#include "node/resp_client.h"
#include "node/status_command.h"

namespace holdfast {
namespace {

CliCommand parse(std::vector<const char*> args) {
  args.insert(args.begin(), "holdfast");
  return parse_command_line(static_cast<int>(args.size()), args.data());
}

template <typename T>
T parsed(std::vector<const char*> args) {
  const CliCommand command = parse(std::move(args));
  REQUIRE(std::holds_alternative<T>(command));
  return std::get<T>(command);
}

}  // namespace

TEST_CASE("cli: a configuration and its overrides") {
  CHECK(parsed<RunCommand>({"a.yaml"}).config_path == "a.yaml");
  CHECK(parsed<RunCommand>({"a.yaml"}).overrides.empty());
  using Strings = std::vector<std::string>;
  CHECK(parsed<RunCommand>({"a.yaml", "--set", "resp.port=1", "--set=resp.bind=a b"}).overrides ==
        Strings{"resp.port=1", "resp.bind=a b"});
  const RunCommand first = parsed<RunCommand>({"--set", "slowlog.slower_than_us=-1", "a.yaml"});
  CHECK(first.config_path == "a.yaml");
  CHECK(first.overrides == Strings{"slowlog.slower_than_us=-1"});
}

TEST_CASE("cli: status") {
  CHECK(parsed<StatusCommand>({"status"}).host == "127.0.0.1");
  CHECK(parsed<StatusCommand>({"status"}).port == 6380);
  const StatusCommand other = parsed<StatusCommand>({"status", "--host", "::1", "--port", "7"});
  CHECK(other.host == "::1");
  CHECK(other.port == 7);
  CHECK(parsed<RefuseCommand>({"status", "--port", "70000"}).exit_code == 64);
}

TEST_CASE("cli: texts to print") {
  CHECK(parsed<PrintCommand>({"reference"}).text == reference_yaml());
  CHECK(parsed<PrintCommand>({"version"})
            .text.starts_with("holdfast " + std::string(kHoldfastVersion)));
  CHECK(parsed<PrintCommand>({"--version"}).text == parsed<PrintCommand>({"version"}).text);
  const std::string help = parsed<PrintCommand>({"--help"}).text;
  CHECK(help == parsed<PrintCommand>({"-h"}).text);
  CHECK(help.ends_with(".\n"));
  for (const char* word : {"--set", "Examples:", "status", "reference", "Exit codes:"}) {
    CHECK(help.find(word) != std::string::npos);
  }
  CHECK(parsed<PrintCommand>({"status", "--help"}).text.find("--port") != std::string::npos);
}

TEST_CASE("cli: refusals are one line and have an exit code") {
  CHECK(parsed<RefuseCommand>({}).exit_code == static_cast<int>(ExitCode::kUsage));
  CHECK(parsed<RefuseCommand>({}).message ==
        "no configuration file given; 'holdfast --help' tells more");
  for (const std::vector<const char*>& args : {std::vector<const char*>{"--bad"},
                                               {"a.yaml", "b.yaml"},
                                               {"a.yaml", "status"},
                                               {"status", "version"},
                                               {"a.yaml", "--set"},
                                               {"--set", "a=b"},
                                               {"status", "x"}}) {
    const RefuseCommand refuse = parsed<RefuseCommand>(args);
    CHECK(refuse.exit_code == 64);
    CHECK(refuse.message.find('\n') == std::string::npos);
  }
  CHECK(parsed<RefuseCommand>({"inspect"}).exit_code == 64);
  CHECK(parsed<RefuseCommand>({"verify", "/data", "--deep"}).exit_code == 64);
  CHECK(parsed<InspectCommand>({"verify", "/data"}).quiet);
  const auto inspect = parsed<InspectCommand>({"inspect", "--log", "/data"});
  CHECK(inspect.directory == "/data");
  CHECK(inspect.log);
  CHECK(!inspect.records);
  CHECK(!inspect.quiet);
}

TEST_CASE("cli: run_cli gives the server's exit code on") {
  const char* args[] = {"holdfast", "a.yaml", "--set", "b=c"};
  int calls = 0;
  const int code = run_cli(4, args, [&calls](const RunCommand& command) {
    ++calls;
    CHECK(command.overrides.size() == 1);
    return 74;
  });
  CHECK(code == 74);
  CHECK(calls == 1);
}

TEST_CASE("status: INFO in short") {
  CHECK(format_status("# Server\r\nholdfast_version:0.1.0\r\nprocess_id:7\r\n\r\n# Clients\r\n"
                      "connected_clients:3\r\nmaxclients:100\r\n# Keyspace\r\n"
                      "db0:keys=5,expires=1,avg_ttl=0\r\ndb10:keys=1,expires=0,avg_ttl=0\r\n") ==
        "server    version 0.1.0, pid 7\n"
        "clients   connected 3, at most 100\n"
        "db0       keys=5,expires=1,avg_ttl=0\n"
        "db10      keys=1,expires=0,avg_ttl=0\n");
  CHECK(format_status("") == "");
  CHECK(format_status("garbage\r\n:::\r\n\r\n") == "");
}

TEST_CASE("status: INFO for programs") {
  CHECK(info_json("# Server\r\nversion:7\r\nodd:a \"b\"\\\r\n\r\nno colon\r\n") ==
        R"({"version":"7","odd":"a \"b\"\\"})");
  CHECK(info_json("") == "{}");
}

TEST_CASE("status: a server that is not there") {
  RespClient client;
  CHECK(client.connect("127.0.0.1", 1, "").message() ==
        "connect to 127.0.0.1:1: Connection refused");
}

TEST_CASE("status: a cluster, for people and for programs") {
  ClusterStatus cluster;
  cluster.revision = 12;
  cluster.nodes = {{11, "up", "h:1", 1, 1, 30}, {12, "down", "h:2", 0, 1, -1}};
  cluster.shards = {{1, "0-16383", "active", 3, 11, 2, {{11, 0}, {12, -1, true}}}};
  cluster.problems = {"node 12 (h:2) is down"};
  CHECK(format_cluster(cluster, false) ==
        "cluster   revision 12\n"
        "\n"
        " node  state     address                primaries copies  silent ms\n"
        "   11  up        h:1                            1      1         30\n"
        "   12  down      h:2                            0      1          -\n"
        "\n"
        "shard  view       epoch  primary  copies (entries behind)  slots\n"
        "    1  active         3       11  11 (0) 12 (-)            0-16383\n"
        "\n"
        "node 12 (h:2) is down\n");
  CHECK(format_cluster(cluster, true).find("\033[31mdown") != std::string::npos);
  CHECK(
      cluster_json(cluster) ==
      R"({"revision":12,"nodes":[{"node":11,"state":"up","address":"h:1","primaries":1,"copies":1,)"
      R"("silent_ms":30},{"node":12,"state":"down","address":"h:2","primaries":0,"copies":1,)"
      R"("silent_ms":null}],"shards":[{"shard":1,"slots":"0-16383","view":"active","epoch":3,)"
      R"("primary":11,"write_quorum":2,"copies":[{"node":11,"behind":0,"stalled":false},)"
      R"({"node":12,"behind":null,"stalled":true}]}],)"
      R"("problems":["node 12 (h:2) is down"]})");
}

}  // namespace holdfast
