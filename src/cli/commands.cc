#include "cli/commands.h"

#include <fmt/format.h>

#include <cstdio>

namespace tollgate::cli {

int faulty(const Fault& fault) {
  fmt::print(stderr, "tollgate: {}\n", fault.message);
  return kRuntimeFault;
}

int wrong_use(std::string_view message) {
  fmt::print(stderr, "tollgate: {}\n", message);
  return kWrongUse;
}

}  // namespace tollgate::cli
