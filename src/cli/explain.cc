// `tollgate explain`: what would be decided on one request, step by step and with the figures
// that decide. Holds nothing and records nothing, and sends nothing unless it is told to ask.
//
// The steps are those of the pipeline, by the same functions. What only a running gateway knows
// (requests at work, rates of the last minute) is taken as untouched, and the words say so;
// money spent is read from the books.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "cli/commands.h"
#include "cli/explain_actor.h"
#include "cli/explain_mcp.h"
#include "cli/gateway.h"
#include "cli/load_config.h"
#include "cli/wall_time.h"
#include "controls/authentication/client_certificate.h"
#include "pipeline/identify.h"
#include "pipeline/plan.h"
#include "pipeline/redaction.h"
#include "pipeline/refusals.h"
#include "storage/spend.h"
#include "storage/store.h"

namespace tollgate::cli {

namespace {

namespace json = boost::json;

struct Step {
  std::string name;
  std::string says;
};

// What is told in the end, as text or JSON.
struct Explanation {
  std::vector<Step> steps;
  std::optional<Refusal> refusal;
  std::string would_ask;  // Not empty: it is not decided, for want of their answer.

  void tell(std::string name, std::string says) {
    steps.push_back({std::move(name), std::move(says)});
  }
};

std::string lines_of(std::string_view name, std::string_view says) {
  return fmt::format("{:<10} {}\n", name, says);
}

int print(const Explanation& explained, dialects::Dialect dialect, bool as_json) {
  const std::optional<Refusal>& refusal = explained.refusal;
  const pipeline::RefusalRow* row = refusal ? &pipeline::row_of(refusal->reason) : nullptr;
  const int status = row == nullptr                          ? 200
                     : dialect == dialects::Dialect::kOpenAi ? row->openai_status
                                                             : row->anthropic_status;
  if (as_json) {
    json::object root;
    json::array steps;
    for (const Step& step : explained.steps) {
      steps.push_back(json::object{{"step", step.name}, {"says", step.says}});
    }
    root["steps"] = std::move(steps);
    json::object decision{{"outcome", refusal ? "refused" : "allowed"}, {"status", status}};
    if (!explained.would_ask.empty()) {
      decision = {{"outcome", "undecided"}, {"would_ask", explained.would_ask}};
    }
    if (refusal) {
      decision["code"] = json::string_view(row->code);
      decision["rule"] = refusal->rule;
      decision["message"] = refusal->message;
      if (!refusal->param.empty()) decision["param"] = refusal->param;
    }
    root["decision"] = std::move(decision);
    fmt::print("{}\n", json::serialize(root));
  } else {
    for (const Step& step : explained.steps) fmt::print("{}", lines_of(step.name, step.says));
    if (!explained.would_ask.empty()) {
      fmt::print(
          "{}", lines_of("decision", fmt::format("not known: a gateway would ask {}; --ask does so",
                                                 explained.would_ask)));
    } else if (refusal) {
      fmt::print(
          "{}", lines_of("decision", fmt::format("refused with {} {}, by {}: {}", status, row->code,
                                                 refusal->rule, refusal->message)));
    } else {
      fmt::print("{}", lines_of("decision", "allowed"));
    }
  }
  return refusal || !explained.would_ask.empty() ? kFindings : kDone;
}

std::string listed(std::span<const std::string_view> names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string words_of(const authentication::Identity& caller) {
  std::string says =
      fmt::format("tenant {}, {}, by {}", caller.tenant,
                  caller.subject.empty() ? "no user" : fmt::format("user {}", caller.subject),
                  authentication::name_of(caller.credential_kind));
  if (!caller.verifier.empty()) says += fmt::format(" of {}", caller.verifier);
  if (!caller.credential_id.empty()) says += fmt::format(" {}", caller.credential_id);
  return says + fmt::format(", roles {}", listed(caller.roles));
}

// What nobody else on this machine should see stands on no command line.
FaultOr<std::string> line_of_input() {
  std::string line;
  if (std::getline(std::cin, line) && !line.empty()) return line;
  return fault(FaultKind::kBroken, "--as -: there is no line on the standard input");
}

// A PEM certificate as a connection would prove it.
std::optional<authentication::ClientCertificate> certificate_in(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string pem{std::istreambuf_iterator<char>(in), {}};
  return authentication::read_client_certificate_pem(pem);
}

FaultOr<Circumstances> circumstances_of(const ExplainOptions& options) {
  Circumstances made;
  if (options.ask) made.others = Circumstances::Others::kAsked;
  if (!options.address.empty()) {
    made.address = read_address(options.address);
    if (!made.address) {
      return fault(FaultKind::kBroken, fmt::format("--address: `{}` is none", options.address));
    }
  }
  if (!options.certificate.empty()) {
    made.certificate = certificate_in(options.certificate);
    if (!made.certificate) {
      return fault(FaultKind::kBroken, fmt::format("--certificate: `{}` holds no PEM certificate",
                                                   options.certificate));
    }
  }
  return made;
}

// Each route at the path, with what it says of the caller and of the model.
void tell_routes(const pipeline::Facts& facts, Explanation& explained) {
  for (const config::Route& route : facts.config.routes) {
    if (route.access.path != facts.target.path) continue;
    const bool serves = authorization::serves(route.access, facts.request.model);
    std::string_view says = "another method, or not on this listener";
    if (authorization::first_at(std::array{&route.access}, facts.target) == 0) {
      says = !authorization::allows(route.access, facts.caller)
                 ? (route.access.mode == Mode::kObserve
                        ? "does not allow this caller, but only observes that"
                        : "does not allow this caller")
             : serves ? "allows this caller and serves the model"
                      : "allows this caller, serves other models";
    }
    explained.tell("route", fmt::format("{}: {}", route.name, says));
  }
}

std::string_view period_of(cost::Window window) {
  return window == cost::Window::kTotal ? "in all" : cost::name_of(window);
}

class Explainer {
 public:
  Explainer(const ExplainOptions& options, const config::Config& config)
      : options_(options), config_(config) {}

  int explain(std::string body);

 private:
  // False: the refusal is told.
  bool refused(Refusal refusal) {
    explained_.refusal = std::move(refusal);
    return false;
  }
  bool find_target();
  FaultOr<bool> find_actor();
  bool find_door();
  FaultOr<bool> decide(std::string& body);
  bool decide_mcp(const std::string& body);
  void tell_plan(const pipeline::Plan& plan);
  void tell_removed(const pipeline::Plan& plan, std::span<const std::string_view> tools);
  void tell_watch(const config::Route& route);
  void tell_guards(const pipeline::Plan& plan);
  bool tell_limits(const pipeline::Plan& plan);
  FaultOr<bool> tell_budgets(const pipeline::Plan& plan);
  FaultOr<std::optional<Money>> spent(const pipeline::BudgetCharge& charge, WallTime start);
  FaultOr<bool> decide_in_order(std::string& body);

  const ExplainOptions& options_;
  const config::Config& config_;
  Arena arena_;
  Explanation explained_;
  authorization::Target target_;
  std::optional<dialects::Surface> surface_;
  ActorBook actors_;
  IpAddress address_{};
  authentication::Identity caller_;
  std::unique_ptr<storage::Database> books_;  // Null: they cannot be seen from here.
};

bool Explainer::find_target() {
  target_.method = "POST";
  const Expected<std::string_view> path = authorization::canonical_path(options_.path, arena_);
  if (!path) return refused(path.error());
  target_.path = *path;
  target_.exposure =
      options_.internal ? authorization::Exposure::kInternal : authorization::Exposure::kPublic;
  explained_.tell("path", fmt::format("{} on {} listener", target_.path,
                                      options_.internal ? "an internal" : "a public"));
  return true;
}

FaultOr<bool> Explainer::find_actor() {
  const FaultOr<Circumstances> circumstances = circumstances_of(options_);
  if (!circumstances) return std::unexpected(circumstances.error());
  const FaultOr<std::string> as = options_.as == "-" ? line_of_input() : options_.as;
  if (!as) return std::unexpected(as.error());
  address_ = circumstances->address.value_or(IpAddress{});
  const FaultOr<Found> found =
      actors_.find(*as, *circumstances, config_, books_.get(), wall_now(), arena_);
  if (!found) return std::unexpected(found.error());
  if (!found->would_ask.empty()) {
    explained_.would_ask = found->would_ask;
    return false;
  }
  if (!found->actor) return refused(found->actor.error());
  caller_ = *found->actor;
  explained_.tell("actor", words_of(caller_));
  return true;
}

bool Explainer::find_door() {
  const int first = authorization::first_at(config_.access, target_);
  if (first < 0) {
    return refused(refuse(Reason::kNotFound, "routes",
                          "There is nothing at this method and path for this listener.")
                       .error());
  }
  surface_ = config_.routes[static_cast<std::size_t>(first)].surface;
  for (const config::Route& route : config_.routes) {
    if (authorization::lets_in(route.access, target_, caller_)) return true;
  }
  const bool nobody = caller_.credential_kind == authentication::CredentialKind::kAnonymous;
  return refused(nobody ? pipeline::refuse_anonymous() : authorization::refuse_caller());
}

void Explainer::tell_plan(const pipeline::Plan& plan) {
  explained_.tell("model", fmt::format("{} at upstream {}", plan.model->name, plan.upstream->name));
  explained_.tell("input", fmt::format("{} tokens, {}", plan.input.tokens,
                                       plan.input.is_bound ? "bounded by the bytes" : "counted"));
  if (plan.output_cap > 0) {
    explained_.tell("output", fmt::format("at most {} tokens a choice, choices: {}",
                                          plan.output_cap, plan.choices));
  }
  explained_.tell("price", fmt::format("at most {} USD", format_usd(plan.worst)));
  for (const std::string_view rule : plan.observed) {
    explained_.tell("observed", fmt::format("{} would refuse, were it enforced", rule));
  }
}

void Explainer::tell_removed(const pipeline::Plan& plan, std::span<const std::string_view> tools) {
  for (const std::size_t which : plan.tools_removed) {
    explained_.tell("tools",
                    fmt::format("routes.{}.tools: removes {}", plan.route->name, tools[which]));
  }
}

// How the caller behaved is known to a running gateway alone.
void Explainer::tell_watch(const config::Route& route) {
  if (!route.anomalies) return;
  const anomalies::Policy& policy = *route.anomalies;
  explained_.tell(
      "anomalies",
      fmt::format("routes.{}.anomalies: from score {} on {}{}; what its caller did before is not "
                  "known here, so it is taken as usual",
                  route.name, policy.threshold, anomalies::name_of(policy.on_anomaly),
                  policy.mode == Mode::kObserve ? ", observed only" : ""));
}

// Nobody is asked: that may cost money.
void Explainer::tell_guards(const pipeline::Plan& plan) {
  for (const int index : plan.route->guards) {
    const config::Guard& guard = config_.guards[static_cast<std::size_t>(index)];
    explained_.tell(
        "guard",
        fmt::format("{}: would be asked at upstream {}; where it matches {}, where it "
                    "fails {}{}",
                    guard.rule, config_.upstreams[static_cast<std::size_t>(guard.upstream)].name,
                    guard.on_match == config::OnGuardMatch::kRefuse ? "refuse" : "flag",
                    guard.on_failure == config::OnGuardFailure::kRefuse ? "refuse" : "pass",
                    guard.mode == Mode::kObserve ? ", observed only" : ""));
  }
  if (plan.route->guards.empty()) return;
  explained_.tell("price",
                  fmt::format("at most {} USD more for the guards", format_usd(plan.guards)));
}

bool Explainer::tell_limits(const pipeline::Plan& plan) {
  for (const pipeline::LimitCharge& charge : plan.charges.limits) {
    const limits::Policy& policy = *charge.policy;
    const bool fits = charge.amount <= policy.limit;
    explained_.tell(
        "limit", fmt::format("{}: takes {} of {} for {}", policy.rule, charge.amount, policy.limit,
                             charge.subject.empty() ? "all callers" : charge.subject));
    if (fits || policy.mode == Mode::kObserve) continue;
    return refused(refuse(Reason::kRateLimited, policy.rule,
                          "The request needs more than this limit ever has.")
                       .error());
  }
  return true;
}

FaultOr<std::optional<Money>> Explainer::spent(const pipeline::BudgetCharge& charge,
                                               WallTime start) {
  if (books_ == nullptr) return std::nullopt;
  const FaultOr<Money> found =
      storage::spent_since(*books_, charge.policy->scope, charge.subject, start);
  if (!found) return std::unexpected(found.error());
  return *found;
}

FaultOr<bool> Explainer::tell_budgets(const pipeline::Plan& plan) {
  const WallTime now = wall_now();
  for (const pipeline::BudgetCharge& charge : plan.charges.budgets) {
    const cost::Policy& policy = *charge.policy;
    cost::Balance balance;
    balance.window_start = cost::start_of(policy.window, policy.zone, now);
    const FaultOr<std::optional<Money>> found = spent(charge, balance.window_start);
    if (!found) return std::unexpected(found.error());
    balance.spent = found->value_or(Money{});
    explained_.tell(
        "budget",
        fmt::format("{}: holds {} of {} USD ({}) for {}, {}", policy.rule,
                    format_usd(charge.amount), format_usd(policy.limit), period_of(policy.window),
                    charge.subject.empty() ? "all callers" : charge.subject,
                    *found ? fmt::format("{} spent", format_usd(balance.spent))
                           : std::string("what is spent cannot be seen from here")));
    if (cost::lets_through(policy)) continue;
    const Expected<cost::Balance> fits =
        cost::hold(policy, balance, charge.amount, now, charge.subject);
    if (!fits) return refused(fits.error());
  }
  return true;
}

bool Explainer::decide_mcp(const std::string& body) {
  for (const config::Route& route : config_.routes) {
    if (!route.mcp || !authorization::lets_in(route.access, target_, caller_)) continue;
    McpExplained found = explain_mcp(config_, route, caller_, address_, body, arena_);
    for (auto& [what, words] : found.told) explained_.tell(what, std::move(words));
    return !found.refusal || refused(*found.refusal);
  }
  return true;
}

FaultOr<bool> Explainer::decide(std::string& body) {
  if (*surface_ == dialects::Surface::kMcp) return decide_mcp(body);
  const auto size = static_cast<Bytes>(body.size());
  body.append(dialects::RequestReader::kPadding, ' ');
  dialects::RequestReader reader;
  Expected<dialects::Request> request =
      reader.read(*surface_, std::string_view(body).substr(0, static_cast<std::size_t>(size)));
  if (!request) return refused(request.error());
  const pipeline::Facts facts{.config = config_,
                              .target = target_,
                              .caller = caller_,
                              .client_ip = address_,
                              .request = *request,
                              .body_bytes = size,
                              .now = wall_now()};
  tell_routes(facts, explained_);

  pipeline::Vocabularies vocabularies(vocabulary_directory());
  for (const config::Model& model : config_.models) {
    if (model.name != request->model || model.tokenizer.empty()) continue;
    const FaultOr<void> loaded = vocabularies.ensure(model.tokenizer);
    if (!loaded) return std::unexpected(loaded.error());
  }
  pipeline::Counting counting(vocabularies);
  content::Scanner scanner;
  audit::Record record;
  Expected<pipeline::Plan> plan = pipeline::decide(facts, counting, scanner, arena_, record);
  for (const audit::ContentFinding& found : record.content) {
    explained_.tell("content", fmt::format("{} at {}: {}", found.rule, found.where, found.action));
  }
  pipeline::Redaction redaction;
  const std::span<const std::string_view> tools = record.tools_offered;
  if (!tools.empty()) explained_.tell("tools", fmt::format("offers {}", listed(tools)));
  while (plan &&
         (plan->inspected == pipeline::Inspected::kToRedact || !plan->tools_removed.empty())) {
    if (!plan->tools_removed.empty()) {
      tell_removed(*plan, tools);
      redaction.leave_out(reader, plan->tools_removed);
    } else {
      const Expected<void> masked = redaction.mask(reader, *request, scanner, *plan->route);
      if (!masked) return refused(masked.error());
    }
    request = reader.read(*surface_, redaction.body());
    if (!request) return refused(request.error());
    plan = pipeline::decide(facts, counting, scanner, arena_, record);
  }
  if (!plan) return refused(plan.error());
  tell_plan(*plan);
  tell_watch(*plan->route);
  tell_guards(*plan);
  if (!tell_limits(*plan)) return false;
  return tell_budgets(*plan);
}

FaultOr<bool> Explainer::decide_in_order(std::string& body) {
  if (!find_target()) return false;
  const FaultOr<bool> known = find_actor();
  if (!known || !*known) return known;
  if (!find_door()) return false;
  return decide(body);
}

int Explainer::explain(std::string body) {
  if (FaultOr<std::unique_ptr<storage::Database>> books =
          storage::open_for_command(config_.store)) {
    books_ = std::move(*books);
  } else {
    explained_.tell("books", fmt::format("cannot be read: {}", books.error().message));
  }
  const FaultOr<bool> decided = decide_in_order(body);
  if (!decided) return faulty(decided.error());
  const dialects::Surface surface = surface_.value_or(dialects::Surface::kChatCompletions);
  return print(explained_, dialects::dialect_of(surface), options_.json);
}

}  // namespace

int explain(const ExplainOptions& options) {
  if (options.as.empty() && options.certificate.empty()) {
    return wrong_use("explain wants to know who asks: --as WHO, --certificate FILE or both");
  }
  const std::shared_ptr<const config::Config> config = load_config(options.config);
  if (!config) return kWrongUse;
  std::string body;
  if (options.request == "-") {
    body.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(options.request, std::ios::binary);
    body.assign(std::istreambuf_iterator<char>(file), {});
    if (!file.is_open() || file.bad()) {
      return wrong_use(fmt::format("cannot read {}", options.request));
    }
  }
  return Explainer(options, *config).explain(std::move(body));
}

}  // namespace tollgate::cli
