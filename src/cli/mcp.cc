// `tollgate mcp`: what the tools of an MCP server say of themselves, against what was approved.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <expected>
#include <filesystem>
#include <fstream>
#include <set>

#include "cli/commands.h"
#include "cli/load_config.h"
#include "cli/mcp_tools.h"
#include "config/mcp_pins.h"
#include "controls/audit/audit.h"

namespace tollgate::cli {

namespace json = boost::json;

namespace {

enum class Change : std::uint8_t { kNew, kChanged, kGone };

std::string_view name_of(Change change) {
  switch (change) {
    case Change::kNew:
      return "new";
    case Change::kChanged:
      return "changed";
    case Change::kGone:
      break;
  }
  return "gone";
}

struct Difference {
  Change change{};
  std::string tool;
  std::string before;  // Canonical JSON; empty: none.
  std::string after;
};

std::vector<Difference> differences(const config::McpPins& pins,
                                    const std::vector<McpTool>& tools) {
  std::vector<Difference> made;
  for (const McpTool& tool : tools) {
    const config::McpPins::Pin* pin = pins.find(tool.name);
    if (pin == nullptr) {
      made.push_back({Change::kNew, tool.name, {}, tool.definition});
    } else if (pin->definition != tool.definition) {
      made.push_back({Change::kChanged, tool.name, pin->definition, tool.definition});
    }
  }
  for (const config::McpPins::Pin& pin : pins.pins()) {
    if (std::ranges::find(tools, pin.tool, &McpTool::name) != tools.end()) continue;
    made.push_back({Change::kGone, pin.tool, pin.definition, {}});
  }
  return made;
}

// Member by member, as a reviewer reads it; a server's text, so made visible.
void print_members(std::string_view sign, const std::string& definition, const std::string& other) {
  boost::system::error_code bad;
  const json::value read = json::parse(definition, bad);
  const json::value beside = other.empty() ? json::value() : json::parse(other, bad);
  if (!read.is_object()) return;
  for (const auto& [key, value] : read.get_object()) {
    const json::value* same = beside.is_object() ? beside.get_object().if_contains(key) : nullptr;
    if (same != nullptr && *same == value) continue;
    fmt::print("  {} {}: {}\n", sign, audit::visible(key), audit::visible(json::serialize(value)));
  }
}

void print(const std::vector<Difference>& all, bool as_json) {
  if (as_json) {
    json::array rows;
    for (const Difference& each : all) {
      json::object row{{"tool", each.tool}, {"change", json::string(name_of(each.change))}};
      boost::system::error_code bad;
      if (!each.before.empty()) row["approved"] = json::parse(each.before, bad);
      if (!each.after.empty()) row["now"] = json::parse(each.after, bad);
      rows.push_back(std::move(row));
    }
    fmt::print("{}\n", json::serialize(rows));
    return;
  }
  for (const Difference& each : all) {
    fmt::print("{}: {}\n", each.tool, name_of(each.change));
    print_members("-", each.before, each.after);
    print_members("+", each.after, each.before);
  }
}

// "ROUTE", or "ROUTE/SERVER" of several servers; else what is wrong with it.
std::expected<const config::Mcp*, std::string> mcp_of(const config::Config& config,
                                                      const std::string& name) {
  const std::size_t slash = name.find('/');
  const std::string route_name = name.substr(0, slash);
  const auto route = std::ranges::find(config.routes, route_name, &config::Route::name);
  if (route == config.routes.end() || !route->mcp) {
    return std::unexpected(fmt::format("there is no route `{}` with `mcp`", route_name));
  }
  if (slash == std::string::npos && route->mcp->servers.empty()) return &*route->mcp;
  const std::string server = slash == std::string::npos ? "" : name.substr(slash + 1);
  std::string known;
  for (const config::Mcp& each : route->mcp->servers) {
    if (each.name == server) return &each;
    known += fmt::format("{}`{}/{}`", known.empty() ? "" : ", ", route_name, each.name);
  }
  if (known.empty()) {
    return std::unexpected(
        fmt::format("route `{}` has one server: name the route alone", route_name));
  }
  return std::unexpected(
      fmt::format("route `{}` has several servers: name one of {}", route_name, known));
}

// Beside the old file first, so that a gateway never reads half of it.
FaultOr<void> save(const std::string& file, const std::string& text) {
  const std::string part = file + ".part";
  {
    std::ofstream out(part, std::ios::binary | std::ios::trunc);
    out << text;
    out.flush();
    if (!out) return fault(FaultKind::kUnreachable, fmt::format("`{}` cannot be written", part));
  }
  std::error_code bad;
  std::filesystem::rename(part, file, bad);
  if (!bad) return {};
  return fault(FaultKind::kUnreachable,
               fmt::format("`{}` cannot be replaced: {}", file, bad.message()));
}

int approve(const McpOptions& options, const config::Mcp& mcp, const std::vector<McpTool>& tools,
            const std::vector<Difference>& all) {
  std::set<std::string> chosen(options.tools.begin(), options.tools.end());
  for (const std::string& tool : chosen) {
    if (std::ranges::find(all, tool, &Difference::tool) != all.end()) continue;
    return wrong_use(fmt::format("nothing is to be approved of `{}`: run `tollgate mcp diff {}`",
                                 audit::visible(tool), options.route));
  }
  const auto is_chosen = [&](const std::string& tool) {
    return chosen.empty() || chosen.contains(tool);
  };
  config::McpPins made;
  for (const McpTool& tool : tools) {
    const config::McpPins::Pin* pin = mcp.pins->find(tool.name);
    if (is_chosen(tool.name)) {
      made.add(tool.name, tool.definition);
    } else if (pin != nullptr) {
      made.add(pin->tool, pin->definition);
    }
  }
  for (const Difference& each : all) {
    if (each.change == Change::kGone && !is_chosen(each.tool)) made.add(each.tool, each.before);
  }
  if (const FaultOr<void> saved = save(mcp.pins_file, made.write()); !saved) {
    return faulty(saved.error());
  }
  if (!options.json) {
    fmt::print("{}: {} tools. A gateway that runs takes it over at SIGHUP.\n", mcp.pins_file,
               made.pins().size());
  }
  return kDone;
}

}  // namespace

int mcp(const McpOptions& options) {
  const std::shared_ptr<const config::Config> config = load_config(options.config);
  if (config == nullptr) return kWrongUse;
  const auto found = mcp_of(*config, options.route);
  if (!found) return wrong_use(found.error());
  const config::Mcp* mcp = *found;
  if (mcp->pins == nullptr) {
    return wrong_use(fmt::format("`{}` has no `pins`: name a file there", mcp->rule));
  }
  const FaultOr<std::vector<McpTool>> tools = fetch_mcp_tools(*mcp);
  if (!tools) return faulty(tools.error());
  const std::vector<Difference> all = differences(*mcp->pins, *tools);
  print(all, options.json);
  if (options.action == McpOptions::Action::kApprove) return approve(options, *mcp, *tools, all);
  if (all.empty() && !options.json) fmt::print("All is as approved.\n");
  return all.empty() ? kDone : kFindings;
}

}  // namespace tollgate::cli
