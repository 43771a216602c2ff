// Exit codes of the binary, from sysexits.h, so that scripts can tell what happened.
#pragma once

namespace holdfast {

enum class ExitCode : int {
  kOk = 0,
  kUnhealthy = 1,     // of `status`: the server answers, and its cluster is not as it should be
  kUsage = 64,        // the command line is wrong
  kDataError = 65,    // the store is damaged or of another version
  kUnavailable = 69,  // an address in use, a directory that cannot be used
  kOsError = 71,      // too few file descriptors and the like
  kIoError = 74,      // a write or flush of the log failed: recover by starting again
  kConfig = 78,       // the configuration file is wrong
  kAgain = -1,        // no end: start anew within the process
};

}  // namespace holdfast
