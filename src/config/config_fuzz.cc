// Any bytes as a configuration: it loads, or it says why not; what loads can be judged and shown.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate::config;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Environment environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "SET") return "value";
    return std::nullopt;
  };
  // A name with a folder that is not there, so that no `file:` is read.
  const Loaded loaded = load_text(text, "/nowhere/tollgate.yaml", environment);
  CHECK((loaded.config != nullptr) == loaded.problems.empty());
  for (const Problem& problem : loaded.problems) {
    CHECK(!format(problem).empty() && problem.line > 0 && problem.column > 0);
  }
  if (loaded.config != nullptr) {
    posture(*loaded.config, text);
    CHECK(!effective_json(*loaded.config).empty());
  }
  return 0;
}
