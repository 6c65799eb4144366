#include "dialects/mcp_answer.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "dialects/json_strict.h"
#include "dialects/mcp_rewrite.h"
#include "dialects/mcp_server_id.h"
#include "dialects/mcp_text_walk.h"
#include "dialects/request.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

constexpr std::size_t kErrorTextBytesMax = 2000;
constexpr std::size_t kErrorDataBytesMax = 4096;

std::unexpected<Fault> broken(std::string what) {
  return std::unexpected(Fault{FaultKind::kBroken, std::move(what)});
}

std::optional<std::string_view> text_at(dom::object object, std::string_view key) {
  std::string_view text;
  if (object[key].get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

std::string lower(std::string_view name) {
  std::string made(name);
  for (char& c : made) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return made;
}

// JSON with the keys of every object in order of their bytes, so that one definition is one text.
void append_canonical(dom::element value, std::string& out) {
  dom::array array;
  dom::object object;
  if (value.get(array) == simdjson::SUCCESS) {
    char separator = '[';
    for (const dom::element each : array) {
      out.push_back(separator);
      separator = ',';
      append_canonical(each, out);
    }
    out += separator == '[' ? "[]" : "]";
    return;
  }
  if (value.get(object) != simdjson::SUCCESS) return append_json(value, out);
  std::vector<dom::key_value_pair> fields(object.begin(), object.end());
  std::ranges::sort(fields, {}, &dom::key_value_pair::key);
  char separator = '{';
  for (const dom::key_value_pair& field : fields) {
    out.push_back(separator);
    separator = ',';
    append_json_string(field.key, out);
    out.push_back(':');
    append_canonical(field.value, out);
  }
  out += separator == '{' ? "{}" : "}";
}

constexpr std::string_view kServed[kMcpCapabilityCount] = {"tools", "prompts", "resources",
                                                           "completions", "logging"};

// What a server can do, as far as it passes here.
void append_capabilities(dom::object capabilities, std::string& out) {
  char separator = '{';
  for (const dom::key_value_pair field : capabilities) {
    if (std::ranges::find(kServed, field.key) == std::end(kServed)) continue;
    out.push_back(separator);
    separator = ',';
    append_json_string(field.key, out);
    out.push_back(':');
    append_json(field.value, out);
  }
  out += separator == '{' ? "{}" : "}";
}

// Whether a request or a notification has a member that none has: nobody would have read it.
bool has_more_than_asks(dom::object root) {
  constexpr std::string_view kMembers[] = {"jsonrpc", "id", "method", "params"};
  return std::ranges::any_of(root, [&](const dom::key_value_pair& field) {
    return std::ranges::find(kMembers, field.key) == std::end(kMembers);
  });
}

void append_versions(dom::array versions, std::string& out) {
  char separator = '[';
  for (const dom::element each : versions) {
    std::string_view version;
    if (each.get(version) != simdjson::SUCCESS || !mcp_era_of(version)) continue;
    out.push_back(separator);
    separator = ',';
    append_json_string(version, out);
  }
  out += separator == '[' ? "[]" : "]";
}

}  // namespace

std::string_view name_of(McpCapability capability) {
  return kServed[static_cast<std::size_t>(capability)];
}

void write_mcp_error(std::string_view id, int code, std::string_view message, std::string_view data,
                     std::string& out) {
  out += R"({"jsonrpc":"2.0","id":)";
  out += id.empty() ? std::string_view("null") : id;
  fmt::format_to(std::back_inserter(out), R"(,"error":{{"code":{},"message":)", code);
  append_json_string(message, out);
  if (!data.empty()) out.append(",\"data\":").append(data);
  out += "}}";
}

struct McpAnswerReader::State {
  StrictJson json;
  std::vector<std::string_view> names;
  std::vector<std::string> folded;  // Those that the caller sees, without their case.
  std::vector<McpListed> listed;    // Of the list that was appended last.
  std::string id;
  std::string definition;
  McpTextWalk texts;

  // Whether the texts of what stands at `place` may pass.
  bool passes(std::string_view place, dom::element value, McpSight& sight) {
    McpTextSink* sink = sight.texts();
    if (sink == nullptr) return true;
    sink->begin();
    texts.walk(place, value, *sink);
    return sink->passes();
  }
  bool passes_beside_list(dom::object result, std::string_view list, McpSight& sight);
  FaultOr<McpAnswer> read_response(dom::object root, const McpAsked& asked, McpSight& sight,
                                   std::string& out);
  FaultOr<McpAnswer> read_error(dom::object error, std::string_view id, std::string& out);
  FaultOr<McpAnswer> read_result(dom::object result, const McpAsked& asked, McpSight& sight,
                                 std::string& out);
  FaultOr<McpAnswer> read_asking(dom::element whole, std::string_view method, const McpAsked& asked,
                                 McpSight& sight, std::string& out);
  FaultOr<int> append_list(dom::array list, const McpMethod& method, McpSight& sight,
                           std::string_view server, std::string& out);
  static void append_entry(dom::element entry, const McpMethod& method, std::string_view server,
                           std::string& out);
  // Whether the response to what was asked is an error; a fault: it is none to that.
  FaultOr<bool> has_failed(dom::object root, const McpAsked& asked);
  static bool belongs(std::string_view method, dom::object root, const McpAsked& asked);
  static bool rename(dom::element whole, std::string_view method, std::string_view server,
                     std::vector<McpReplaced>& replaced);
  static FaultOr<void> check_input_requests(dom::object result, const McpAsked& asked);
  static FaultOr<void> append_member(dom::key_value_pair field, const McpAsked& asked,
                                     std::string& out);
};

FaultOr<McpAnswer> McpAnswerReader::State::read_error(dom::object error, std::string_view id,
                                                      std::string& out) {
  std::int64_t code = 0;
  const std::optional<std::string_view> message = text_at(error, "message");
  if (error["code"].get(code) != simdjson::SUCCESS || code < INT32_MIN || code > INT32_MAX ||
      !message) {
    return broken("its error has no code or no message");
  }
  std::string_view text = *message;
  if (text.size() > kErrorTextBytesMax) {
    std::size_t end = kErrorTextBytesMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end);
  }
  std::string data;
  dom::element element;
  if (error["data"].get(element) == simdjson::SUCCESS) append_json(element, data);
  if (data.size() > kErrorDataBytesMax) data.clear();
  write_mcp_error(id, static_cast<int>(code), text, data, out);
  return McpAnswer{.passed = McpPassed::kAnswer, .is_error = true};
}

// What a modern server asks of the caller stands in its result.
FaultOr<void> McpAnswerReader::State::check_input_requests(dom::object result,
                                                           const McpAsked& asked) {
  dom::element element;
  if (result["inputRequests"].get(element) != simdjson::SUCCESS) return {};
  dom::object requests;
  if (element.get(requests) != simdjson::SUCCESS) return broken("its inputRequests are no object");
  for (const dom::key_value_pair field : requests) {
    dom::object request;
    const std::optional<std::string_view> method =
        field.value.get(request) == simdjson::SUCCESS ? text_at(request, "method") : std::nullopt;
    const auto known = method ? mcp_server_request(*method) : std::nullopt;
    if (!known || !asked.requests.has(*known)) {
      return broken("it asks something of the caller that servers may not ask here");
    }
  }
  return {};
}

FaultOr<int> McpAnswerReader::State::append_list(dom::array list, const McpMethod& method,
                                                 McpSight& sight, std::string_view server,
                                                 std::string& out) {
  names.clear();
  folded.clear();
  listed.clear();
  // Addresses that differ in case alone are two.
  const bool folds = method.item != McpItem::kResource;
  for (const dom::element each : list) {
    dom::object entry;
    if (each.get(entry) != simdjson::SUCCESS) return broken("an entry of its list is no object");
    const std::optional<std::string_view> name = text_at(entry, method.key);
    if (!name) return broken(fmt::format("an entry of its list has no `{}`", method.key));
    names.push_back(*name);
    if (folds && sight.sees(method.item, *name)) folded.push_back(lower(*name));
  }
  std::ranges::sort(names);
  std::ranges::sort(folded);
  int withheld = 0;
  std::size_t index = 0;
  for (const dom::element each : list) {
    const std::string place = fmt::format("result.{}[{}]", method.lists, index++);
    const std::string_view name = *text_at(dom::object(each), method.key);
    const auto same = std::ranges::equal_range(names, name);
    bool seen = same.size() == 1 && sight.sees(method.item, name);
    // Of those that the caller would see.
    if (seen && folds) seen = std::ranges::equal_range(folded, lower(name)).size() == 1;
    if (sight.holds_definitions(method.item)) {
      // Whoever asks: a change is known from now on. One that is there twice is none that was
      // approved.
      definition.clear();
      if (same.size() == 1) append_canonical(each, definition);
      const bool is_approved = sight.sees_definition(method.item, name, definition);
      seen = seen && is_approved;
    }
    listed.push_back({std::string(name), out.size(), out.size()});
    if (!seen || !passes(place, each, sight)) {
      ++withheld;
      continue;
    }
    append_entry(each, method, server, out);
    out.push_back(',');
    listed.back().end = out.size();
  }
  return withheld;
}

// Tools and prompts are named behind their server; an address is of one server alone.
void McpAnswerReader::State::append_entry(dom::element entry, const McpMethod& method,
                                          std::string_view server, std::string& out) {
  if (server.empty() || method.item == McpItem::kResource) return append_json(entry, out);
  McpReplaced named{{method.key}, {}};
  append_json_string(
      fmt::format("{}{}{}", server, kMcpServerSeparator, *text_at(dom::object(entry), method.key)),
      named.json);
  append_replacing(entry, std::span(&named, 1), out);
}

// A member of a result that is no list.
FaultOr<void> McpAnswerReader::State::append_member(dom::key_value_pair field,
                                                    const McpAsked& asked, std::string& out) {
  const std::string_view method = asked.method->name;
  const bool opens = method == "initialize" || method == "server/discover";
  dom::object capabilities;
  dom::array versions;
  std::string_view version;
  if (opens && field.key == "capabilities") {
    if (field.value.get(capabilities) != simdjson::SUCCESS) {
      return broken("its capabilities are no object");
    }
    append_capabilities(capabilities, out);
  } else if (opens && field.key == "supportedVersions") {
    if (field.value.get(versions) != simdjson::SUCCESS) return broken("its versions are no list");
    append_versions(versions, out);
  } else {
    if (method == "initialize" && field.key == "protocolVersion" &&
        (field.value.get(version) != simdjson::SUCCESS || mcp_era_of(version) != McpEra::kLegacy)) {
      return broken("it speaks a revision of the protocol that is not served here");
    }
    append_json(field.value, out);
  }
  return {};
}

// Entries of a list are read one by one.
bool McpAnswerReader::State::passes_beside_list(dom::object result, std::string_view list,
                                                McpSight& sight) {
  McpTextSink* sink = sight.texts();
  if (sink == nullptr) return true;
  sink->begin();
  for (const dom::key_value_pair field : result) {
    if (!list.empty() && field.key == list) continue;
    texts.walk_member("result", field, *sink);
  }
  return sink->passes();
}

FaultOr<McpAnswer> McpAnswerReader::State::read_result(dom::object result, const McpAsked& asked,
                                                       McpSight& sight, std::string& out) {
  if (const FaultOr<void> may = check_input_requests(result, asked); !may) {
    return std::unexpected(may.error());
  }
  McpAnswer answer{.passed = McpPassed::kAnswer};
  answer.refused = !passes_beside_list(result, asked.method->lists, sight);
  if (answer.refused) return answer;
  out += R"({"jsonrpc":"2.0","id":)";
  out += asked.id;
  out += ",\"result\":";
  char separator = '{';
  bool listed = asked.method->lists.empty();
  for (const dom::key_value_pair field : result) {
    out.push_back(separator);
    separator = ',';
    append_json_string(field.key, out);
    out.push_back(':');
    if (asked.method->lists.empty() || field.key != asked.method->lists) {
      if (const FaultOr<void> sound = append_member(field, asked, out); !sound) {
        return std::unexpected(sound.error());
      }
      continue;
    }
    dom::array list;
    if (field.value.get(list) != simdjson::SUCCESS) return broken("its list is no list");
    out.push_back('[');
    const FaultOr<int> withheld = append_list(list, *asked.method, sight, asked.server, out);
    if (!withheld) return std::unexpected(withheld.error());
    if (out.back() == ',') out.pop_back();
    out.push_back(']');
    answer.withheld = *withheld;
    listed = true;
  }
  if (!listed) return broken(fmt::format("its result has no `{}`", asked.method->lists));
  out += separator == '{' ? "{}}" : "}}";
  return answer;
}

FaultOr<bool> McpAnswerReader::State::has_failed(dom::object root, const McpAsked& asked) {
  if (asked.method == nullptr) return broken("it answers what nobody asked");
  dom::element element;
  id.clear();
  if (root["id"].get(element) == simdjson::SUCCESS) append_json(element, id);
  dom::object part;
  const bool failed = root["error"].get(part) == simdjson::SUCCESS;
  // Who cannot read a request says so without its id.
  if (id != asked.id && !(failed && (id.empty() || id == "null"))) {
    return broken("it answers another request than was sent");
  }
  const bool succeeded = root["result"].get(part) == simdjson::SUCCESS;
  if (failed == succeeded) return broken("its response has no result and no error, or both");
  return failed;
}

FaultOr<McpAnswer> McpAnswerReader::State::read_response(dom::object root, const McpAsked& asked,
                                                         McpSight& sight, std::string& out) {
  const FaultOr<bool> failed = has_failed(root, asked);
  if (!failed) return std::unexpected(failed.error());
  if (!*failed) return read_result(dom::object(root["result"]), asked, sight, out);
  dom::element element;
  if (root["error"].get(element) == simdjson::SUCCESS && !passes("error", element, sight)) {
    return McpAnswer{.passed = McpPassed::kAnswer, .is_error = true, .refused = true};
  }
  return read_error(dom::object(root["error"]), asked.id, out);
}

// What a server says of a call is of one that was made of it.
bool McpAnswerReader::State::belongs(std::string_view method, dom::object root,
                                     const McpAsked& asked) {
  if (method != "notifications/progress") return true;
  dom::object params;
  dom::element token;
  std::string said;
  if (root["params"].get(params) != simdjson::SUCCESS ||
      params["progressToken"].get(token) != simdjson::SUCCESS) {
    return false;
  }
  append_json(token, said);
  return said == asked.progress_token;
}

// The ids that a server gives out, as callers know them. Whether all of them can be told.
bool McpAnswerReader::State::rename(dom::element whole, std::string_view method,
                                    std::string_view server, std::vector<McpReplaced>& replaced) {
  const auto at = [&](std::vector<std::string_view> path) {
    dom::element value = whole;
    for (const std::string_view key : path) {
      dom::object object;
      if (value.get(object) != simdjson::SUCCESS || object[key].get(value) != simdjson::SUCCESS) {
        return true;
      }
    }
    std::optional<std::string> shown = mcp_server_id(server, value);
    if (shown) replaced.push_back({std::move(path), std::move(*shown)});
    return shown.has_value();
  };
  return at({"id"}) && at({"params", "_meta", "progressToken"}) &&
         (method != "notifications/cancelled" || at({"params", "requestId"})) &&
         at({"params", "elicitationId"});
}

FaultOr<McpAnswer> McpAnswerReader::State::read_asking(dom::element whole, std::string_view method,
                                                       const McpAsked& asked, McpSight& sight,
                                                       std::string& out) {
  const dom::object root(whole);
  dom::element id_element;
  const bool is_request = root["id"].get(id_element) == simdjson::SUCCESS;
  bool passes = false;
  if (has_more_than_asks(root)) return McpAnswer{};
  if (is_request) {
    const auto request = mcp_server_request(method);
    passes = (id_element.is_string() || id_element.is_int64() || id_element.is_uint64()) &&
             asked.era == McpEra::kLegacy && request && asked.requests.has(*request);
  } else {
    passes = is_mcp_notification_of_servers(method);
  }
  dom::object params;
  if (method == "notifications/resources/updated") {
    const auto uri =
        root["params"].get(params) == simdjson::SUCCESS ? text_at(params, "uri") : std::nullopt;
    passes = uri && sight.sees(McpItem::kResource, *uri);
  }
  std::vector<McpReplaced> replaced;
  if (passes && !asked.server.empty()) {
    passes = belongs(method, root, asked) && rename(whole, method, asked.server, replaced);
  }
  dom::element told;
  if (passes && root["params"].get(told) == simdjson::SUCCESS) {
    passes = this->passes("params", told, sight);
  }
  if (passes && is_request) passes = this->passes("id", id_element, sight);
  if (!passes) return McpAnswer{};
  append_replacing(whole, replaced, out);
  return McpAnswer{.passed = McpPassed::kPassed};
}

McpAnswerReader::McpAnswerReader() : state_(std::make_unique<State>()) {}
McpAnswerReader::~McpAnswerReader() = default;
McpAnswerReader::McpAnswerReader(McpAnswerReader&&) noexcept = default;

FaultOr<McpAnswer> McpAnswerReader::read(std::string_view text, const McpAsked& asked,
                                         McpSight& sight, std::string& out) {
  const Expected<dom::element> parsed = state_->json.parse(text, ReadLimits{});
  dom::object root;
  if (!parsed || parsed->get(root) != simdjson::SUCCESS || text_at(root, "jsonrpc") != "2.0") {
    return broken("it sent no JSON-RPC message");
  }
  const std::size_t before = out.size();
  const std::optional<std::string_view> method = text_at(root, "method");
  FaultOr<McpAnswer> answer = method ? state_->read_asking(*parsed, *method, asked, sight, out)
                                     : state_->read_response(root, asked, sight, out);
  if (!answer) out.resize(before);
  return answer;
}

FaultOr<std::optional<McpOpening>> McpAnswerReader::read_opening(std::string_view text,
                                                                 const McpAsked& asked) {
  const Expected<dom::element> parsed = state_->json.parse(text, ReadLimits{});
  dom::object root;
  if (!parsed || parsed->get(root) != simdjson::SUCCESS || text_at(root, "jsonrpc") != "2.0") {
    return broken("it sent no JSON-RPC message");
  }
  if (text_at(root, "method")) return std::nullopt;
  const FaultOr<bool> failed = state_->has_failed(root, asked);
  if (!failed) return std::unexpected(failed.error());
  McpOpening made{.failed = *failed};
  if (*failed) return made;
  const dom::object result(root["result"]);
  dom::object capabilities;
  if (result["capabilities"].get(capabilities) != simdjson::SUCCESS) {
    return broken("its capabilities are no object");
  }
  for (std::size_t i = 0; i < std::size(kServed); ++i) {
    if (capabilities[kServed[i]].error() != simdjson::SUCCESS) continue;
    made.capabilities = static_cast<std::uint8_t>(made.capabilities | 1U << i);
  }
  if (asked.era == McpEra::kModern) return made;
  made.version = text_at(result, "protocolVersion").value_or("");
  if (mcp_era_of(made.version) == McpEra::kLegacy) return made;
  return broken("it speaks a revision of the protocol that is not served here");
}

FaultOr<McpPage> McpAnswerReader::read_page(std::string_view text, const McpAsked& asked,
                                            McpSight& sight, std::string& out) {
  const Expected<dom::element> parsed = state_->json.parse(text, ReadLimits{});
  dom::object root;
  if (!parsed || parsed->get(root) != simdjson::SUCCESS || text_at(root, "jsonrpc") != "2.0") {
    return broken("it sent no JSON-RPC message");
  }
  if (text_at(root, "method")) return McpPage{};
  const FaultOr<bool> failed = state_->has_failed(root, asked);
  if (!failed) return std::unexpected(failed.error());
  McpPage page{.is_response = true};
  if (*failed) {
    std::int64_t code = 0;
    if (root["error"]["code"].get(code) != simdjson::SUCCESS || code == 0 || code < INT32_MIN ||
        code > INT32_MAX) {
      return broken("its error has no code or no message");
    }
    page.error = static_cast<int>(code);
    return page;
  }
  const dom::object result(root["result"]);
  dom::array list;
  if (result[asked.method->lists].get(list) != simdjson::SUCCESS) {
    return broken(fmt::format("its result has no `{}`", asked.method->lists));
  }
  page.refused = !state_->passes_beside_list(result, asked.method->lists, sight);
  if (page.refused) return page;
  const std::size_t before = out.size();
  const FaultOr<int> withheld = state_->append_list(list, *asked.method, sight, asked.server, out);
  if (!withheld) {
    out.resize(before);
    return std::unexpected(withheld.error());
  }
  page.withheld = *withheld;
  page.listed = std::move(state_->listed);
  if (const auto cursor = text_at(result, "nextCursor")) append_json_string(*cursor, page.cursor);
  return page;
}

bool McpAnswerReader::read_error(std::string_view text, std::string_view id, McpSight& sight,
                                 std::string& out) {
  const Expected<dom::element> parsed = state_->json.parse(text, ReadLimits{});
  dom::object root;
  dom::element element;
  dom::object error;
  if (!parsed || parsed->get(root) != simdjson::SUCCESS ||
      root["error"].get(element) != simdjson::SUCCESS || element.get(error) != simdjson::SUCCESS ||
      !state_->passes("error", element, sight)) {
    return false;
  }
  const std::size_t before = out.size();
  const bool read = state_->read_error(error, id, out).has_value();
  if (!read) out.resize(before);
  return read;
}

}  // namespace tollgate::dialects
