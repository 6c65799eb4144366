// `tollgate version` and `tollgate schema`.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "config/load.h"

namespace tollgate::cli {

int version(bool json) {
  if (json) {
    fmt::print("{{\"version\":\"{}\"}}\n", TOLLGATE_VERSION);
  } else {
    fmt::print("tollgate {}\n", TOLLGATE_VERSION);
  }
  return kDone;
}

int schema() {
  fmt::print("{}\n", config::schema());
  return kDone;
}

}  // namespace tollgate::cli
