#include "controls/alerts/in_force.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/json_writer.h"
#include "base/rfc3339.h"
#include "base/sha256.h"

namespace tollgate::alerts {

namespace {

constexpr std::size_t kIdBytes = 8;
constexpr std::size_t kReleasesMax = 16'384;
constexpr Duration kClocksDiffer = std::chrono::seconds(5);  // Of gateways that share a store.
constexpr limits::Scope kAllScopes[] = {limits::Scope::kGlobal, limits::Scope::kTenantId,
                                        limits::Scope::kUserId, limits::Scope::kKeyId,
                                        limits::Scope::kRoute,  limits::Scope::kModel};

auto place_of(const Answer& answer) { return std::tie(answer.scope, answer.subject); }

}  // namespace

std::optional<Answer> answer_to(const Rule& rule, const Alert& alert) {
  if (rule.action == Action::kNone) return std::nullopt;
  Answer made;
  const std::string about =
      fmt::format("{}\n{}\n{}", rule.rule, limits::name_of(alert.scope), alert.subject);
  made.id = "ans_";
  const std::array<std::uint8_t, 32> hash = sha256(about);
  for (std::size_t i = 0; i < kIdBytes; ++i) made.id += fmt::format("{:02x}", hash[i]);
  made.rule = rule.rule;
  made.scope = alert.scope;
  made.subject = alert.subject;
  made.tenant = alert.tenant;
  made.action = rule.action;
  made.cap_output_tokens = rule.cap_output_tokens;
  made.downgrade_to = rule.downgrade_to;
  made.since = alert.at;
  if (rule.lasts > Duration(0)) made.until = alert.at + rule.lasts;
  made.message = alert.message;
  return made;
}

void Releases::follow(const std::vector<Answer>& before, const std::vector<Answer>& after,
                      WallTime now) {
  std::set<std::string_view> there;
  for (const Answer& one : after) there.insert(one.id);
  for (const Answer& one : before) {
    if (there.contains(one.id) || one.over(now + kClocksDiffer)) continue;
    if (ids_.size() >= kReleasesMax) ids_.clear();
    ids_.insert(one.id);
  }
}

bool Releases::lets(const Answer& answer, const Alert& alert, const std::vector<Answer>& in_force) {
  if (!alert.silent) {
    ids_.erase(answer.id);
    return true;
  }
  return !ids_.contains(answer.id) && std::ranges::none_of(in_force, [&](const Answer& one) {
    return one.id == answer.id && !one.over(alert.at);
  });
}

std::string written(const Answer& answer) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  const auto member = [&](std::string_view key, std::string_view value) {
    json.key(key);
    json.value(value);
  };
  member("id", answer.id);
  member("rule", answer.rule);
  member("scope", limits::name_of(answer.scope));
  member("subject", answer.subject);
  member("tenant", answer.tenant);
  member("action", name_of(answer.action));
  if (answer.action == Action::kCapOutputTokens) {
    json.key("cap_output_tokens");
    json.value(answer.cap_output_tokens);
  }
  if (answer.action == Action::kDowngradeTo) member("downgrade_to", answer.downgrade_to);
  member("since", rfc3339(answer.since));
  if (answer.until != WallTime{}) {
    member("until", rfc3339(answer.until));
    json.key("until_us");
    json.value(static_cast<std::int64_t>(answer.until.time_since_epoch().count()));
  }
  json.key("since_us");
  json.value(static_cast<std::int64_t>(answer.since.time_since_epoch().count()));
  member("message", answer.message);
  json.end_object();
  return text;
}

InForce::InForce(std::vector<Answer> answers) : answers_(std::move(answers)) {
  if (answers_.size() > kAnswersMax) answers_.resize(kAnswersMax);
  std::ranges::sort(answers_, [](const Answer& a, const Answer& b) {
    return std::tie(a.scope, a.subject, a.rule) < std::tie(b.scope, b.subject, b.rule);
  });
  for (const Answer& answer : answers_) {
    slow_.emplace_back();
    if (answer.action != Action::kSlowDown) continue;
    slow_.back() = std::make_unique<limits::Policy>();
    slow_.back()->scope = answer.scope;
    slow_.back()->figure = limits::Figure::kRequestsPerMinute;
    slow_.back()->limit = kSlowRequestsPerMinute;
    slow_.back()->rule = answer.rule;
  }
}

template <class Visit>
void InForce::each_of(const Who& who, limits::Scope scope, WallTime now, Visit visit) const {
  std::string subject;
  if (!subject_of(scope, who, subject)) return;
  const std::string& wanted = subject;
  auto at = std::ranges::lower_bound(answers_, std::tie(scope, wanted), {}, place_of);
  for (; at != answers_.end() && place_of(*at) == std::tie(scope, wanted); ++at) {
    if (!at->over(now)) visit(*at, slow_[static_cast<std::size_t>(at - answers_.begin())].get());
  }
}

Expected<void> InForce::check(const Who& who, std::span<const limits::Scope> scopes,
                              WallTime now) const {
  const Answer* frozen = nullptr;
  for (const limits::Scope scope : scopes) {
    each_of(who, scope, now, [&](const Answer& answer, const limits::Policy*) {
      if (answer.action == Action::kFreeze && frozen == nullptr) frozen = &answer;
    });
  }
  if (frozen == nullptr) return {};
  const std::string until = frozen->until == WallTime{}
                                ? "until somebody who operates this gateway releases it"
                                : fmt::format("until {}", rfc3339(frozen->until));
  return refuse(Reason::kAnomalyRefused, frozen->rule,
                fmt::format("Frozen: after an alert nothing of this {} is let through {}.",
                            limits::name_of(frozen->scope), until));
}

InForce::Terms InForce::terms_for(const Who& who, WallTime now) const {
  Terms made;
  for (const limits::Scope scope : kAllScopes) {
    each_of(who, scope, now, [&](const Answer& answer, const limits::Policy* slow) {
      if (answer.action == Action::kCapOutputTokens &&
          (made.cap == nullptr || answer.cap_output_tokens < made.cap->cap_output_tokens)) {
        made.cap = &answer;
      }
      if (answer.action == Action::kDowngradeTo && made.downgrade == nullptr) {
        made.downgrade = &answer;
      }
      if (slow == nullptr) return;
      made.limits.push_back(slow);
      made.subjects.push_back(answer.subject);
    });
  }
  return made;
}

}  // namespace tollgate::alerts
