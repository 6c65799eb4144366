#include "dialects/mcp_message.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <vector>

#include "dialects/base64_bytes.h"
#include "dialects/json_strict.h"
#include "dialects/mcp_rewrite.h"
#include "dialects/mcp_text_walk.h"
#include "dialects/request.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

constexpr std::size_t kIdBytesMax = 256;
constexpr std::size_t kNamesMax = 64;
constexpr std::size_t kQuotedBytesMax = 64;
constexpr std::string_view kRule = "mcp";
constexpr std::string_view kMeta = "_meta";
constexpr std::string_view kMetaVersion = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view kMetaCapabilities = "io.modelcontextprotocol/clientCapabilities";
constexpr std::string_view kEncodedBegin = "=?base64?";
constexpr std::string_view kEncodedEnd = "?=";

std::string shown(std::string_view text) {
  std::string clean(text.substr(0, kQuotedBytesMax));
  for (char& c : clean) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return clean;
}

std::optional<std::string_view> text_at(dom::object object, std::string_view key) {
  std::string_view text;
  if (object[key].get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

std::optional<dom::object> object_at(dom::object object, std::string_view key) {
  dom::object found;
  if (object[key].get(found) != simdjson::SUCCESS) return std::nullopt;
  return found;
}

bool has(dom::object object, std::string_view key) {
  return object[key].error() == simdjson::SUCCESS;
}

bool is_plain_header(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return false;
  if (text.starts_with(kEncodedBegin) && text.ends_with(kEncodedEnd)) return false;
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

struct McpReader::State {
  StrictJson json;
  dom::object root;
  McpMessage message;
  std::string id;
  std::string progress_token;
  std::vector<std::string_view> names;

  std::unexpected<McpRefusal> fail(int code, Reason reason, std::string message,
                                   std::string param = {}) {
    McpRefusal made;
    made.refusal.reason = reason;
    made.refusal.rule = kRule;
    made.refusal.message = std::move(message);
    made.refusal.param = std::move(param);
    made.code = code;
    made.id = id;
    return std::unexpected<McpRefusal>(std::move(made));
  }
  std::unexpected<McpRefusal> invalid(std::string message, std::string param = {}) {
    return fail(kRpcInvalidRequest, Reason::kInvalidRequest, std::move(message), std::move(param));
  }
  std::unexpected<McpRefusal> disagree(std::string message) {
    return fail(kRpcHeaderMismatch, Reason::kInvalidRequest, std::move(message));
  }
  std::unexpected<McpRefusal> bad_params(std::string message, std::string param) {
    return fail(kRpcInvalidParams, Reason::kInvalidRequest, std::move(message), std::move(param));
  }

  using Done = std::expected<void, McpRefusal>;

  Done read_envelope(dom::element element);
  Done read_id();
  Done read_method(const McpHeaders& headers);
  Done find_era(std::string_view method, const McpHeaders& headers);
  Done read_names();
  void read_beside();
  std::vector<McpReplaced> replaced(McpServerRequests requests, const McpRenamed& renamed) const;
  Done read_reference(dom::object params);
  Done read_subscriptions(dom::object params);
  Done check_headers(const McpHeaders& headers);
};

// Which members there are says what it is.
McpReader::State::Done McpReader::State::read_envelope(dom::element element) {
  if (element.is_array()) {
    return invalid("The body is a batch. Send each message as a request of its own.");
  }
  if (element.get(root) != simdjson::SUCCESS) return invalid("The body is no JSON object.");
  if (text_at(root, "jsonrpc") != "2.0") return invalid("`jsonrpc` must be \"2.0\".", "jsonrpc");
  const bool asks = has(root, "method");
  for (const dom::key_value_pair field : root) {
    const std::string_view key = field.key;
    const bool known =
        key == "jsonrpc" || key == "id" ||
        (asks ? key == "method" || key == "params" : key == "result" || key == "error");
    if (!known) {
      return invalid(
          fmt::format("The message has a member `{}`, which the protocol has not.", shown(key)),
          shown(key));
    }
  }
  if (Done sound = read_id(); !sound) return sound;
  if (asks) {
    message.kind = id.empty() ? McpKind::kNotification : McpKind::kRequest;
    return {};
  }
  message.kind = McpKind::kResponse;
  if (id.empty() || has(root, "result") == has(root, "error")) {
    return invalid("The message is neither a request nor a notification nor a response.");
  }
  return {};
}

McpReader::State::Done McpReader::State::read_id() {
  dom::element element;
  if (root["id"].get(element) != simdjson::SUCCESS) return {};
  if (element.is_string()) {
    if (std::string_view(element).size() > kIdBytesMax) return invalid("`id` is too long.", "id");
  } else if (!element.is_int64() && !element.is_uint64()) {
    return invalid("`id` must be a text or a whole number.", "id");
  }
  append_json(element, id);
  return {};
}

// The body says of which revision a request is; the header has to say the same.
McpReader::State::Done McpReader::State::find_era(std::string_view method,
                                                  const McpHeaders& headers) {
  if (headers.twice) {
    return disagree("A header of the protocol is there twice, with two values. Send it once.");
  }
  const std::optional<dom::object> params = object_at(root, "params");
  std::optional<std::string_view> said;
  if (params) {
    if (const auto meta = object_at(*params, kMeta)) said = text_at(*meta, kMetaVersion);
    if (method == "initialize") said = text_at(*params, "protocolVersion");
  }
  if (headers.version && said && *headers.version != *said) {
    return disagree(fmt::format("MCP-Protocol-Version says `{}` and the body `{}`.",
                                shown(*headers.version), shown(*said)));
  }
  const std::string_view version = said ? *said : headers.version.value_or("");
  // A client offers the newest that it knows, and the server answers with what it speaks.
  if (method == "initialize") {
    if (version != kMcpModern) return {};
    return fail(kRpcUnsupportedVersion, Reason::kUnsupportedParameter,
                "2026-07-28 has no `initialize`: a request says its version itself.",
                "params.protocolVersion");
  }
  if (version.empty()) return {};
  const std::optional<McpEra> era = mcp_era_of(version);
  if (!era) {
    return fail(kRpcUnsupportedVersion, Reason::kUnsupportedParameter,
                fmt::format("The protocol version `{}` is not served.", shown(version)),
                "MCP-Protocol-Version");
  }
  message.era = *era;
  message.version = version;
  if (*era == McpEra::kLegacy || id.empty()) return {};
  if (!headers.version) return disagree("MCP-Protocol-Version is missing.");
  if (!said) {
    return disagree(
        fmt::format("MCP-Protocol-Version says `{}`, and `_meta` of the body has no "
                    "`{}`.",
                    kMcpModern, kMetaVersion));
  }
  return {};
}

McpReader::State::Done McpReader::State::read_method(const McpHeaders& headers) {
  const std::optional<std::string_view> name = text_at(root, "method");
  if (!name) return invalid("`method` must be a text.", "method");
  dom::element params;
  if (root["params"].get(params) == simdjson::SUCCESS && !params.is_object()) {
    return fail(kRpcInvalidParams, Reason::kInvalidRequest, "`params` must be an object.",
                "params");
  }
  if (Done sound = find_era(*name, headers); !sound) return sound;
  message.method = mcp_method(*name, message.era);
  if (message.method == nullptr ||
      message.method->notification != (message.kind == McpKind::kNotification)) {
    // In a session 404 would say that the session is gone.
    const bool modern = message.era == McpEra::kModern;
    return fail(kRpcMethodNotFound, modern ? Reason::kNotFound : Reason::kUnsupportedParameter,
                fmt::format("The method `{}` is not served here.", shown(*name)), "method");
  }
  message.item = message.method->item;
  return {};
}

McpReader::State::Done McpReader::State::read_reference(dom::object params) {
  const std::optional<dom::object> reference = object_at(params, "ref");
  if (!reference) return bad_params("`params.ref` must be an object.", "params.ref");
  const std::optional<std::string_view> type = text_at(*reference, "type");
  const bool prompt = type == "ref/prompt";
  if (!prompt && type != "ref/resource") {
    return bad_params("`params.ref.type` must be `ref/prompt` or `ref/resource`.",
                      "params.ref.type");
  }
  const std::string_view key = prompt ? "name" : "uri";
  const std::optional<std::string_view> name = text_at(*reference, key);
  if (!name) {
    return bad_params(fmt::format("`params.ref.{}` must be a text.", key),
                      fmt::format("params.ref.{}", key));
  }
  message.item = prompt ? McpItem::kPrompt : McpItem::kResource;
  names.push_back(*name);
  return {};
}

McpReader::State::Done McpReader::State::read_subscriptions(dom::object params) {
  const std::optional<dom::object> wanted = object_at(params, "notifications");
  dom::element uris;
  if (!wanted || (*wanted)["resourceSubscriptions"].get(uris) != simdjson::SUCCESS) return {};
  constexpr std::string_view kPlace = "params.notifications.resourceSubscriptions";
  dom::array list;
  if (uris.get(list) != simdjson::SUCCESS || list.size() > kNamesMax) {
    return bad_params(
        fmt::format("`{}` must be a list of at most {} addresses.", kPlace, kNamesMax),
        std::string(kPlace));
  }
  message.item = McpItem::kResource;
  for (const dom::element each : list) {
    std::string_view uri;
    if (each.get(uri) != simdjson::SUCCESS) {
      return bad_params(fmt::format("`{}` must be a list of texts.", kPlace), std::string(kPlace));
    }
    names.push_back(uri);
  }
  return {};
}

McpReader::State::Done McpReader::State::read_names() {
  const McpNamed named = message.method->named;
  if (named == McpNamed::kNot) return {};
  const std::optional<dom::object> params = object_at(root, "params");
  if (!params) {
    return bad_params(fmt::format("`{}` needs `params`.", message.method->name), "params");
  }
  if (named == McpNamed::kByRef) return read_reference(*params);
  if (named == McpNamed::kBySubscription) return read_subscriptions(*params);
  const std::string_view key = named == McpNamed::kByName ? "name" : "uri";
  const std::optional<std::string_view> name = text_at(*params, key);
  if (!name) {
    return bad_params(fmt::format("`params.{}` must be a text.", key),
                      fmt::format("params.{}", key));
  }
  // A task's id would be anybody's who knows it.
  if (message.method->name == "tools/call" && has(*params, "task")) {
    return fail(kRpcInvalidParams, Reason::kUnsupportedParameter,
                "Calls as tasks are not served. Leave `params.task` out.", "params.task");
  }
  names.push_back(*name);
  return {};
}

// What says where a message belongs, and is no name.
void McpReader::State::read_beside() {
  const std::optional<dom::object> params = object_at(root, "params");
  if (!params) return;
  const bool reports = message.method->name == "notifications/progress";
  const std::optional<dom::object> holder = reports ? params : object_at(*params, kMeta);
  dom::element token;
  if (holder && (*holder)["progressToken"].get(token) == simdjson::SUCCESS) {
    append_json(token, progress_token);
    if (reports) message.progress_of = text_at(*params, "progressToken").value_or("");
  }
  message.has_cursor = !message.method->lists.empty() && has(*params, "cursor");
}

McpReader::State::Done McpReader::State::check_headers(const McpHeaders& headers) {
  const bool modern = message.era == McpEra::kModern;
  const bool must = modern && message.kind == McpKind::kRequest;
  if (must && !headers.method) return disagree("Mcp-Method is missing.");
  if (headers.method && *headers.method != message.method->name) {
    return disagree(fmt::format("Mcp-Method says `{}` and the body `{}`.", shown(*headers.method),
                                message.method->name));
  }
  if (must && message.method->in_header && !headers.name) return disagree("Mcp-Name is missing.");
  if (!headers.name) return {};
  const std::optional<std::string> name = mcp_header_text(*headers.name);
  if (!name) return disagree("Mcp-Name is not well formed.");
  if (names.size() == 1 && *name == names.front()) return {};
  return disagree(fmt::format("Mcp-Name says `{}` and the body {}.", shown(*name),
                              names.size() == 1 ? fmt::format("`{}`", shown(names.front()))
                                                : std::string("does not name it")));
}

McpReader::McpReader() : state_(std::make_unique<State>()) {}
McpReader::~McpReader() = default;
McpReader::McpReader(McpReader&&) noexcept = default;

std::expected<McpMessage, McpRefusal> McpReader::read(std::string_view body,
                                                      const McpHeaders& headers) {
  State& state = *state_;
  state.message = {};
  state.id.clear();
  state.progress_token.clear();
  state.names.clear();
  const Expected<dom::element> parsed = state.json.parse(body, ReadLimits{});
  if (!parsed) {
    McpRefusal refusal{parsed.error(), kRpcParseError, {}};
    refusal.refusal.rule = kRule;
    return std::unexpected(std::move(refusal));
  }
  State::Done sound = state.read_envelope(*parsed);
  if (sound && state.message.kind == McpKind::kResponse) {
    if (headers.version && mcp_era_of(*headers.version) != McpEra::kLegacy) {
      sound = state.invalid("A response is no message of this revision.");
    }
    state.message.answers = text_at(state.root, "id").value_or("");
  } else if (sound) {
    sound = state.read_method(headers);
    if (sound) sound = state.read_names();
    if (sound) sound = state.check_headers(headers);
    if (sound) state.read_beside();
  }
  if (!sound) return std::unexpected(std::move(sound.error()));
  state.message.id = state.id;
  state.message.names = state.names;
  state.message.progress_token = state.progress_token;
  return state.message;
}

bool McpReader::read_texts(McpTextSink& sink) const {
  McpTextWalk walk;
  sink.begin();
  if (dom::element id; state_->root["id"].get(id) == simdjson::SUCCESS && id.is_string())
    walk.walk("id", id, sink);
  for (const std::string_view key : {"params", "result", "error"}) {
    dom::element value;
    if (state_->root[key].get(value) == simdjson::SUCCESS) walk.walk(key, value, sink);
  }
  return sink.passes();
}

namespace {

void append_capabilities(dom::object capabilities, McpServerRequests requests, std::string& out) {
  char separator = '{';
  for (const dom::key_value_pair field : capabilities) {
    const std::optional<McpServerRequest> request = mcp_server_request_named(field.key);
    if (!request || !requests.has(*request)) continue;
    out.push_back(separator);
    separator = ',';
    append_json_string(field.key, out);
    out.push_back(':');
    append_json(field.value, out);
  }
  out += separator == '{' ? "{}" : "}";
}

}  // namespace

std::vector<McpReplaced> McpReader::State::replaced(McpServerRequests requests,
                                                    const McpRenamed& renamed) const {
  std::vector<McpReplaced> all;
  const auto add = [&](std::string_view key, std::string_view inside, std::string json) {
    McpReplaced made{{"params"}, std::move(json)};
    if (!inside.empty()) made.path.push_back(inside);
    made.path.push_back(key);
    all.push_back(std::move(made));
  };
  const std::optional<dom::object> params = object_at(root, "params");
  const bool opens = message.method != nullptr && message.method->name == "initialize";
  const std::optional<dom::object> holder = opens || !params ? params : object_at(*params, kMeta);
  const std::string_view key = opens ? "capabilities" : kMetaCapabilities;
  if (const auto capabilities = holder ? object_at(*holder, key) : std::nullopt) {
    std::string filtered;
    append_capabilities(*capabilities, requests, filtered);
    add(key, opens ? std::string_view() : kMeta, std::move(filtered));
  }
  if (!renamed.name.empty() && message.method != nullptr) {
    std::string name;
    append_json_string(renamed.name, name);
    const bool refers = message.method->named == McpNamed::kByRef;
    add("name", refers ? std::string_view("ref") : std::string_view(), std::move(name));
  }
  if (!renamed.progress_token.empty()) {
    add("progressToken", {}, std::string(renamed.progress_token));
  }
  if (!renamed.id.empty()) all.push_back({{"id"}, std::string(renamed.id)});
  return all;
}

void McpReader::write(McpServerRequests requests, std::string& out,
                      const McpRenamed& renamed) const {
  const State& state = *state_;
  const std::vector<McpReplaced> replaced = state.replaced(requests, renamed);
  std::vector<const McpReplaced*> all;
  for (const McpReplaced& each : replaced) all.push_back(&each);
  out += R"({"jsonrpc":"2.0")";
  for (const dom::key_value_pair field : state.root) {
    if (field.key == "jsonrpc") continue;
    out.push_back(',');
    append_replacing(field, all, 0, out);
  }
  out.push_back('}');
}

void McpReader::write_params(McpServerRequests requests, std::string& out) const {
  const std::vector<McpReplaced> replaced = state_->replaced(requests, {});
  const std::optional<dom::object> params = object_at(state_->root, "params");
  std::vector<const McpReplaced*> below;
  for (const McpReplaced& each : replaced) {
    if (each.path.front() == "params") below.push_back(&each);
  }
  char separator = '{';
  if (params) {
    for (const dom::key_value_pair field : *params) {
      if (field.key == "cursor") continue;
      out.push_back(separator);
      separator = ',';
      append_replacing(field, below, 1, out);
    }
  }
  out += separator == '{' ? "{}" : "}";
}

std::string mcp_header_value(std::string_view text) {
  if (is_plain_header(text)) return std::string(text);
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string value(kEncodedBegin);
  for (std::size_t at = 0; at < text.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, text.size() - at);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8U | (i < count ? static_cast<unsigned char>(text[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      value.push_back(i <= count ? kDigits[bits >> (18U - 6U * i) & 63U] : '=');
    }
  }
  return value.append(kEncodedEnd);
}

std::optional<std::string> mcp_header_text(std::string_view value) {
  if (!value.starts_with(kEncodedBegin) || !value.ends_with(kEncodedEnd)) {
    if (!is_plain_header(value)) return std::nullopt;
    return std::string(value);
  }
  if (value.size() < kEncodedBegin.size() + kEncodedEnd.size()) return std::nullopt;
  value.remove_prefix(kEncodedBegin.size());
  value.remove_suffix(kEncodedEnd.size());
  const std::optional<Base64Bytes> bytes = Base64Bytes::read(value);
  if (!bytes) return std::nullopt;
  std::string text;
  for (std::size_t i = 0; i < bytes->size(); ++i) text.push_back(static_cast<char>((*bytes)[i]));
  return text;
}

}  // namespace tollgate::dialects
