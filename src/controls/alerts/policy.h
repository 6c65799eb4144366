// Who is told of what, and what is done about it by itself.
//
// What the operator writes under `alerts` and `notify`; config/ rejects values out of range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/certificate_authority.h"
#include "base/money.h"
#include "base/secret.h"
#include "base/units.h"
#include "controls/limits/limits.h"

namespace tollgate::alerts {

enum class Condition : std::uint8_t {
  kSpendVelocity,           // A subject spends several times what is usual for it.
  kBudgetReached,           // A share of a budget is spent.
  kRefusals,                // So many requests of a subject were refused.
  kAuthenticationFailures,  // So many credentials were not believed, over all.
  kUpstreamDown,            // No attempt at an upstream succeeded any more.
  kStoreDegraded,           // A store cannot be asked.
  kAuditLag,                // Records wait for the store, or are not kept.
  kTokenCountDrift,         // A provider counts other than we do.
};
inline constexpr int kConditionCount = 8;
std::string_view name_of(Condition condition);  // "spend_velocity"

enum class Action : std::uint8_t {
  kNone,
  kSlowDown,
  kFreeze,
  kCapOutputTokens,
  kDowngradeTo,
};
std::string_view name_of(Action action);  // "slow_down"
std::optional<Action> action_named(std::string_view name);

// What a subject whose requests are slowed down gets: a limit as any other.
inline constexpr std::int64_t kSlowRequestsPerMinute = 6;

struct Rule {
  Condition when{};
  limits::Scope scope = limits::Scope::kTenantId;  // Of those that distinguish subjects.
  Duration over = std::chrono::minutes(10);        // The longest window, or how long it lasts.
  double times_usual = 5;                          // Of kSpendVelocity…
  Money at_least;                                  // …nothing below it is an alert…
  std::optional<Money> newcomers;  // …and what of those is whose usual nobody knows yet.
  double share = 0;                // Of a budget, of the queue, or of the provider's count.
  std::int64_t count = 0;          // Refusals, failures or attempts within `over`.
  std::vector<std::string> notify;
  Duration cooldown = std::chrono::minutes(30);  // In which it tells nothing of one subject again.
  Action action = Action::kNone;
  Tokens cap_output_tokens = 0;            // Of kCapOutputTokens: of each choice, at least 1.
  std::string downgrade_to;                // Of kDowngradeTo: the name of a model.
  Duration lasts = std::chrono::hours(1);  // Of the action; 0: until somebody releases it.
  std::string rule;                        // "alerts[0]"; names it everywhere.
};

enum class TargetKind : std::uint8_t { kWebhook, kSlack, kAlertmanager, kEmail };
std::string_view name_of(TargetKind kind);

// From whom and to whom a mail goes, and how its server is shown that it may.
struct Email {
  std::string from;
  std::vector<std::string> to;
  std::string user;  // Empty: nothing is shown.
  Secret password;
  std::string password_file;  // Instead of it; read for each mail.
};

struct Target {
  std::string name;
  TargetKind kind{};
  Secret url;             // Of Slack it is the credential itself; of mail smtps:// or smtp://.
  Secret secret;          // That a webhook is signed with.
  bool internal = false;  // May be at an address that the internet does not have.
  CertificateAuthority certificate_authority;
  Email email;  // Of kEmail.
};

struct Policy {
  std::vector<Rule> rules;
  std::vector<Target> notify;
};

}  // namespace tollgate::alerts
