#include <fmt/format.h>

#include <algorithm>

#include "admin/answers.h"
#include "admin/members.h"
#include "admin/new_token.h"
#include "storage/admin_tokens.h"

namespace tollgate::admin {

using administration::Grant;
using administration::TokenRecord;

namespace {

Answer no_token() { return problem(404, "Not found", "There is no admin token of this id."); }

// Whether somebody may see and revoke it: what he could have given himself, whatever its end.
std::expected<void, administration::Lack> check_reach(const Grant& own, const TokenRecord& token) {
  Grant without_end = token.grant;
  without_end.expires = own.expires;
  return administration::check_delegation(own, without_end);
}

// {"with_made": true}; without it, and without a body, what was made stays.
OrWords<storage::MadeTokens> read_made(std::string_view body) {
  auto made = storage::MadeTokens::kStay;
  if (body.empty()) return made;
  simdjson::dom::parser parser;
  const auto take = [&](std::string_view name,
                        const simdjson::dom::element& value) -> OrWords<void> {
    if (name != "with_made") {
      return std::unexpected(fmt::format("`{}` is not known here; known is with_made", name));
    }
    bool with = false;
    if (value.get(with) != simdjson::SUCCESS) {
      return std::unexpected("`with_made` is true or false");
    }
    if (with) made = storage::MadeTokens::kAreRevoked;
    return {};
  };
  if (OrWords<void> taken = each_member(parser, body, take); !taken) {
    return std::unexpected(taken.error());
  }
  return made;
}

}  // namespace

Answer Answers::tokens(const Question& question) {
  const OrWords<PageQuestion> asked = page_question(question.parameters, storage::kTokensOfPageMax);
  if (!asked) return bad_request(asked.error());
  const FaultOr<storage::Database*> reading = database();
  if (!reading) return store_problem(reading.error());
  const storage::MaySee may_see = [&](const TokenRecord& token) {
    return check_reach(question.admin.grant, token).has_value();
  };
  const FaultOr<std::optional<storage::TokenPage>> page =
      storage::query_admin_tokens(**reading, may_see, asked->limit, asked->after);
  if (!page) return store_problem(page.error());
  if (!*page) return bad_request("`after` wants `next` of the page before this one.");
  return {200, token_page_json(**page)};
}

Answer Answers::create_token(const Question& question) {
  const WallTime now = parts_.clock.wall();
  const OrWords<TokenWish> wish = read_token_wish(question.body, now);
  if (!wish) return bad_request(wish.error());
  const auto allowed = administration::check_delegation(question.admin.grant, wish->grant);
  if (!allowed) return forbidden(allowed.error());
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  for (const std::string& tenant : wish->grant.tenants) {
    if (std::ranges::binary_search(config->tenants, tenant, {}, &config::Tenant::name)) continue;
    return bad_request(fmt::format("No tenant `{}` is configured.", tenant));
  }
  const FaultOr<MadeToken> made =
      make_token(*wish, question.admin.credential_id, parts_.pepper, now);
  if (!made) return store_problem(made.error());
  const FaultOr<storage::Database*> writing = database();
  if (!writing) return store_problem(writing.error());
  const FaultOr<storage::TokenMade> kept = storage::create_admin_token(
      **writing, author_of(question), made->record, storage::share_of(question.admin.grant), now);
  if (!kept) return store_problem(kept.error());
  if (*kept != storage::TokenMade::kDone) return problem(409, "Conflict", why_not_made(*kept));
  return {201, storage::admin_token_form(made->record, made->secret)};
}

// What the token has made it gave by rights of its own, so whoever reaches it reaches them all.
Answer Answers::revoke_token(const Question& question) {
  const OrWords<storage::MadeTokens> made = read_made(question.body);
  if (!made) return bad_request(made.error());
  const FaultOr<storage::Database*> writing = database();
  if (!writing) return store_problem(writing.error());
  const FaultOr<std::optional<TokenRecord>> found =
      storage::find_admin_token(**writing, question.id);
  if (!found) return store_problem(found.error());
  if (!*found) return no_token();
  const auto allowed = check_reach(question.admin.grant, **found);
  if (!allowed) {
    // Who is bound to other tenants does not learn that it is there.
    return allowed.error().right ? forbidden(allowed.error()) : no_token();
  }
  const FaultOr<storage::TokenRevocation> done = storage::revoke_admin_token(
      **writing, author_of(question), question.id, *made, parts_.clock.wall());
  if (!done) return store_problem(done.error());
  const FaultOr<std::optional<TokenRecord>> after =
      storage::find_admin_token(**writing, question.id);
  if (!after) return store_problem(after.error());
  return *after ? Answer{200, storage::admin_token_form(**after, done->made)} : no_token();
}

}  // namespace tollgate::admin
