#include "dialects/error_reply.h"

#include <simdjson.h>

namespace tollgate::dialects {

namespace {

constexpr std::size_t kMessageBytesMax = 2000;

std::string text_of(const simdjson::dom::object& object, std::string_view name,
                    std::size_t bytes_max) {
  std::string_view text;
  if (object[name].get(text) != simdjson::SUCCESS) return {};
  if (text.size() > bytes_max) {
    // Cut between characters.
    while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) {
      --bytes_max;
    }
    text = text.substr(0, bytes_max);
  }
  return std::string(text);
}

}  // namespace

std::optional<UpstreamError> read_error(std::string_view body) {
  constexpr std::size_t kWordBytesMax = 128;
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  simdjson::dom::object error;
  // The padding is there, so nothing is copied.
  if (parser.parse(body.data(), body.size(), false).get(root) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  // Some servers of the OpenAI dialect put the fields at the top.
  if (root["error"].get(error) != simdjson::SUCCESS) error = root;
  UpstreamError read;
  read.type = text_of(error, "type", kWordBytesMax);
  read.code = text_of(error, "code", kWordBytesMax);
  read.param = text_of(error, "param", kWordBytesMax);
  read.message = text_of(error, "message", kMessageBytesMax);
  if (read.message.empty()) return std::nullopt;
  return read;
}

}  // namespace tollgate::dialects
