#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json_writer.h"
#include "config/build.h"
#include "config/mcp_pins.h"
#include "config/shape_mcp.h"
#include "dialects/mcp_server_id.h"

namespace tollgate::config {

namespace {

authorization::NamedAccess access_of(const View& view) {
  authorization::NamedAccess made;
  made.allow = authorization::NamePatterns(view.texts("allow"));
  const auto groups = [&view](std::string_view key) {
    std::vector<authorization::NamedAccess::Group> all;
    for (auto& [name, allow] : view.lists(key)) {
      all.push_back({name, authorization::NamePatterns(std::move(allow))});
    }
    std::ranges::sort(all, {}, &authorization::NamedAccess::Group::name);
    return all;
  };
  made.by_role = groups("by_role");
  made.by_tenant = groups("by_tenant");
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
  check_patterns(report, view, access.allow.entries(), "allow");
  for (const auto& group : access.by_role) {
    check_patterns(report, view, group.allow.entries(), "by_role");
  }
  for (const auto& group : access.by_tenant) {
    check_patterns(report, view, group.allow.entries(), "by_tenant");
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

Upstream upstream_of(Report& report, const View& view, std::string name) {
  Upstream made;
  made.name = std::move(name);
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

// A user is of a tenant: the same name in another is somebody else.
void user_credentials(Report& report, const View& view, const Config& config, Mcp& made) {
  constexpr std::string_view kField = "credential_by_user";
  for (auto& [user, secret] : view.pairs(kField)) {
    const std::size_t slash = user.find('/');
    if (slash == std::string::npos || slash + 1 == user.size()) {
      tell_in(report, view, kField,
              fmt::format("`{}` is no user: write `TENANT/USER`, such as `acme/alice`", user));
      continue;
    }
    const std::string tenant = user.substr(0, slash);
    if (index_of(config.tenants, tenant) < 0) {
      tell_in(report, view, kField, unknown_name(tenant, "tenant", config.tenants));
    }
    if (secret.empty()) {
      tell_in(report, view, kField, fmt::format("the credential of `{}` is empty", user));
    }
    made.user_credentials.emplace_back(user, Secret(std::move(secret)));
  }
  if (view.has(kField) && view.has("credential_by_tenant")) {
    tell_in(report, view, kField,
            "whoever has no credential here is refused, so `credential_by_tenant` never applies: "
            "leave one of the two out");
  }
}

// A call has no tokens.
void tool_limits(Report& report, const View& view, Mcp& made) {
  for (const View& tool : view.each("tool_limits")) {
    McpToolLimits of{.tool = tool.name(), .limits = {}, .price_per_call = {}};
    of.price_per_call = tool.money("price_per_call");
    for (const Field& field : kMcpToolLimitsFields) {
      if (field.kind != Kind::kSection) continue;
      const limits::Scope scope = *limits::scope_named(field.key);
      const View written = tool.section(field.key);
      for (int j = 0; j < limits::kFigureCount; ++j) {
        const auto figure = static_cast<limits::Figure>(j);
        const std::string_view key = limits::name_of(figure);
        if (!written.has(key)) continue;
        if (key.find("tokens") != std::string_view::npos) {
          tell_in(report, written, key, "a call of a tool has no tokens: limit its requests");
          continue;
        }
        of.limits.push_back({.mode = written.choice("mode", Mode::kEnforce),
                             .scope = scope,
                             .figure = figure,
                             .limit = std::max<std::int64_t>(1, written.count(key)),
                             .rule = fmt::format("{}.tool_limits.{}.{}.{}", made.rule, of.tool,
                                                 limits::name_of(scope), key)});
      }
    }
    if (!dialects::is_mcp_name(of.tool)) {
      tell_in(report, view, "tool_limits", fmt::format("`{}` is no name of a tool", of.tool));
    } else if (of.limits.empty() && !of.price_per_call) {
      tell_in(report, view, "tool_limits",
              fmt::format("`{}`: no figure is written: this limits nothing", of.tool));
    }
    made.tool_limits.push_back(std::move(of));
  }
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
  for (const std::string_view key : {"models", "method", "surface", "prompt", "tools", "guards",
                                     "response_guards", "anomalies", "cache", "idempotency"}) {
    if (!route.has(key)) continue;
    tell_in(report, route, key,
            fmt::format("a route with `mcp` has no `{}`{}: leave it out", key,
                        key == "tools" ? " of its own, but `mcp.tools`" : ""));
  }
}

// What is of a server: its own, or one of several.
Mcp server_of(Report& report, const View& view, const Config& config, std::string rule,
              std::string upstream) {
  Mcp made;
  made.rule = std::move(rule);
  made.upstream = upstream_of(report, view, std::move(upstream));
  made.tools = access_of(view.section("tools"));
  made.prompts = access_of(view.section("prompts"));
  made.resources = access_of(view.section("resources"));
  check_access(report, view.section("tools"), config, made.tools);
  check_access(report, view.section("prompts"), config, made.prompts);
  check_access(report, view.section("resources"), config, made.resources);
  made.mode = view.choice("mode", made.mode);
  for (const std::string& name : view.texts("server_requests")) {
    if (const auto request = dialects::mcp_server_request_named(name)) {
      made.server_requests.add(*request);
    }
  }
  credentials(report, view, config, made);
  user_credentials(report, view, config, made);
  tool_limits(report, view, made);
  made.price_per_call = view.money("price_per_call").value_or(Money{});
  read_pins(report, view, made);
  made.answer = view.bytes("answer");
  return made;
}

std::vector<std::string_view> names_in(const authorization::NamedAccess& access) {
  std::vector<std::string_view> all;
  const auto add = [&all](const authorization::NamePatterns& patterns) {
    all.insert(all.end(), patterns.entries().begin(), patterns.entries().end());
  };
  add(access.allow);
  for (const auto& group : access.by_role) add(group.allow);
  for (const auto& group : access.by_tenant) add(group.allow);
  return all;
}

// A tool whose name no model could be told of behind that of its server.
void check_tool_names(Report& report, const View& view, const Mcp& server) {
  for (const std::string_view name : names_in(server.tools)) {
    if (name.ends_with('*') || is_mcp_tool_of(server.name, name)) continue;
    tell_in(report, view, "tools",
            fmt::format("`{}{}{}` can be no tool's name here: models take `A-Z a-z 0-9 _ -`, and "
                        "{} characters at most",
                        server.name, dialects::kMcpServerSeparator, name, kMcpToolBytesMax));
  }
}

// An address is of the one server whose `resources` name it, so no two may name it.
void check_shared_resources(Report& report, const View& view, const Mcp& server,
                            const std::vector<Mcp>& others) {
  const auto overlap = [](std::string_view a, std::string_view b) {
    const bool a_begins = a.ends_with('*');
    const bool b_begins = b.ends_with('*');
    if (a_begins) a.remove_suffix(1);
    if (b_begins) b.remove_suffix(1);
    return (a_begins && b.starts_with(a)) || (b_begins && a.starts_with(b)) || a == b;
  };
  for (const Mcp& other : others) {
    for (const std::string_view mine : names_in(server.resources)) {
      for (const std::string_view theirs : names_in(other.resources)) {
        if (!overlap(mine, theirs)) continue;
        return tell_in(report, view, "resources",
                       fmt::format("`{}` may name what `{}` of server `{}` names: an address is of "
                                   "one server, so let no two patterns share one",
                                   mine, theirs, other.name));
      }
    }
  }
}

void several_servers(Report& report, const View& mcp, const Config& config, const Route& route,
                     Mcp& made) {
  for (const Field& field : kMcpServerFields) {
    tell_in(report, mcp, field.key, "with `servers` each of them says this itself: write it there");
  }
  const std::vector<View> written = mcp.each("servers");
  if (written.empty()) return tell_in(report, mcp, "servers", "no server is written");
  if (written.size() > kMcpServersMax) return;  // Which is told of by its shape.
  for (const View& view : written) {
    const std::string& name = view.name();
    if (!is_mcp_server_name(name)) {
      tell_in(report, mcp, "servers",
              fmt::format("`{}` can be no server's name: expected 1 to 32 of `a-z 0-9 -`, as it "
                          "stands before the names of tools",
                          name));
      continue;
    }
    Mcp server = server_of(report, view, config, fmt::format("{}.servers.{}", made.rule, name),
                           fmt::format("mcp:{}/{}", route.name, name));
    server.name = name;
    check_tool_names(report, view, server);
    check_shared_resources(report, view, server, made.servers);
    made.servers.push_back(std::move(server));
  }
}

}  // namespace

bool is_mcp_server_name(std::string_view name) {
  return !name.empty() && name.size() <= 32 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool is_mcp_tool_of(std::string_view server, std::string_view tool) {
  return dialects::is_mcp_name(tool) && tool.find_first_of("./") == std::string_view::npos &&
         server.size() + dialects::kMcpServerSeparator.size() + tool.size() <= kMcpToolBytesMax;
}

void route_mcp(Report& report, const View& view, const Config& config, Route& route) {
  if (!view.has("mcp")) return;
  check_neighbours(report, view);
  const View mcp = view.section("mcp");
  const std::string rule = fmt::format("routes.{}.mcp", route.name);
  Mcp made;
  if (mcp.has("servers")) {
    made.rule = rule;
    several_servers(report, mcp, config, route, made);
  } else {
    // No name that an operator can give to another upstream.
    made = server_of(report, mcp, config, rule, "mcp:" + route.name);
    if (!mcp.has("url")) {
      tell_in(report, view, "mcp",
              "`url` is missing: it says where the server is; or name several in `servers`");
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
  authorization(report, mcp, route, made);
  route.prompt.body = mcp.bytes("body");
  route.access.method = "POST";
  route.access.streams = true;
  route.mcp = std::move(made);
}

}  // namespace tollgate::config
