#include "admin/members.h"

#include <fmt/format.h>

#include <algorithm>

#include "controls/audit/audit.h"

namespace tollgate::admin {

OrWords<void> each_member(const simdjson::dom::object& object, const TakeMember& take) {
  std::vector<std::string_view> seen;
  for (const auto& [name, value] : object) {
    if (std::ranges::find(seen, name) != seen.end()) {
      return std::unexpected(fmt::format("`{}` is there twice", name));
    }
    seen.push_back(name);
    if (OrWords<void> taken = take(name, value); !taken) return taken;
  }
  return {};
}

OrWords<void> each_member(simdjson::dom::parser& parser, std::string_view text,
                          const TakeMember& take) {
  simdjson::dom::object object;
  if (parser.parse(text.data(), text.size()).get(object) != simdjson::SUCCESS) {
    return std::unexpected("this is no JSON object");
  }
  return each_member(object, take);
}

OrWords<void> read_nothing(std::string_view body) {
  if (body.empty()) return {};
  simdjson::dom::parser parser;
  return each_member(parser, body,
                     [](std::string_view name, const simdjson::dom::element&) -> OrWords<void> {
                       return std::unexpected(fmt::format("`{}` is not known here", name));
                     });
}

OrWords<void> check_text(std::string_view name, std::string_view text) {
  if (text.size() > kTextBytesMax) {
    return std::unexpected(fmt::format("`{}` is longer than {} bytes", name, kTextBytesMax));
  }
  if (audit::visible(text) != text) {
    return std::unexpected(fmt::format(
        "`{}` holds a character that is not seen as it is (a control, bidirectional or invisible "
        "one)",
        name));
  }
  return {};
}

OrWords<std::string> text_of(std::string_view name, const simdjson::dom::element& value) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) {
    return std::unexpected(fmt::format("`{}` is no string", name));
  }
  if (OrWords<void> good = check_text(name, text); !good) return std::unexpected(good.error());
  return std::string(text);
}

OrWords<std::vector<std::string>> texts_of(std::string_view name,
                                           const simdjson::dom::element& value) {
  simdjson::dom::array array;
  if (value.get(array) != simdjson::SUCCESS) {
    return std::unexpected(fmt::format("`{}` is no array", name));
  }
  std::vector<std::string> texts;
  for (const simdjson::dom::element each : array) {
    OrWords<std::string> text = text_of(name, each);
    if (!text) return std::unexpected(text.error());
    texts.push_back(std::move(*text));
    if (texts.size() > kTextsMax) {
      return std::unexpected(fmt::format("`{}` holds more than {}", name, kTextsMax));
    }
  }
  return texts;
}

}  // namespace tollgate::admin
