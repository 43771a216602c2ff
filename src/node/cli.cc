// See cli.h.
#include "node/cli.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <sstream>

#include "base/version.h"
#include "node/config.h"
#include "node/exit_codes.h"
#include "node/inspect_command.h"
#include "node/status_command.h"

namespace holdfast {
namespace {

constexpr const char* kAbout =
    "Holdfast, a durable key-value server that speaks the Redis protocol.\n";

constexpr const char* kFooter =
    "\nExamples:\n"
    "  holdfast conf/standalone.yaml                            serve on 127.0.0.1:6380\n"
    "  holdfast conf/standalone.yaml --set resp.port=7000 \\\n"
    "           --set data.dir=/var/lib/holdfast                another port and directory\n"
    "  holdfast conf/memory.yaml                                a cache: nothing is kept\n"
    "  holdfast status --port 7000                              how is the server there?\n"
    "  holdfast verify /var/lib/holdfast                        is all of it whole?\n"
    "  holdfast reference > reference.yaml                      every option, explained\n"
    "\nSignals: SIGTERM and SIGINT stop in good order, SIGHUP opens the log file anew.\n"
    "\nExit codes: 0 stopped in good order; 64 wrong command line;\n"
    "65 damaged data; 69 address or directory not usable; 71 too few file descriptors;\n"
    "74 a write to the log failed; 78 wrong configuration.\n";

std::string version_text() {
  return "holdfast " + std::string(kHoldfastVersion) + " (commands of Redis " +
         std::string(kRedisVersion) + ")\n";
}

RefuseCommand usage(const std::string& message) {
  return {static_cast<int>(ExitCode::kUsage), message + "; 'holdfast --help' tells more"};
}

// What the parser fills.
struct Parsed {
  RunCommand run;
  StatusCommand status;
  InspectCommand inspect;
  CLI::App* status_command = nullptr;
  CLI::App* version_command = nullptr;
  CLI::App* reference_command = nullptr;
  CLI::App* inspect_command = nullptr;
  CLI::App* verify_command = nullptr;
};

void describe(CLI::App& app, Parsed& out) {
  app.footer(kFooter);
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("-v,--version", version_text());
  app.require_subcommand(0, 1);
  app.add_option("CONFIG", out.run.config_path, "Configuration file (YAML): serve with it");
  app.add_option("--set", out.run.overrides, "Set an option over the file's; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  out.status_command = app.add_subcommand("status", "Ask a running server how it is");
  out.status_command->add_option("--host", out.status.host, "Its address")->capture_default_str();
  out.status_command->add_option("--port", out.status.port, "Its port")->capture_default_str();
  out.status_command->add_flag("--json", out.status.json, "For programs");
  out.status_command->footer(
      "Of a cluster: any coordinator or storage node tells of all. Exit code 1: something is "
      "down.\n"
      "A password is taken from the environment: HOLDFAST_PASSWORD.\n");
  out.reference_command = app.add_subcommand("reference", "Print every option as YAML");
  out.version_command = app.add_subcommand("version", "Print the version");
  out.inspect_command = app.add_subcommand("inspect", "Tell what is in a stopped server's data");
  out.verify_command = app.add_subcommand("verify", "Check every byte of a stopped server's data");
  for (CLI::App* command : {out.inspect_command, out.verify_command}) {
    command->add_option("DIR", out.inspect.directory, "The data directory (engine.type disk)")
        ->required();
    command->footer("Never writes. Exit code 65: something is damaged.\n");
  }
  out.inspect_command->add_flag("--log", out.inspect.log, "Each record of the log, too");
  out.inspect_command->add_flag("--records", out.inspect.records, "Each live record, too");
}

CliCommand decide(const Parsed& parsed) {
  const bool serves = !parsed.run.config_path.empty();
  const auto asked = [](const CLI::App* command) { return command->parsed(); };
  const bool other = asked(parsed.status_command) || asked(parsed.reference_command) ||
                     asked(parsed.version_command) || asked(parsed.inspect_command) ||
                     asked(parsed.verify_command);
  if (other && (serves || !parsed.run.overrides.empty())) {
    return usage("a configuration and --set are for serving, not for this command");
  }
  if (asked(parsed.status_command)) return parsed.status;
  if (asked(parsed.reference_command)) return PrintCommand{reference_yaml()};
  if (asked(parsed.version_command)) return PrintCommand{version_text()};
  if (asked(parsed.inspect_command)) return parsed.inspect;
  if (asked(parsed.verify_command)) {
    InspectCommand verify = parsed.inspect;
    verify.quiet = true;
    return verify;
  }
  if (!serves) return usage("no configuration file given");
  return parsed.run;
}

}  // namespace

CliCommand parse_command_line(int argc, const char* const* argv) {
  CLI::App app(kAbout, "holdfast");
  Parsed parsed;
  try {
    describe(app, parsed);
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    std::ostringstream out, error;
    app.exit(wanted, out, error);
    std::string text = out.str();
    if (text.ends_with("\n\n")) text.pop_back();
    return PrintCommand{text};
  } catch (const CLI::Error& error) {
    return usage(error.what());
  }
  return decide(parsed);
}

int run_cli(int argc, const char* const* argv, const std::function<int(const RunCommand&)>& run) {
  const CliCommand command = parse_command_line(argc, argv);
  if (const auto* serve = std::get_if<RunCommand>(&command)) return run(*serve);
  if (const auto* status = std::get_if<StatusCommand>(&command)) return run_status(*status);
  if (const auto* inspect = std::get_if<InspectCommand>(&command)) return run_inspect(*inspect);
  if (const auto* print = std::get_if<PrintCommand>(&command)) {
    std::fwrite(print->text.data(), 1, print->text.size(), stdout);
    return static_cast<int>(ExitCode::kOk);
  }
  const auto& refuse = std::get<RefuseCommand>(command);
  std::fprintf(stderr, "holdfast: %s\n", refuse.message.c_str());
  return refuse.exit_code;
}

}  // namespace holdfast
