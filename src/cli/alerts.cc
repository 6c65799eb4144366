// `tollgate alerts`: what is done about callers after alerts, and its end by hand.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "base/rfc3339.h"
#include "cli/author.h"
#include "cli/commands.h"
#include "cli/load_config.h"
#include "cli/wall_time.h"
#include "controls/audit/audit.h"
#include "storage/alert_answers.h"
#include "storage/store.h"

namespace tollgate::cli {

namespace {

std::string what_of(const alerts::Answer& answer) {
  switch (answer.action) {
    case alerts::Action::kCapOutputTokens:
      return fmt::format("cap_output_tokens {}", answer.cap_output_tokens);
    case alerts::Action::kDowngradeTo:
      return "downgrade_to " + answer.downgrade_to;
    default:
      return std::string(alerts::name_of(answer.action));
  }
}

int list(const AlertsOptions& options, storage::Database& database) {
  FaultOr<std::vector<alerts::Answer>> all = storage::list_answers(database);
  if (!all) return faulty(all.error());
  std::erase_if(*all, [now = wall_now()](const alerts::Answer& one) { return one.over(now); });
  if (options.json) {
    std::string text = "[";
    for (const alerts::Answer& one : *all) {
      if (text.size() > 1) text += ',';
      text += alerts::written(one);
    }
    fmt::print("{}]\n", text);
    return kDone;
  }
  fmt::print("{:<22} {:<12} {:<10} {:<28} {:<24} {:<20} {}\n", "ID", "RULE", "SCOPE", "SUBJECT",
             "WHAT", "UNTIL", "BECAUSE");
  for (const alerts::Answer& one : *all) {
    fmt::print("{:<22} {:<12} {:<10} {:<28} {:<24} {:<20} {}\n", one.id, one.rule,
               limits::name_of(one.scope), audit::visible(one.subject), what_of(one),
               one.until == WallTime{} ? "it is released" : rfc3339(one.until),
               audit::visible(one.message));
  }
  return kDone;
}

int release(const AlertsOptions& options, storage::Database& database) {
  const FaultOr<bool> done =
      storage::release_answer(database, command_author(), options.id, {}, wall_now());
  if (!done) return faulty(done.error());
  if (!*done) {
    return wrong_use(
        fmt::format("nothing of the id `{}` is in force; `tollgate alerts list` names what is",
                    audit::visible(options.id)));
  }
  if (options.json) {
    fmt::print("{{\"released\":\"{}\"}}\n", options.id);
  } else {
    fmt::print("{} is released\n", options.id);
  }
  return kDone;
}

}  // namespace

int alerts(const AlertsOptions& options) {
  const std::shared_ptr<const config::Config> config = load_store_settings(options.config);
  if (!config) return kWrongUse;
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) return faulty(database.error());
  return options.action == AlertsOptions::Action::kList ? list(options, **database)
                                                        : release(options, **database);
}

}  // namespace tollgate::cli
