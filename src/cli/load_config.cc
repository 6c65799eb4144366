#include "cli/load_config.h"

#include <fmt/format.h>

#include <cstdio>

#include "config/load.h"

namespace tollgate::cli {

namespace {

std::shared_ptr<const config::Config> tell_problems(const config::Loaded& loaded,
                                                    const std::string& file) {
  for (const config::Problem& problem : loaded.problems) {
    fmt::print(stderr, "tollgate: {}\n", config::format(problem));
  }
  if (!loaded.config) {
    fmt::print(stderr, "tollgate: {} has {} problem{}\n", file, loaded.problems.size(),
               loaded.problems.size() == 1 ? "" : "s");
  }
  return loaded.config;
}

}  // namespace

std::shared_ptr<const config::Config> load_config(const std::string& file) {
  return tell_problems(config::load_file(file, config::process_environment()), file);
}

std::shared_ptr<const config::Config> load_store_settings(const std::string& file) {
  return tell_problems(config::load_store_settings(file, config::process_environment()), file);
}

}  // namespace tollgate::cli
