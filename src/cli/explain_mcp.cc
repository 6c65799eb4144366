#include "cli/explain_mcp.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "dialects/mcp_message.h"
#include "dialects/request.h"
#include "pipeline/mcp.h"
#include "pipeline/mcp_inspect.h"
#include "pipeline/plan.h"

namespace tollgate::cli {

namespace json = boost::json;

namespace {

// What a client of 2026-07-28 says in its head of such a body.
struct Said {
  std::string version;
  std::string method;
  std::string name;

  explicit Said(std::string_view body) {
    boost::system::error_code bad;
    const json::value read = json::parse(body, bad);
    if (bad) return;
    const auto text_at = [&](std::string_view pointer) {
      boost::system::error_code none;
      const json::value* found = read.find_pointer(pointer, none);
      return found != nullptr && found->is_string() ? std::string(found->get_string())
                                                    : std::string();
    };
    version = text_at("/params/_meta/io.modelcontextprotocol~1protocolVersion");
    method = text_at("/method");
    name = text_at("/params/name");
    if (name.empty()) name = text_at("/params/uri");
    name = dialects::mcp_header_value(name);
  }

  dialects::McpHeaders headers() const {
    dialects::McpHeaders made;
    if (version.empty()) return made;
    made.version = version;
    made.method = method;
    const dialects::McpMethod* row = dialects::mcp_method(method, dialects::McpEra::kModern);
    if (row != nullptr && row->in_header) made.name = name;
    return made;
  }
};

// Whether the server may be asked that.
template <class Tell>
std::optional<Refusal> refused_by(const config::Mcp& server, const authentication::Identity& caller,
                                  const dialects::McpMessage& message, const Tell& tell) {
  bool observed = false;
  const pipeline::McpCallerSight sight(server, caller);
  const auto may = pipeline::check_mcp_names(message, server, sight, observed);
  if (!may) return may.error().refusal;
  if (observed) tell("observed", fmt::format("{} would refuse, were it enforced", server.rule));
  const auto credential = pipeline::mcp_credential(server, caller);
  if (!credential) return credential.error();
  return std::nullopt;
}

}  // namespace

McpExplained explain_mcp(const config::Config& config, const config::Route& route,
                         const authentication::Identity& caller, const IpAddress& address,
                         std::string body, Arena& arena) {
  McpExplained made;
  const auto tell = [&](std::string what, std::string words) {
    made.told.emplace_back(std::move(what), std::move(words));
  };
  const bool several = !route.mcp->servers.empty();
  tell("route", several ? route.name
                        : fmt::format("{} at upstream {}", route.name, route.mcp->upstream.name));
  const Said said(body);
  const std::size_t size = body.size();
  body.append(dialects::RequestReader::kPadding, ' ');
  dialects::McpReader reader;
  const auto message = reader.read(std::string_view(body).substr(0, size), said.headers());
  if (!message) {
    made.refusal = message.error().refusal;
    return made;
  }
  if (message->method != nullptr) tell("method", std::string(message->method->name));
  for (const std::string_view name : message->names) {
    tell("name", fmt::format("{} of {}", name, dialects::name_of(message->item)));
  }
  const config::Mcp* server = &*route.mcp;
  dialects::McpMessage there = *message;
  std::string_view name = message->name();
  if (several) {
    const auto place = pipeline::mcp_place_of(*route.mcp, message->item, name);
    if (!place && !name.empty()) {
      const std::string rule = route.mcp->rule + ".servers";
      made.refusal = pipeline::refuse_mcp_name(rule, message->item, message->id).refusal;
      return made;
    }
    server = place ? place->server : nullptr;
    if (place) name = place->name;
    if (place) there.names = std::span(&name, 1);
    if (place) tell("server", server->upstream.name);
  }
  if (server != nullptr) made.refusal = refused_by(*server, caller, there, tell);
  if (made.refusal) return made;
  const std::string_view tool = pipeline::tool_called(message->method, name);
  using Inspection = pipeline::McpInspection;
  if (Inspection::inspects(route, Inspection::Of::kRequest)) {
    content::Scanner scanner;
    Inspection inspection(route, scanner, config.content_rules, Inspection::Of::kRequest);
    const bool passes = reader.read_texts(inspection);
    for (const pipeline::AnswerFinding& found : inspection.verdict().found) {
      tell("content", fmt::format("{} at {}: {}", found.rule, found.where, found.action));
    }
    if (!passes) made.refusal = inspection.refusal();
    if (!passes) return made;
  }
  const pipeline::McpDemand demand{server, tool};
  if (const Money price = pipeline::mcp_price(demand); price > Money{}) {
    tell("price", fmt::format("${}", format_usd(price)));
  }
  const pipeline::Charges charges =
      pipeline::mcp_charges(config, route, caller, address, demand, arena);
  for (const pipeline::BudgetCharge& charge : charges.budgets) {
    tell("budget", fmt::format("{}: holds ${} of ${} for {}", charge.policy->rule,
                               format_usd(charge.amount), format_usd(charge.policy->limit),
                               charge.subject.empty() ? "all callers" : charge.subject));
  }
  for (const pipeline::LimitCharge& charge : charges.limits) {
    tell("limit", fmt::format("{}: takes {} of {} for {}", charge.policy->rule, charge.amount,
                              charge.policy->limit,
                              charge.subject.empty() ? "all callers" : charge.subject));
  }
  return made;
}

}  // namespace tollgate::cli
