#include "dialects/mcp_rewrite.h"

#include <fmt/format.h>

#include <algorithm>

#include "dialects/json_strict.h"
#include "dialects/mcp_server_id.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

constexpr std::size_t kIdBytesMax = 200;  // What callers send back may be a little longer.

bool is_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && text.size() <= 20 && (text == "0" || text.front() != '0') &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void append_replacing(dom::key_value_pair field, std::span<const McpReplaced* const> all,
                      std::size_t depth, std::string& out) {
  append_json_string(field.key, out);
  out.push_back(':');
  std::vector<const McpReplaced*> below;
  for (const McpReplaced* each : all) {
    if (each->path[depth] != field.key) continue;
    if (each->path.size() == depth + 1) {
      out += each->json;
      return;
    }
    below.push_back(each);
  }
  append_replacing(field.value, below, depth + 1, out);
}

void append_replacing(dom::element value, std::span<const McpReplaced* const> all,
                      std::size_t depth, std::string& out) {
  dom::object object;
  if (all.empty() || value.get(object) != simdjson::SUCCESS) return append_json(value, out);
  char separator = '{';
  for (const dom::key_value_pair field : object) {
    out.push_back(separator);
    separator = ',';
    append_replacing(field, all, depth, out);
  }
  out += separator == '{' ? "{}" : "}";
}

void append_replacing(dom::element value, std::span<const McpReplaced> all, std::string& out) {
  std::vector<const McpReplaced*> list;
  for (const McpReplaced& each : all) list.push_back(&each);
  append_replacing(value, list, 0, out);
}

std::optional<std::string> mcp_server_id(std::string_view server, dom::element id) {
  std::string_view text;
  std::string shown;
  if (id.get(text) == simdjson::SUCCESS) {
    if (text.size() > kIdBytesMax) return std::nullopt;
    shown = fmt::format("{}:s:{}", server, text);
  } else if (id.is_int64() || id.is_uint64()) {
    shown = fmt::format("{}:n:", server);
    append_json(id, shown);
  } else {
    return std::nullopt;
  }
  std::string json;
  append_json_string(shown, json);
  return json;
}

std::optional<McpServerId> read_mcp_server_id(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  McpServerId made{text.substr(0, colon), {}};
  const std::string_view id = text.substr(colon + 1);
  if (id.starts_with("s:")) {
    append_json_string(id.substr(2), made.json);
    return made;
  }
  if (!id.starts_with("n:") || !is_number(id.substr(2))) return std::nullopt;
  made.json = id.substr(2);
  return made;
}

}  // namespace tollgate::dialects
