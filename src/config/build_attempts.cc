// What the file says of attempts: who steps in when a model fails or costs too much, how often a
// request is tried again, and when an endpoint is left alone.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "config/build.h"

namespace tollgate::config {

namespace {

// A request tells by a bit which places it has tried.
constexpr int kPlacesMax = 64;

attempts::Failures failures_of(const View& model) {
  using attempts::Failure;
  attempts::Failures made;
  if (!model.has("fallback_on")) {
    made.add(Failure::kError);
    made.add(Failure::kOverloaded);
    made.add(Failure::kTimeout);
    return made;
  }
  for (const std::string& name : model.texts("fallback_on")) {
    const auto* const found = std::ranges::find(attempts::kFailures, name);
    if (found == attempts::kFailures.end()) continue;
    made.add(static_cast<Failure>(found - attempts::kFailures.begin()));
  }
  return made;
}

std::vector<attempts::Downgrade> downgrades_of(Report& report, const View& model) {
  std::vector<attempts::Downgrade> made;
  for (const View& view : entries_of(model, "downgrade")) {
    attempts::Downgrade one;
    one.rule = view.path();
    one.to = view.text("to");
    if (view.has("budget_used")) one.budget_used = parse_share(view.text("budget_used"));
    one.request_usd = view.money("request_usd");
    one.tenants = view.texts("tenants");
    if (!view.has("budget_used") && !view.has("request_usd") && !view.has("tenants")) {
      tell_in(report, view, "to",
              "it says nothing of when: name `budget_used`, `request_usd` or `tenants`");
    }
    made.push_back(std::move(one));
  }
  return made;
}

class AttemptsValidator {
 public:
  AttemptsValidator(const Config& config, const Node& root, Report& report)
      : config_(config), root_(root), report_(report) {}

  void validate() {
    for (std::size_t i = 0; i < config_.models.size(); ++i) {
      const Model& model = config_.models[i];
      for (std::size_t at = 0; at < model.fallback.models.size(); ++at) {
        stands_in(model, model.fallback.models[at], fmt::format("{}[{}]", model.fallback.rule, at));
      }
      for (const attempts::Downgrade& line : model.downgrades) {
        stands_in(model, line.to, line.rule + ".to");
        for (const std::string& tenant : line.tenants) {
          if (index_of(config_.tenants, tenant) >= 0) continue;
          tell(line.rule + ".tenants", unknown_name(tenant, "tenant", config_.tenants));
        }
      }
    }
  }

 private:
  void tell(const std::string& field, std::string message) {
    report_.tell(*find_path(root_, field), field, std::move(message));
  }

  void stands_in(const Model& model, const std::string& name, const std::string& field) {
    if (name == model.name) return tell(field, "a model cannot stand in for itself");
    const int index = index_of(config_.models, name);
    if (index < 0) return tell(field, unknown_name(name, "model", config_.models));
    const int asked = index_of(config_.models, model.name);
    if (config_.models[static_cast<std::size_t>(index)].upstream < 0 || is_beside(asked, index)) {
      return;
    }
    tell(field, fmt::format("`{0}` can never stand in for `{1}`: a request stays on its path, and "
                            "no path serves both to the same callers; name `{0}` in the `models` "
                            "of a route that serves `{1}`",
                            name, model.name));
  }

  // Whether some caller may ask for both at one door.
  bool is_beside(int asked, int other) const {
    const auto serves = [](const Route& route, int model) {
      return std::ranges::count(route.models, model) != 0;
    };
    return std::ranges::any_of(config_.routes, [&](const Route& from) {
      return serves(from, asked) && std::ranges::any_of(config_.routes, [&](const Route& to) {
               return serves(to, other) && from.access.path == to.access.path &&
                      from.access.method == to.access.method &&
                      (&from == &to || share_callers(from, to));
             });
    });
  }

  const Config& config_;
  const Node& root_;
  Report& report_;
};

}  // namespace

std::optional<overload::QueuePolicy> build_queue(const View& upstream) {
  if (!upstream.has("queue")) return std::nullopt;
  const View view = upstream.section("queue");
  return overload::QueuePolicy{.length = view.count("length"), .wait = view.duration("wait")};
}

std::optional<attempts::HealthCheck> build_health_check(const View& upstream) {
  if (!upstream.has("health_check")) return std::nullopt;
  const View view = upstream.section("health_check");
  return attempts::HealthCheck{.path = view.text("path"), .every = view.duration("every")};
}

attempts::BreakerPolicy build_breaker(const View& upstream, Report& report) {
  const View view = upstream.section("circuit_breaker");
  attempts::BreakerPolicy made;
  made.consecutive_failures = static_cast<int>(view.count("consecutive_failures"));
  made.failed_share = parse_share(view.text("failed_share")).value_or(made.failed_share);
  if (made.failed_share <= 0) {
    tell_in(report, view, "failed_share",
            "a share of 0 is reached without a failure: expected more, up to 1");
  }
  made.open = view.duration("open");
  made.open_max = view.duration("open_max");
  made.slow_start = view.duration("slow_start");
  if (made.open > made.open_max) {
    if (view.has("open_max")) {
      tell_in(report, view, "open_max", "expected at least `open`: it grows up to this");
    } else {
      made.open_max = made.open;
    }
  }
  return made;
}

void upstream_credentials(Report& report, const View& view, Upstream& upstream) {
  const std::vector<std::string> all = view.texts("credentials");
  if (view.has("credential") && view.has("credentials")) {
    tell_in(report, view, "credentials",
            "expected `credential` or `credentials`, found both: write all of them here");
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i == 0) {
      upstream.credential = Secret(all[i]);
    } else {
      upstream.further_credentials.emplace_back(all[i]);
    }
  }
  if (upstream.places() > kPlacesMax) {
    tell_in(report, view, "credentials",
            fmt::format("endpoints times credentials are {}: expected at most {}",
                        upstream.places(), kPlacesMax));
  }
}

attempts::RetryPolicy build_retries(const View& root) {
  const View view = root.section("retries");
  attempts::RetryPolicy made;
  made.share = parse_share(view.text("share")).value_or(made.share);
  made.attempts = static_cast<int>(view.count("attempts"));
  return made;
}

void model_attempts(Report& report, const View& view, Model& model) {
  model.fallback.models = view.texts("fallback");
  model.fallback.on = failures_of(view);
  if (view.has("fallback_after")) model.fallback.after = view.duration("fallback_after");
  model.fallback.rule = view.path("fallback");
  for (const std::string_view key : {"fallback_on", "fallback_after"}) {
    if (view.has(key) && !view.has("fallback")) {
      tell_in(report, view, key, "there is nothing to fall back to: write `fallback` as well");
    }
  }
  model.downgrades = downgrades_of(report, view);
}

void validate_attempts(const Config& config, const Node& root, Report& report) {
  AttemptsValidator(config, root, report).validate();
}

}  // namespace tollgate::config
