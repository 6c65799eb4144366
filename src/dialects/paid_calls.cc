#include "dialects/paid_calls.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "dialects/reply_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

std::string_view string_at(dom::object object, std::string_view key) {
  std::string_view text;
  (void)object.at_key(key).get(text);
  return text;
}

// Of a search the pages that it opens, and looks for words in, are not paid.
bool is_unpaid_step(dom::object item) {
  dom::object action;
  if (item.at_key("action").get(action) != simdjson::SUCCESS) return false;
  const std::string_view type = string_at(action, "type");
  return type == "open_page" || type == "find_in_page";
}

// Whether the caller runs what it calls: a shell of its own, say.
bool runs_here(dom::object item) {
  dom::object environment;
  return item.at_key("environment").get(environment) == simdjson::SUCCESS &&
         string_at(environment, "type") == "local";
}

std::optional<PaidTool> tool_of_item(dom::object item) {
  constexpr std::string_view kCall = "_call";
  const std::string_view type = string_at(item, "type");
  if (!type.ends_with(kCall)) return std::nullopt;
  const std::string_view of = type.substr(0, type.size() - kCall.size());
  if (of == "custom_tool") return std::nullopt;
  const std::optional<PaidTool> tool = paid_tool_of(of);
  if (tool == PaidTool::kWebSearch && is_unpaid_step(item)) return std::nullopt;
  if (tool == PaidTool::kShell && runs_here(item)) return std::nullopt;
  return tool;
}

// "bash_code_execution" and "text_editor_code_execution" are of one tool.
std::optional<PaidTool> tool_of_block(dom::object block) {
  const std::string_view type = string_at(block, "type");
  if (type == "mcp_tool_use") return PaidTool::kMcp;
  if (type != "server_tool_use") return std::nullopt;
  const std::string_view name = string_at(block, "name");
  return name.ends_with("code_execution") ? PaidTool::kCodeExecution : paid_tool_of(name);
}

void add_one(ToolCalls& calls, PaidTool tool) {
  if (calls.at(tool) < std::numeric_limits<std::int32_t>::max()) ++calls.at(tool);
}

}  // namespace

void PaidCalls::start() {
  items_.clear();
  ended_ = blocks_ = {};
  reported_ = {};
}

void PaidCalls::item(std::int64_t place, dom::object item) {
  constexpr std::string_view kCall = "_call";
  if (!string_at(item, "type").ends_with(kCall)) return;
  items_[place] = tool_of_item(item);
}

void PaidCalls::response_event(dom::object event) {
  std::int64_t place = 0;
  (void)event.at_key("output_index").get(place);
  dom::object told;
  if (event.at_key("item").get(told) == simdjson::SUCCESS) item(place, told);
}

void PaidCalls::response_ended(dom::object response) {
  dom::array output;
  ended_ = {};
  if (response.at_key("output").get(output) != simdjson::SUCCESS) return;
  for (const dom::element element : output) {
    dom::object told;
    if (element.get(told) != simdjson::SUCCESS) continue;
    if (const auto tool = tool_of_item(told)) add_one(ended_, *tool);
  }
}

void PaidCalls::block(dom::object block) {
  if (const auto tool = tool_of_block(block)) add_one(blocks_, *tool);
}

// {"server_tool_use": {"web_search_requests": 1, …}}; what comes later is of all before.
void PaidCalls::usage(dom::element usage) {
  constexpr std::string_view kRequests = "_requests";
  dom::object object;
  dom::object calls;
  if (usage.get(object) != simdjson::SUCCESS ||
      object.at_key("server_tool_use").get(calls) != simdjson::SUCCESS) {
    return;
  }
  for (const dom::key_value_pair field : calls) {
    if (!field.key.ends_with(kRequests)) continue;
    const std::optional<PaidTool> tool =
        paid_tool_of(field.key.substr(0, field.key.size() - kRequests.size()));
    const TokenField told = read_tokens(calls, field.key);
    if (!tool || !told.tokens) continue;
    constexpr Tokens kMost = std::numeric_limits<std::int32_t>::max();
    reported_[static_cast<std::size_t>(*tool)] =
        static_cast<std::int32_t>(std::min(*told.tokens, kMost));
  }
}

void PaidCalls::message_event(dom::object event) {
  for (const dom::key_value_pair field : event) {
    if (field.key == "usage") usage(field.value);
    dom::object object;
    if (field.value.get(object) != simdjson::SUCCESS) continue;
    if (field.key == "content_block") block(object);
    dom::element told;
    if (field.key == "message" && object.at_key("usage").get(told) == simdjson::SUCCESS)
      usage(told);
  }
}

ToolCalls PaidCalls::total() const {
  ToolCalls seen = blocks_;
  for (const auto& [place, tool] : items_) {
    if (tool) add_one(seen, *tool);
  }
  for (std::size_t i = 0; i < seen.of.size(); ++i) {
    seen.of[i] = reported_[i].value_or(std::max(seen.of[i], ended_.of[i]));
  }
  return seen;
}

}  // namespace tollgate::dialects
