#include "dialects/mcp_answer.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "dialects/json_strict.h"
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

// What a server can do, as far as it passes here.
void append_capabilities(dom::object capabilities, std::string& out) {
  constexpr std::string_view kServed[] = {"tools", "prompts", "resources", "completions",
                                          "logging"};
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
  std::string id;
  std::string definition;

  FaultOr<McpAnswer> read_response(dom::object root, const McpAsked& asked, McpSight& sight,
                                   std::string& out);
  FaultOr<McpAnswer> read_error(dom::object error, std::string_view id, std::string& out);
  FaultOr<McpAnswer> read_result(dom::object result, const McpAsked& asked, McpSight& sight,
                                 std::string& out);
  FaultOr<McpAnswer> read_asking(dom::object root, std::string_view method, const McpAsked& asked,
                                 const McpSight& sight, std::string& out);
  FaultOr<int> append_list(dom::array list, const McpMethod& method, McpSight& sight,
                           std::string& out);
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
                                                 McpSight& sight, std::string& out) {
  names.clear();
  for (const dom::element each : list) {
    dom::object entry;
    if (each.get(entry) != simdjson::SUCCESS) return broken("an entry of its list is no object");
    const std::optional<std::string_view> name = text_at(entry, method.key);
    if (!name) return broken(fmt::format("an entry of its list has no `{}`", method.key));
    names.push_back(*name);
  }
  std::ranges::sort(names);
  int withheld = 0;
  char separator = '[';
  for (const dom::element each : list) {
    const std::string_view name = *text_at(dom::object(each), method.key);
    const auto same = std::ranges::equal_range(names, name);
    bool seen = same.size() == 1 && sight.sees(method.item, name);
    if (sight.holds_definitions(method.item)) {
      // Whoever asks: a change is known from now on. One that is there twice is none that was
      // approved.
      definition.clear();
      if (same.size() == 1) append_canonical(each, definition);
      const bool is_approved = sight.sees_definition(method.item, name, definition);
      seen = seen && is_approved;
    }
    if (!seen) {
      ++withheld;
      continue;
    }
    out.push_back(separator);
    separator = ',';
    append_json(each, out);
  }
  out += separator == '[' ? "[]" : "]";
  return withheld;
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

FaultOr<McpAnswer> McpAnswerReader::State::read_result(dom::object result, const McpAsked& asked,
                                                       McpSight& sight, std::string& out) {
  if (const FaultOr<void> may = check_input_requests(result, asked); !may) {
    return std::unexpected(may.error());
  }
  McpAnswer answer{.passed = McpPassed::kAnswer};
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
    const FaultOr<int> withheld = append_list(list, *asked.method, sight, out);
    if (!withheld) return std::unexpected(withheld.error());
    answer.withheld = *withheld;
    listed = true;
  }
  if (!listed) return broken(fmt::format("its result has no `{}`", asked.method->lists));
  out += separator == '{' ? "{}}" : "}}";
  return answer;
}

FaultOr<McpAnswer> McpAnswerReader::State::read_response(dom::object root, const McpAsked& asked,
                                                         McpSight& sight, std::string& out) {
  if (asked.method == nullptr) return broken("it answers what nobody asked");
  dom::element element;
  id.clear();
  if (root["id"].get(element) == simdjson::SUCCESS) append_json(element, id);
  dom::object error;
  const bool failed = root["error"].get(error) == simdjson::SUCCESS;
  // Who cannot read a request says so without its id.
  if (id != asked.id && !(failed && (id.empty() || id == "null"))) {
    return broken("it answers another request than was sent");
  }
  dom::object result;
  const bool succeeded = root["result"].get(result) == simdjson::SUCCESS;
  if (failed == succeeded) return broken("its response has no result and no error, or both");
  return failed ? read_error(error, asked.id, out) : read_result(result, asked, sight, out);
}

FaultOr<McpAnswer> McpAnswerReader::State::read_asking(dom::object root, std::string_view method,
                                                       const McpAsked& asked, const McpSight& sight,
                                                       std::string& out) {
  dom::element id_element;
  const bool is_request = root["id"].get(id_element) == simdjson::SUCCESS;
  bool passes = false;
  if (is_request) {
    const auto request = mcp_server_request(method);
    passes = asked.era == McpEra::kLegacy && request && asked.requests.has(*request);
  } else {
    passes = is_mcp_notification_of_servers(method);
  }
  dom::object params;
  if (method == "notifications/resources/updated") {
    const auto uri =
        root["params"].get(params) == simdjson::SUCCESS ? text_at(params, "uri") : std::nullopt;
    passes = uri && sight.sees(McpItem::kResource, *uri);
  }
  if (!passes) return McpAnswer{};
  char separator = '{';
  for (const dom::key_value_pair field : root) {
    out.push_back(separator);
    separator = ',';
    append_json_string(field.key, out);
    out.push_back(':');
    append_json(field.value, out);
  }
  out.push_back('}');
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
  FaultOr<McpAnswer> answer = method ? state_->read_asking(root, *method, asked, sight, out)
                                     : state_->read_response(root, asked, sight, out);
  if (!answer) out.resize(before);
  return answer;
}

bool McpAnswerReader::read_error(std::string_view text, std::string_view id, std::string& out) {
  const Expected<dom::element> parsed = state_->json.parse(text, ReadLimits{});
  dom::object root;
  dom::object error;
  if (!parsed || parsed->get(root) != simdjson::SUCCESS ||
      root["error"].get(error) != simdjson::SUCCESS) {
    return false;
  }
  const std::size_t before = out.size();
  const bool read = state_->read_error(error, id, out).has_value();
  if (!read) out.resize(before);
  return read;
}

}  // namespace tollgate::dialects
