#include "mock/asked_call.h"

#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <string>

namespace tollgate::mock {

namespace {

constexpr std::string_view kCall = "Call ";
constexpr std::string_view kWith = " with ";

// The object that `text` begins with, as it stands there; empty where it never ends.
std::string_view object_at(std::string_view text) {
  std::size_t depth = 0;
  bool is_in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_in_string) {
      if (c == '\\') ++i;
      is_in_string = c != '"';
      continue;
    }
    is_in_string = c == '"';
    if (c == '{') ++depth;
    if (c == '}' && --depth == 0) return text.substr(0, i + 1);
  }
  return {};
}

// The same of a string, with its quotes.
std::string_view string_at(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return text.substr(0, i + 1);
  }
  return {};
}

bool is_json(std::string_view text) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  return parser.parse(simdjson::padded_string(text)).get(object) == simdjson::SUCCESS;
}

std::optional<std::string> text_of(std::string_view json) {
  simdjson::dom::parser parser;
  std::string_view text;
  if (parser.parse(simdjson::padded_string(json)).get(text) != simdjson::SUCCESS) return {};
  return std::string(text);
}

const dialects::Tool* offered(const dialects::Request& request, std::string_view name) {
  const auto found = std::ranges::find(request.tools, name, &dialects::Tool::name);
  return found == request.tools.end() ? nullptr : &*found;
}

std::vector<ToolCall> calls_in(std::string_view text, const dialects::Request& request) {
  std::vector<ToolCall> calls;
  for (;;) {
    const std::size_t at = text.find(kCall);
    if (at == std::string_view::npos) return calls;
    text.remove_prefix(at + kCall.size());
    const std::string_view name = text.substr(0, text.find(' '));
    const dialects::Tool* tool = offered(request, name);
    if (tool == nullptr) continue;
    const bool is_custom = takes_text(request, *tool);
    std::string_view rest = text.substr(name.size());
    if (!rest.starts_with(kWith)) continue;
    rest.remove_prefix(kWith.size());
    if (!rest.starts_with(is_custom ? '"' : '{')) continue;
    const std::string_view arguments = is_custom ? string_at(rest) : object_at(rest);
    if (arguments.empty()) return calls;
    text = rest.substr(arguments.size());
    if (!is_custom && is_json(arguments)) {
      calls.push_back({std::string(name), std::string(arguments)});
    } else if (std::optional<std::string> said = text_of(arguments); is_custom && said) {
      calls.push_back({std::string(name), *std::move(said), {}, true});
    }
  }
}

}  // namespace

bool takes_text(const dialects::Request& request, const dialects::Tool& tool) {
  return request.surface == dialects::Surface::kResponses && tool.type == "custom";
}

std::vector<ToolCall> calls_asked(const dialects::Request& request) {
  if (request.tools.empty()) return {};
  for (std::size_t i = request.texts.size(); i-- > 0;) {
    if (request.texts[i].kind != dialects::TextKind::kContent) continue;
    std::vector<ToolCall> calls = calls_in(request.texts[i].text, request);
    if (!calls.empty()) return calls;
  }
  return {};
}

}  // namespace tollgate::mock
