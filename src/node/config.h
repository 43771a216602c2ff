// Configuration files: YAML to Options and back.
//
// A file is read as a whole: every mistake in it is reported at once, one a line, in the form
//   conf/x.yaml:12: resp.port: "abc" is not a port; allowed: 0 to 65535
// A key is written nested (resp: {port: 1}) or with dots (resp.port: 1), and once. Overrides come
// from the command line ("resp.port=1"), win over the file, and the last one of a key counts.
//
// Invariants: options are returned only when every value is allowed and the checks across options
// hold; a rewritten file is known to give the running options before it replaces the old one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "base/options.h"
#include "base/status.h"

namespace holdfast {

inline constexpr size_t kMaxConfigBytes = 256 << 10;
inline constexpr size_t kMaxConfigErrors = 50;  // shown; the rest is counted

Result<Options> load_config(const std::string& path, const std::vector<std::string>& overrides);
// The same for a file's text; `name` stands for it in errors.
Result<Options> load_config_text(std::string_view text, const std::string& name,
                                 const std::vector<std::string>& overrides);
// What the text alone says, without the checks across options.
Result<Options> read_config_values(std::string_view text, const std::string& name);

// conf/reference.yaml: every option of the table, explained, with its default.
std::string reference_yaml();

// Value of an option as a file writes it.
std::string yaml_value(const OptionSpec& option, const Options& options);

// CONFIG REWRITE: changes in current.config_file the values that differ from `current` and adds the
// missing ones; comments, order and everything else stay. The file is replaced atomically.
Status rewrite_config(const Options& current, Disk& disk);

}  // namespace holdfast
