#include "admin/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "admin/attendance.h"
#include "admin/forms.h"
#include "admin/members.h"
#include "base/check.h"
#include "config/load.h"
#include "controls/authentication/token_cache.h"
#include "storage/admin_tokens.h"

namespace tollgate::admin {

using administration::Admin;
using administration::Grant;

namespace {

// Where the page behind `last` is, as RFC 8288 says it.
std::string link_to_next(std::string_view query, const storage::AuditRow& last) {
  std::string same;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (!parameter.starts_with("before=")) same.append(parameter).append("&");
  }
  return fmt::format("link: </admin/v1/audit?{}before={}>; rel=\"next\"\r\n", same,
                     storage::cursor_behind(last));
}

// Whether a budget is of a tenant that the grant reaches: of the tenant, or of a user of it. Of
// keys, routes and models nobody can tell whose they are.
bool reaches(const Grant& grant, const storage::BudgetStanding& budget) {
  if (!grant.is_bound()) return true;
  if (budget.scope == limits::Scope::kTenantId) return grant.reaches(budget.subject);
  if (budget.scope != limits::Scope::kUserId) return false;
  return grant.reaches(std::string_view(budget.subject).substr(0, budget.subject.find('/')));
}

// Whether the configuration that is in force now still lets in whom another one has let in.
bool is_let_in(const config::Config& config, const Question& question, WallTime now) {
  const std::optional<WallTime>& expires = question.admin.grant.expires;
  if (expires && *expires <= now) return false;
  const administration::Policy& policy = config.admin.policy;
  const auto is_his = [&](const Secret& token) {
    return authentication::digest_of(token.reveal()) == question.stamp;
  };
  switch (question.source) {
    case administration::Source::kStored:
      return true;
    case administration::Source::kOidc:
      return policy.oidc_stamp == question.stamp;
    case administration::Source::kFixed:
      break;
  }
  // Without one in the configuration, the first owner's token is of a file that never changes.
  if (question.admin.credential_id == "admin.token") {
    return config.admin.token.empty() || is_his(config.admin.token);
  }
  return std::ranges::any_of(policy.tokens, [&](const administration::FixedToken& each) {
    return is_his(each.token) && each.grant.role == question.admin.grant.role &&
           each.grant.tenants == question.admin.grant.tenants;
  });
}

}  // namespace

storage::Author author_of(const Question& question) {
  return author_of(question.admin, question.from);
}

FaultOr<storage::Database*> Answers::database() {
  if (database_ == nullptr) {
    FaultOr<std::unique_ptr<storage::Database>> opened = parts_.store.reader();
    if (!opened) return std::unexpected(opened.error());
    database_ = std::move(*opened);
  }
  return database_.get();
}

Answer Answers::answer(const Question& question) {
  if (!is_let_in(*parts_.config.get(), question, parts_.clock.wall())) {
    Refusal refusal;
    refusal.reason = Reason::kRevokedCredential;
    refusal.rule = "admin";
    refusal.message = "The credential has ended while this waited for its turn; nothing was done.";
    return refused(refusal);
  }
  switch (question.endpoint) {
    case Endpoint::kListKeys:
      return list_keys(question);
    case Endpoint::kShowKey:
      return show_key(question);
    case Endpoint::kCreateKey:
      return create_key(question);
    case Endpoint::kImportKeys:
      return import_keys(question);
    case Endpoint::kRotateKey:
      return rotate_key(question);
    case Endpoint::kExpireKey:
      return expire_key(question);
    case Endpoint::kRevokeKey:
      return revoke_key(question);
    case Endpoint::kSpend:
      return spend(question);
    case Endpoint::kBudgets:
      return budgets(question);
    case Endpoint::kTrail:
      return trail(question);
    case Endpoint::kConfiguration:
      return {200, config::effective_json(*parts_.config.get())};
    case Endpoint::kListGateways:
      return gateways();
    case Endpoint::kRetireGateway:
      return retire(question);
    case Endpoint::kListAlertAnswers:
      return list_alert_answers(question);
    case Endpoint::kReleaseAlertAnswer:
      return release_alert_answer(question);
    case Endpoint::kListTokens:
      return tokens(question);
    case Endpoint::kCreateToken:
      return create_token(question);
    case Endpoint::kRevokeToken:
      return revoke_token(question);
    case Endpoint::kMetrics:
    case Endpoint::kReadiness:
    case Endpoint::kShowSession:
    case Endpoint::kBeginSession:
    case Endpoint::kEndSession:
      break;  // Of the loop; they wait for no store.
  }
  return not_found();
}

Answer Answers::spend(const Question& question) {
  OrWords<storage::SpendQuery> query = spend_query(question.parameters, parts_.clock.wall());
  if (!query) return bad_request(query.error());
  query->only = question.admin.grant.tenants;
  if (FaultOr<void> settled = parts_.store.trail().flush(); !settled) {
    return store_problem(settled.error());
  }
  const FaultOr<storage::Database*> reading = database();
  if (!reading) return store_problem(reading.error());
  const FaultOr<std::vector<storage::SpendRow>> rows = storage::query_spend(**reading, *query);
  if (!rows) return store_problem(rows.error());
  return {200, spend_json(query->by, *rows)};
}

Answer Answers::budgets(const Question& question) {
  storage::Standings standings = parts_.store.ledger().snapshot(parts_.clock.wall());
  std::erase_if(standings.budgets, [&](const storage::BudgetStanding& budget) {
    return !reaches(question.admin.grant, budget);
  });
  return {200, budgets_json(standings)};
}

Answer Answers::trail(const Question& question) {
  OrWords<AuditQuestion> asked = audit_question(question.parameters, parts_.clock.wall());
  if (!asked) return bad_request(asked.error());
  asked->query.only = question.admin.grant.tenants;
  if (FaultOr<void> settled = parts_.store.trail().flush(); !settled) {
    return store_problem(settled.error());
  }
  const FaultOr<storage::Database*> reading = database();
  if (!reading) return store_problem(reading.error());
  const FaultOr<std::vector<storage::AuditRow>> rows =
      storage::query_audit(**reading, asked->query, asked->limit, asked->before);
  if (!rows) return store_problem(rows.error());
  std::string body = "[";
  for (const storage::AuditRow& row : *rows) {
    if (body.size() > 1) body += ',';
    body += row.record;
  }
  body += ']';
  Answer page{200, std::move(body)};
  if (std::cmp_equal(rows->size(), asked->limit)) {
    page.headers = link_to_next(question.query, rows->back());
  }
  return page;
}

Answer Answers::gateways() {
  const FaultOr<storage::Database*> reading = database();
  if (!reading) return store_problem(reading.error());
  const FaultOr<std::vector<storage::GatewayStanding>> found =
      storage::list_gateways(**reading, parts_.store.gateway());
  if (!found) return store_problem(found.error());
  return {200, gateways_json(*found)};
}

Answer Answers::retire(const Question& question) {
  if (const OrWords<void> none = read_nothing(question.body); !none) {
    return bad_request(none.error());
  }
  if (question.id == parts_.store.gateway()) {
    return problem(409, "Conflict", "This gateway is at work.");
  }
  const FaultOr<storage::Database*> writing = database();
  if (!writing) return store_problem(writing.error());
  const FaultOr<storage::Retirement> done =
      storage::retire_gateway(**writing, author_of(question), question.id);
  if (!done) return store_problem(done.error());
  switch (done->refused) {
    case storage::Retirement::Refused::kUnknown:
      return problem(404, "Not found", done->because);
    case storage::Retirement::Refused::kAlive:
      return problem(409, "Conflict", done->because);
    case storage::Retirement::Refused::kNo:
      break;
  }
  return {200, retirement_json(*done)};
}

}  // namespace tollgate::admin
