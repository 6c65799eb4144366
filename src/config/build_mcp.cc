#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json_writer.h"
#include "config/build.h"
#include "config/mcp_pins.h"

namespace tollgate::config {

namespace {

authorization::NamedAccess access_of(const View& view) {
  authorization::NamedAccess made;
  made.allow = view.texts("allow");
  for (auto& [name, allow] : view.lists("by_role")) made.by_role.push_back({name, allow});
  for (auto& [name, allow] : view.lists("by_tenant")) made.by_tenant.push_back({name, allow});
  return made;
}

// A star anywhere else would look as if it meant something.
void check_patterns(Report& report, const View& view, const std::vector<std::string>& patterns,
                    std::string_view key) {
  for (const std::string& pattern : patterns) {
    const std::size_t star = pattern.find('*');
    if (star == std::string::npos || star + 1 == pattern.size()) continue;
    tell_in(report, view, key,
            fmt::format("`{}`: a `*` stands at the end of a name, for any ending", pattern));
  }
}

void check_access(Report& report, const View& view, const Config& config,
                  const authorization::NamedAccess& access) {
  check_patterns(report, view, access.allow, "allow");
  for (const auto& group : access.by_role) {
    check_patterns(report, view, group.allow, "by_role");
  }
  for (const auto& group : access.by_tenant) {
    check_patterns(report, view, group.allow, "by_tenant");
    if (index_of(config.tenants, group.name) >= 0) continue;
    tell_in(report, view, "by_tenant", unknown_name(group.name, "tenant", config.tenants));
  }
}

bool is_origin(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return false;
  }
  return !rest.empty() && rest.find_first_of("/?#@ *") == std::string_view::npos;
}

Upstream upstream_of(Report& report, const View& view, const std::string& route) {
  Upstream made;
  made.name = "mcp:" + route;  // No name that an operator can give to another.
  if (const auto endpoint = parse_url(view.text("url"))) made.endpoints.push_back(*endpoint);
  made.speaks = dialects::Dialect::kMcp;
  made.credential = Secret(view.text("credential"));
  const View timeout = view.section("timeout");
  made.timeout.connect = timeout.duration("connect");
  made.timeout.first_byte = timeout.duration("first_byte");
  made.timeout.between_chunks = timeout.duration("between_chunks");
  made.timeout.total = timeout.duration("total");
  made.concurrent_requests = view.count("concurrent_requests");
  made.certificate_authority = authority_of(report, view);
  return made;
}

// A file that is not there yet approves nothing.
void read_pins(Report& report, const View& view, Mcp& made) {
  made.pins_file = file_of(report, view, "pins");
  if (made.pins_file.empty()) return;
  std::string text;
  if (std::filesystem::exists(made.pins_file)) {
    std::ifstream in(made.pins_file, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(in), {});
    if (!in) {
      return tell_in(report, view, "pins", fmt::format("`{}` cannot be read", made.pins_file));
    }
  }
  std::expected<McpPins, std::string> pins = McpPins::read(text);
  if (!pins) {
    return tell_in(report, view, "pins", fmt::format("`{}`, {}", made.pins_file, pins.error()));
  }
  made.pins = std::make_shared<const McpPins>(std::move(*pins));
}

void credentials(Report& report, const View& view, const Config& config, Mcp& made) {
  for (auto& [tenant, secret] : view.pairs("credential_by_tenant")) {
    if (index_of(config.tenants, tenant) < 0) {
      tell_in(report, view, "credential_by_tenant", unknown_name(tenant, "tenant", config.tenants));
    }
    made.credentials.emplace_back(tenant, Secret(std::move(secret)));
  }
}

// The metadata of the route as a protected resource (RFC 9728), and where it is.
void authorization(Report& report, const View& view, const Route& route, Mcp& made) {
  made.challenge = "Bearer";
  if (!view.has("authorization")) return;
  const View told = view.section("authorization");
  const std::string resource = told.text("resource");
  const auto place = parse_url(resource);
  if (!place) return;
  if (place->path_prefix != route.access.path) {
    tell_in(report, told, "resource",
            fmt::format("its path must be the route's, `{}`, as that is where clients look",
                        route.access.path));
  }
  JsonWriter json(made.metadata);
  json.begin_object();
  json.member("resource", std::string_view(resource));
  json.key("authorization_servers");
  json.begin_array();
  for (const std::string& server : told.texts("servers")) json.value(std::string_view(server));
  json.end_array();
  json.key("bearer_methods_supported");
  json.begin_array();
  json.value("header");
  json.end_array();
  if (const auto scopes = told.texts("scopes"); !scopes.empty()) {
    json.key("scopes_supported");
    json.begin_array();
    for (const std::string& scope : scopes) json.value(std::string_view(scope));
    json.end_array();
  }
  json.end_object();
  Endpoint origin = *place;
  origin.path_prefix.clear();
  made.challenge = fmt::format("Bearer resource_metadata=\"{}{}{}\"", format_url(origin),
                               kMcpMetadataPath, route.access.path);
}

// What decides about models decides nothing here.
void check_neighbours(Report& report, const View& route) {
  for (const std::string_view key : {"models", "method", "surface", "prompt", "tools", "content",
                                     "guards", "response_guards", "anomalies"}) {
    if (!route.has(key)) continue;
    tell_in(report, route, key,
            fmt::format("a route with `mcp` has no `{}`{}: leave it out", key,
                        key == "tools" ? " of its own, but `mcp.tools`" : ""));
  }
}

}  // namespace

void route_mcp(Report& report, const View& view, const Config& config, Route& route) {
  if (!view.has("mcp")) return;
  check_neighbours(report, view);
  const View mcp = view.section("mcp");
  Mcp made;
  made.rule = fmt::format("routes.{}.mcp", route.name);
  made.upstream = upstream_of(report, mcp, route.name);
  made.tools = access_of(mcp.section("tools"));
  made.prompts = access_of(mcp.section("prompts"));
  made.resources = access_of(mcp.section("resources"));
  check_access(report, mcp.section("tools"), config, made.tools);
  check_access(report, mcp.section("prompts"), config, made.prompts);
  check_access(report, mcp.section("resources"), config, made.resources);
  made.mode = mcp.choice("mode", made.mode);
  for (const std::string& name : mcp.texts("server_requests")) {
    if (const auto request = dialects::mcp_server_request_named(name)) {
      made.server_requests.add(*request);
    }
  }
  made.origins = mcp.texts("origins");
  for (const std::string& origin : made.origins) {
    if (is_origin(origin)) continue;
    tell_in(
        report, mcp, "origins",
        fmt::format("`{}` is no origin: expected `https://host` or `https://host:port`", origin));
  }
  made.hosts = mcp.texts("hosts");
  credentials(report, mcp, config, made);
  read_pins(report, mcp, made);
  authorization(report, mcp, route, made);
  made.answer = mcp.bytes("answer");
  route.prompt.body = mcp.bytes("body");
  route.access.method = "POST";
  route.access.streams = true;
  route.mcp = std::move(made);
}

}  // namespace tollgate::config
