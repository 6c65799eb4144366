#include "controls/tools/arguments.h"

#include <fmt/format.h>
#include <simdjson.h>

namespace tollgate::tools {

std::optional<std::string> mistake_in(std::string_view arguments) {
  if (arguments.empty()) return std::nullopt;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  const simdjson::error_code error = parser.parse(arguments.data(), arguments.size()).get(root);
  if (error != simdjson::SUCCESS) {
    return fmt::format("they are not valid JSON ({})", simdjson::error_message(error));
  }
  if (!root.is_object()) return "they are no JSON object";
  return std::nullopt;
}

}  // namespace tollgate::tools
