#include "config/effective_alerts.h"

#include <fmt/format.h>

#include "config/effective_parts.h"

namespace tollgate::config {

namespace json = boost::json;

namespace {

json::value condition(const alerts::Rule& rule) {
  using alerts::Condition;
  json::object made;
  switch (rule.when) {
    case Condition::kBudgetReached:
    case Condition::kAuditLag:
    case Condition::kTokenCountDrift:
      return json::string(fmt::format("{}", rule.share));
    case Condition::kStoreDegraded:
      return json::string(format_duration(rule.over));
    case Condition::kSpendVelocity:
      made["times_usual"] = fmt::format("{}", rule.times_usual);
      made["at_least"] = format_usd(rule.at_least);
      if (rule.newcomers) made["newcomers"] = format_usd(*rule.newcomers);
      made["scope"] = text(limits::name_of(rule.scope));
      break;
    case Condition::kRefusals:
      made["scope"] = text(limits::name_of(rule.scope));
      made["count"] = rule.count;
      break;
    case Condition::kAuthenticationFailures:
    case Condition::kUpstreamDown:
      made["count"] = rule.count;
      break;
  }
  made["over"] = format_duration(rule.over);
  return made;
}

json::value action(const alerts::Rule& rule) {
  const std::string_view name = alerts::name_of(rule.action);
  if (rule.action == alerts::Action::kCapOutputTokens) {
    return json::object{{name, rule.cap_output_tokens}};
  }
  if (rule.action == alerts::Action::kDowngradeTo) {
    return json::object{{name, text(rule.downgrade_to)}};
  }
  return text(name);
}

void put_email(json::object& made, const alerts::Email& email) {
  made["from"] = email.from;
  put(made, "to", email.to);
  put(made, "user", email.user);
  if (!email.password.empty()) made["password"] = text(kMask);
  put(made, "password_file", email.password_file);
}

}  // namespace

void put_alerts(json::object& root, const alerts::Policy& policy) {
  if (policy.rules.empty() && policy.notify.empty()) return;
  json::array rules;
  for (const alerts::Rule& rule : policy.rules) {
    json::object made;
    made["when"] = json::object{{alerts::name_of(rule.when), condition(rule)}};
    put(made, "notify", rule.notify);
    made["cooldown"] = format_duration(rule.cooldown);
    made["do"] = action(rule);
    if (rule.action != alerts::Action::kNone) made["for"] = format_duration(rule.lasts);
    rules.push_back(std::move(made));
  }
  root["alerts"] = std::move(rules);
  json::object targets;
  for (const alerts::Target& target : policy.notify) {
    const bool hides = target.kind == alerts::TargetKind::kSlack;
    json::object made;
    made[alerts::name_of(target.kind)] = text(hides ? kMask : target.url.reveal());
    if (!target.secret.empty()) made["secret"] = text(kMask);
    if (target.kind == alerts::TargetKind::kEmail) put_email(made, target.email);
    made["internal"] = target.internal;
    put(made, "certificate_authority", target.certificate_authority.path);
    targets[target.name] = std::move(made);
  }
  root["notify"] = std::move(targets);
}

}  // namespace tollgate::config
