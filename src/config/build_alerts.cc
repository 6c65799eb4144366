// `alerts` and `notify`: who is told of what, and what is done about it by itself.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/build.h"

namespace tollgate::config {

namespace {

using alerts::Action;
using alerts::Condition;

constexpr std::size_t kSecretMin = 16;

class AlertBuilder {
 public:
  AlertBuilder(const View& root, Config& config, Report& report)
      : root_(root), config_(config), report_(report) {}

  void build() {
    for (const View& view : root_.each("notify")) config_.alerts.notify.push_back(target(view));
    for (const View& view : root_.each("alerts")) {
      const std::optional<alerts::Rule> made = rule(view);
      if (made) config_.alerts.rules.push_back(*made);
    }
    count_shares();
  }

 private:
  alerts::Target target(const View& view) {
    alerts::Target made;
    made.name = view.name();
    made.internal = view.flag("internal");
    made.secret = Secret(view.text("secret"));
    made.certificate_authority = authority_of(report_, view);
    constexpr std::array kKinds = {"webhook", "slack", "alertmanager", "email"};
    int kinds = 0;
    for (std::size_t i = 0; i < kKinds.size(); ++i) {
      if (!view.has(kKinds[i])) continue;
      made.kind = static_cast<alerts::TargetKind>(i);
      made.url = Secret(view.text(kKinds[i]));
      ++kinds;
    }
    if (kinds != 1 && view.node() != nullptr) {
      report_.tell(*view.node(), view.path(),
                   "expected exactly one of `webhook`, `slack`, `alertmanager`, `email`");
    }
    const bool is_mail = made.kind == alerts::TargetKind::kEmail && view.has("email");
    is_mail ? build_email(report_, view, made) : check_target(view, made);
    if (!is_mail) check_no_email(view);
    return made;
  }

  void check_no_email(const View& view) {
    for (const char* key : {"from", "to", "user", "password", "password_file"}) {
      if (view.has(key)) tell_in(report_, view, key, "only an `email` has one");
    }
  }

  void check_target(const View& view, const alerts::Target& made) {
    const bool signs = made.kind == alerts::TargetKind::kWebhook;
    const std::string_view key = alerts::name_of(made.kind);
    if (signs && view.has("webhook") && made.secret.reveal().size() < kSecretMin) {
      tell_in(report_, view, view.has("secret") ? "secret" : "webhook",
              "a webhook is signed: give it a `secret` of at least 16 characters, such as "
              "`\"${HOOK_SECRET}\"`");
    }
    if (!signs && view.has("secret")) tell_in(report_, view, "secret", "only a `webhook` has one");
    if (made.url.empty()) return;
    const std::optional<Endpoint> at = parse_url(made.url.reveal());
    if (!at) return tell_in(report_, view, key, "expected a URL, `https://HOST/PATH`");
    if (!at->tls && !made.internal) {
      tell_in(report_, view, key,
              "expected `https://`: what is told of callers is not for the network; inside your "
              "own say `internal: true`");
    }
  }

  std::optional<alerts::Rule> rule(const View& view) {
    alerts::Rule made;
    made.rule = view.path();
    if (!condition(view, made)) return std::nullopt;
    made.cooldown = view.duration("cooldown");
    made.lasts = view.duration("for");
    made.action = view.choice("do", made.action);
    const View terms = view.section("do");
    if (terms.has("cap_output_tokens")) {
      made.action = Action::kCapOutputTokens;
      made.cap_output_tokens = std::max<Tokens>(1, terms.count("cap_output_tokens"));
    } else if (terms.has("downgrade_to")) {
      made.action = Action::kDowngradeTo;
      made.downgrade_to = terms.text("downgrade_to");
    }
    for (const std::string& name : view.texts("notify")) {
      if (index_of(config_.alerts.notify, name) < 0) {
        tell_in(report_, view, "notify",
                unknown_name(name, "target in `notify`", config_.alerts.notify));
      } else if (std::ranges::count(made.notify, name) != 0) {
        tell_in(report_, view, "notify", fmt::format("`{}` is there twice", name));
      } else {
        made.notify.push_back(name);
      }
    }
    check_rule(view, made);
    return made;
  }

  // Exactly one of them. False: it was told that it is not.
  bool condition(const View& view, alerts::Rule& made) {
    const View when = view.section("when");
    int written = 0;
    for (int i = 0; i < alerts::kConditionCount; ++i) {
      const auto each = static_cast<Condition>(i);
      if (!when.has(alerts::name_of(each))) continue;
      made.when = each;
      ++written;
    }
    if (written != 1) {
      tell_in(report_, view, "when", "expected exactly one condition, such as `spend_velocity`");
      return false;
    }
    const std::string_view key = alerts::name_of(made.when);
    switch (made.when) {
      case Condition::kSpendVelocity:
        spend_velocity(when.section(key), made);
        break;
      case Condition::kRefusals:
      case Condition::kAuthenticationFailures:
      case Condition::kUpstreamDown:
        made.count = when.section(key).count("count");
        made.over = when.section(key).duration("over");
        if (made.when == Condition::kRefusals) made.scope = scope_of(when.section(key));
        break;
      case Condition::kStoreDegraded:
        made.over = when.duration(key);
        break;
      case Condition::kBudgetReached:
      case Condition::kAuditLag:
      case Condition::kTokenCountDrift:
        made.share = parse_share(when.text(key)).value_or(0);
        if (made.share <= 0) tell_in(report_, when, key, "expected a share above 0");
        break;
    }
    return true;
  }

  static limits::Scope scope_of(const View& view) {
    return limits::scope_named(view.text("scope")).value_or(limits::Scope::kTenantId);
  }

  void spend_velocity(const View& view, alerts::Rule& made) {
    made.scope = scope_of(view);
    made.over = view.duration("over");
    made.times_usual = static_cast<double>(view.count("times_usual"));
    made.at_least = view.money("at_least").value_or(Money{});
    if (view.has("newcomers")) made.newcomers = view.money("newcomers");
  }

  // What it says and what can never come about.
  void check_rule(const View& view, const alerts::Rule& made) {
    const bool has_subject = made.when == Condition::kSpendVelocity ||
                             made.when == Condition::kBudgetReached ||
                             made.when == Condition::kRefusals;
    if (made.action != Action::kNone && !has_subject) {
      tell_in(report_, view, "do",
              fmt::format("`{}` is about no caller: there is nobody to do it to",
                          alerts::name_of(made.when)));
    }
    if (made.action == Action::kNone && !view.has("notify")) {
      tell_in(report_, view, "when", "it tells nobody and does nothing: say `notify` or `do`");
    }
    if (made.action == Action::kNone && view.has("for")) {
      tell_in(report_, view, "for", "nothing is done that could end: say `do`, or leave it out");
    }
    if (made.when == Condition::kBudgetReached && !has_budget()) {
      tell_in(report_, view, "when", "there is no budget that could be reached");
    }
    if (made.action != Action::kDowngradeTo) return;
    const int model = index_of(config_.models, made.downgrade_to);
    if (model < 0) {
      tell_in(report_, view, "do", unknown_name(made.downgrade_to, "model", config_.models));
    } else if (!can_stand_in(config_, model, {})) {
      tell_in(report_, view, "do",
              fmt::format("`{0}` can stand in for no other model: no path that serves another "
                          "serves `{0}` to the same callers",
                          made.downgrade_to));
    }
  }

  bool has_budget() const {
    return !config_.budgets.empty() || std::ranges::any_of(config_.tenants, [](const Tenant& one) {
      return one.budget.has_value();
    });
  }

  void count_shares() {
    for (const alerts::Rule& rule : config_.alerts.rules) {
      if (rule.when != Condition::kBudgetReached) continue;
      for (cost::Policy& budget : config_.budgets) count_share(budget, rule.share);
      for (Tenant& tenant : config_.tenants) {
        if (tenant.budget) count_share(*tenant.budget, rule.share);
      }
    }
  }

  static void count_share(cost::Policy& budget, double share) {
    const auto at = std::ranges::lower_bound(budget.alert_at, share);
    if (at == budget.alert_at.end() || *at != share) budget.alert_at.insert(at, share);
  }

  const View& root_;
  Config& config_;
  Report& report_;
};

}  // namespace

void build_alerts(const View& root, Config& config, Report& report) {
  AlertBuilder(root, config, report).build();
}

}  // namespace tollgate::config
