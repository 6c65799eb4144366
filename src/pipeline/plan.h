// The verdict on one request: a pure function of the configuration, the request, who asks and
// what it counts.
//
// A Plan says which route, model and upstream serve the request, what it may make at most, and
// what every limit and budget has to hold for it. Nothing is taken yet and nothing is sent.
// The same facts give the same plan, or the same refusal.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "base/money.h"
#include "base/refusal.h"
#include "config/config.h"
#include "controls/authentication/authentication.h"
#include "controls/authentication/claims.h"
#include "controls/content/scanner.h"
#include "controls/tools/answer_calls.h"
#include "dialects/reply.h"
#include "dialects/request.h"
#include "pipeline/counting.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

// By what the input is held, where its vocabulary is known.
enum class InputFigure : std::uint8_t {
  kCounted,
  kBounded,  // A token a byte, where that changes nothing of what is decided.
};

struct Facts {
  const config::Config& config;
  authorization::Target target;  // Canonical.
  const authentication::Identity& caller;
  const IpAddress& client_ip;
  const dialects::Request& request;
  Bytes body_bytes = 0;
  InputFigure input = InputFigure::kCounted;
  const authentication::Pepper* pepper = nullptr;  // Null: no stored response can be gone on from.
  WallTime now{};                                  // Whose prices hold.
};

// On what terms a request is decided: as it asks, or as a budget that it no longer fits would
// still have it.
struct Terms {
  std::string_view model;                // Of the configuration; empty: the one asked.
  std::optional<Tokens> output_tokens;   // Of each choice, at most.
  const cost::Policy* budget = nullptr;  // Whose policy says so; null: none.
  std::string_view rule;                 // Else what says so; empty: as asked.
};

// What the route's content policy said.
enum class Inspected : std::uint8_t {
  kPassed,
  kObserved,  // It would have refused, and only observes.
  kToRedact,  // What was found has to be masked first; then the request is decided.
};

// What is paid beside tokens, in the unit of the surface (made.h).
struct Made {
  std::int64_t units = 0;  // At most; 0: nothing.
  cost::UnitPrice price;
  Tokens least_tokens = 0;  // Of an image that is paid by its tokens.
  std::string_view format;  // Of sound, as asked.
};

// Tools that the provider runs and is paid for each call of (paid_tools.h).
struct PaidTools {
  std::int64_t total = 0;    // Calls at most, of all together; 0: none is offered.
  std::int64_t cap = 0;      // As the upstream is told it: dialects::Edits.
  dialects::ToolCalls most;  // Of each.
  Money worst;
};

// What a request has to do with what its provider keeps: responses (stored_response.h) and
// conversations (conversation.h).
struct Kept {
  bool store = false;                // Its own answer is kept too.
  bool is_conversation = false;      // What it goes on from is one, not a response.
  std::string_view previous;         // The provider's id of what it goes on from; or empty…
  std::string_view previous_sealed;  // …as the caller knows it.
  Tokens previous_tokens = 0;        // So much that one holds at most.
  bool any() const { return store || !previous.empty(); }
};

struct Plan {
  const config::Route* route = nullptr;
  const config::Model* model = nullptr;
  const config::PriceList* prices = nullptr;  // Of the model; of what costs nothing null.
  const config::Upstream* upstream = nullptr;
  Inspected inspected = Inspected::kPassed;
  std::span<const tools::Offered> tools;  // What the model is told of.
  // Tools that the request has to be written without first; then it is decided.
  std::span<const std::size_t> tools_removed;
  Kept kept;
  Count input;
  std::int64_t choices = 1;
  Tokens output_cap = 0;        // Per choice; 0 where the surface makes no output.
  Tokens output_cap_total = 0;  // Of all choices.
  Made made;
  PaidTools paid_tools;
  bool has_images = false;
  cost::CacheLifetime cache = cost::CacheLifetime::kNone;  // That the upstream is asked for.
  ServiceTiers tiers;             // By which it may be served, beside the usual one.
  std::string_view tier_written;  // As dialects::Edits has it.
  Money worst;                    // The price of input, output_cap_total and what is made.
  Money guards;                   // What asking the route's guards costs at most.
  Charges charges;
  std::span<const std::string_view> observed;  // Rules that would have refused.

  Money held() const { return add_saturated(add_saturated(worst, paid_tools.worst), guards); }
};

// `usage` of the plan's model by what it is paid at; its amounts are in 0 to kTokensMax. What a
// provider does not say of recordings and images is what was counted, what it does not say of the
// tier, or says of one that was not asked for, the dearest that was held; what it says of writes to
// its cache counts as far as they were asked for.
cost::Amounts amounts_of(const Plan& plan, const dialects::Usage& usage);
// The most that the plan can cost by tokens and units.
Money worst_of(const Plan& plan);
// What that costs.
Money cost_of(const Plan& plan, const dialects::Usage& usage);

// A request of which something has to be masked, or a tool removed, is decided no further: the plan
// says so, and the route that it is for. Views of the plan live in `arena` and `facts`. `record` is
// told what is known even when the answer is a refusal: route, model, count, cap.
//
// On other terms everything is decided anew for the model of the terms, as if the caller had
// asked for it: who may use it here, whether it may be sent the images and recordings that there
// are, what fits its context, its count, its price, its limits and budgets. `before`, where there
// is one, is a plan of the same request: what it counted is taken over where the tokenizer is the
// same.
Expected<Plan> decide(const Facts& facts, Counting& counting, content::Scanner& scanner,
                      Arena& arena, audit::Record& record, const Terms& terms = {},
                      const Plan* before = nullptr);

// The subject that a scope means for this request. A caller without a user is counted by its
// credential, so that being nobody in particular escapes no limit on users.
std::string_view subject_of(limits::Scope scope, const Facts& facts, const config::Route& route,
                            const config::Model& model, Arena& arena);

// What a request that makes nothing takes of every limit and budget.
Charges request_charges(const Facts& facts, const Plan& plan, Arena& arena);

// What an MCP request asks for.
struct McpDemand {
  const config::Mcp* server = nullptr;  // Null: several, or none.
  std::string_view tool;                // That it calls, as the server knows it; empty: none.
};
// What that costs.
Money mcp_price(const McpDemand& demand);
// What it takes of every limit on requests, of those of its tool, and of the budgets where it costs
// something: it has no tokens.
Charges mcp_charges(const config::Config& config, const config::Route& route,
                    const authentication::Identity& caller, const IpAddress& client_ip,
                    const McpDemand& demand, Arena& arena);

// The tenant of that name, or null.
const config::Tenant* tenant_named(const config::Config& config, std::string_view name);

class ConfiguredTenants final : public authentication::Tenants {
 public:
  // Borrows `config`.
  explicit ConfiguredTenants(const config::Config& config) : config_(config) {}
  bool contains(std::string_view name) const override {
    return tenant_named(config_, name) != nullptr;
  }

 private:
  const config::Config& config_;
};

}  // namespace tollgate::pipeline
