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
};

// On what terms a request is decided: as it asks, or as a budget that it no longer fits would
// still have it.
struct Terms {
  std::string_view model;                // Of the configuration; empty: the one asked.
  std::optional<Tokens> output_tokens;   // Of each choice, at most.
  const cost::Policy* budget = nullptr;  // Whose policy says so; null: as asked.
};

// What the route's content policy said.
enum class Inspected : std::uint8_t {
  kPassed,
  kObserved,  // It would have refused, and only observes.
  kToRedact,  // What was found has to be masked first; then the request is decided.
};

struct Plan {
  const config::Route* route = nullptr;
  const config::Model* model = nullptr;
  const config::Upstream* upstream = nullptr;
  Inspected inspected = Inspected::kPassed;
  std::span<const tools::Offered> tools;  // What the model is told of.
  // Tools that the request has to be written without first; then it is decided.
  std::span<const std::size_t> tools_removed;
  Count input;
  std::int64_t choices = 1;
  Tokens output_cap = 0;        // Per choice; 0 where the surface makes no output.
  Tokens output_cap_total = 0;  // Of all choices.
  Money worst;                  // The price of input and output_cap_total.
  Money guards;                 // What asking the route's guards costs at most.
  Charges charges;
  std::span<const std::string_view> observed;  // Rules that would have refused.

  Money held() const { return add_saturated(worst, guards); }
};

// `usage` of the plan's model by what it is paid at; its amounts are in 0 to kTokensMax. What a
// provider does not say of recordings is what was counted.
cost::Amounts amounts_of(const Plan& plan, const dialects::Usage& usage);
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

// What an MCP request takes of every limit on requests: it has no tokens, and nothing is paid for
// it.
Charges mcp_charges(const config::Config& config, const config::Route& route,
                    const authentication::Identity& caller, const IpAddress& client_ip,
                    Arena& arena);

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
