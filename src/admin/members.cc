#include "admin/members.h"

#include <fmt/format.h>

namespace tollgate::admin {

OrWords<std::string> text_of(std::string_view name, const simdjson::dom::element& value) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) {
    return std::unexpected(fmt::format("`{}` is no string", name));
  }
  if (text.size() > kTextBytesMax) {
    return std::unexpected(fmt::format("`{}` is longer than {} bytes", name, kTextBytesMax));
  }
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
    if (!text) return std::unexpected(fmt::format("`{}` holds what is no string", name));
    texts.push_back(std::move(*text));
    if (texts.size() > kTextsMax) {
      return std::unexpected(fmt::format("`{}` holds more than {}", name, kTextsMax));
    }
  }
  return texts;
}

}  // namespace tollgate::admin
