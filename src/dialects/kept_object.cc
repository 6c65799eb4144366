#include "dialects/kept_object.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace tollgate::dialects {

namespace dom = simdjson::dom;

std::unexpected<Fault> broken_kept(std::string_view what) {
  return fault(FaultKind::kBroken, fmt::format("The upstream's answer {}.", what));
}

FaultOr<dom::object> read_kept_object(dom::parser& parser, std::string_view body) {
  dom::object object;
  if (parser.parse(body.data(), body.size(), true).get(object) != simdjson::SUCCESS)
    return broken_kept("is no JSON object");
  std::vector<std::string_view> keys;
  for (const dom::key_value_pair field : object) keys.push_back(field.key);
  std::ranges::sort(keys);
  if (std::ranges::adjacent_find(keys) != keys.end()) return broken_kept("has a field twice");
  return object;
}

}  // namespace tollgate::dialects
