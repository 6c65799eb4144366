#include "cli/explain_mcp.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "dialects/mcp_message.h"
#include "dialects/request.h"
#include "pipeline/mcp.h"
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

}  // namespace

McpExplained explain_mcp(const config::Config& config, const config::Route& route,
                         const authentication::Identity& caller, const IpAddress& address,
                         std::string body, Arena& arena) {
  McpExplained made;
  const auto tell = [&](std::string what, std::string words) {
    made.told.emplace_back(std::move(what), std::move(words));
  };
  tell("route", fmt::format("{} at upstream {}", route.name, route.mcp->upstream.name));
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
  bool observed = false;
  const pipeline::McpCallerSight sight(*route.mcp, caller);
  const auto may = pipeline::check_mcp_names(*message, *route.mcp, sight, observed);
  if (!may) {
    made.refusal = may.error().refusal;
    return made;
  }
  if (observed) {
    tell("observed", fmt::format("{} would refuse, were it enforced", route.mcp->rule));
  }
  for (const pipeline::LimitCharge& charge :
       pipeline::mcp_charges(config, route, caller, address, arena).limits) {
    tell("limit", fmt::format("{}: takes {} of {} for {}", charge.policy->rule, charge.amount,
                              charge.policy->limit,
                              charge.subject.empty() ? "all callers" : charge.subject));
  }
  return made;
}

}  // namespace tollgate::cli
