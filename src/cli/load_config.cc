#include "cli/load_config.h"

#include <fmt/format.h>

#include <cstdio>

#include "config/load.h"

namespace tollgate::cli {

std::shared_ptr<const config::Config> load_config(const std::string& file) {
  const config::Loaded loaded = config::load_file(file, config::process_environment());
  for (const config::Problem& problem : loaded.problems) {
    fmt::print(stderr, "{}\n", config::format(problem));
  }
  if (!loaded.config) {
    fmt::print(stderr, "tollgate: {} has {} problem{}\n", file, loaded.problems.size(),
               loaded.problems.size() == 1 ? "" : "s");
  }
  return loaded.config;
}

}  // namespace tollgate::cli
