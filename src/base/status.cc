// See status.h.
#include "base/status.h"

#include <cerrno>
#include <cstring>

namespace holdfast {

Status Status::from_errno(std::string what, int error_number) {
  Code code = Code::kIo;
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      code = Code::kNoSpace;
      break;
    case ENOENT:
      code = Code::kNotFound;
      break;
    case EEXIST:
    case EADDRINUSE:
      code = Code::kExists;
      break;
    default:
      break;
  }
  return {code, std::move(what) + ": " + std::strerror(error_number)};
}

}  // namespace holdfast
