#include "cli/change_line.h"

#include <fmt/format.h>

#include <string_view>

#include "controls/audit/audit.h"

namespace tollgate::cli {

namespace {

using Element = simdjson::dom::element;

// So much of a value, and of all of them, is shown.
constexpr std::size_t kValueBytes = 60;
constexpr std::size_t kLineBytes = 400;

std::string text_at(const Element& root, std::string_view pointer) {
  std::string_view text;
  return root.at_pointer(pointer).get(text) == simdjson::SUCCESS ? audit::visible(text)
                                                                 : std::string();
}

// At most `most` bytes of what is JSON and reads as UTF-8.
std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  text.resize(most);
  return text + "…";
}

std::string shown(const Element& value) {
  return cut(audit::visible(simdjson::minify(value)), kValueBytes);
}
std::string shown(const simdjson::simdjson_result<Element>& value) {
  return value.error() == simdjson::SUCCESS ? shown(value.value_unsafe()) : "none";
}

void tell(std::string& line, std::string_view name, const std::string& before,
          const std::string& after) {
  if (before == after || line.size() > kLineBytes) return;
  line +=
      fmt::format("{} {} {} -> {}", line.empty() ? "" : ",", audit::visible(name), before, after);
}

// The leaves of a configuration.
void tell_leaves(std::string& line, const simdjson::dom::array& leaves) {
  for (const Element leaf : leaves) {
    std::string_view path;
    if (leaf["path"].get(path) != simdjson::SUCCESS) continue;
    tell(line, path, shown(leaf["before"]), shown(leaf["after"]));
  }
}

std::string differences(const Element& record) {
  simdjson::dom::object before;
  simdjson::dom::object after;
  if (record["after"].get(after) != simdjson::SUCCESS) return " removed";
  if (record["before"].get(before) != simdjson::SUCCESS) return " new";
  std::string line;
  for (const auto [name, value] : after) {
    simdjson::dom::array leaves;
    if (name == "differs" && value.get(leaves) == simdjson::SUCCESS) {
      tell_leaves(line, leaves);
    } else {
      tell(line, name, shown(before[name]), shown(value));
    }
  }
  for (const auto [name, value] : before) {
    if (after[name].error() != simdjson::SUCCESS) tell(line, name, shown(value), "none");
  }
  return cut(std::move(line), kLineBytes);
}

}  // namespace

std::string change_line(const simdjson::dom::element& record) {
  std::string who = text_at(record, "/actor/subject");
  const std::string credential = text_at(record, "/actor/credential_id");
  if (who.empty()) who = credential;
  const std::string kind = text_at(record, "/actor/kind");
  const std::string role = text_at(record, "/actor/role");
  const std::string from = text_at(record, "/client_ip");
  const std::string object = text_at(record, "/object");
  return fmt::format("{}{}by {}{}({}{}{}){}{}:{}", object, object.empty() ? "" : " ", who,
                     who.empty() ? "" : " ", kind, role.empty() ? "" : ", ", role,
                     from.empty() ? "" : " from ", from, differences(record));
}

}  // namespace tollgate::cli
