// `tollgate admin`: tokens of those who administer, in the store that the configuration names. Each
// use of a token reads the store, so a change is in force when the command returns.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "admin/key_wish.h"
#include "admin/new_token.h"
#include "base/rfc3339.h"
#include "cli/author.h"
#include "cli/commands.h"
#include "cli/load_config.h"
#include "cli/pepper.h"
#include "cli/wall_time.h"
#include "controls/audit/audit.h"
#include "pipeline/plan.h"
#include "storage/admin_tokens.h"
#include "storage/store.h"

namespace tollgate::cli {

namespace {

using administration::TokenRecord;

std::string state_of(const TokenRecord& token) {
  if (token.revoked) return "revoked " + rfc3339(*token.revoked);
  const std::optional<WallTime>& expires = token.grant.expires;
  if (expires && *expires <= wall_now()) return "expired " + rfc3339(*expires);
  return expires ? "until " + rfc3339(*expires) : "active";
}

std::string tenants_of(const TokenRecord& token) {
  if (!token.grant.is_bound()) return "all";
  return audit::visible(fmt::format("{}", fmt::join(token.grant.tenants, ", ")));
}

void print_token(const TokenRecord& token, const std::string& secret, bool json) {
  if (json) {
    fmt::print("{}\n", audit::visible(storage::admin_token_form(token, secret)));
    return;
  }
  fmt::print("id       {}\n", token.id);
  if (!secret.empty()) fmt::print("secret   {}   (shown once)\n", secret);
  fmt::print("name     {}\nrole     {}\ntenants  {}\n", audit::visible(token.name),
             name_of(token.grant.role), tenants_of(token));
  fmt::print("created  {}\nused     {}\nstate    {}\n", rfc3339(token.created),
             token.last_used ? rfc3339(*token.last_used) : "never", state_of(token));
}

admin::OrWords<admin::TokenWish> wish_of(const AdminOptions& options,
                                         const config::Config& config) {
  admin::TokenWish wish;
  wish.name = options.name;
  const auto role = administration::role_named(options.role);
  if (!role) return std::unexpected("--role is viewer, auditor, operator or owner");
  wish.grant.role = *role;
  wish.grant.tenants = options.tenants;
  if (options.tenants.size() > administration::kTenantsMax) {
    return std::unexpected(fmt::format("at most {} tenants", administration::kTenantsMax));
  }
  for (const std::string& tenant : options.tenants) {
    if (pipeline::tenant_named(config, tenant) != nullptr) continue;
    return std::unexpected(
        fmt::format("no tenant `{}` is configured in {}", tenant, options.config));
  }
  if (!options.expires.empty()) {
    const auto expires = admin::read_expiry(options.expires, wall_now());
    if (!expires) return std::unexpected("--expires " + expires.error());
    wish.grant.expires = *expires;
  }
  if (admin::OrWords<void> good = check(wish, wall_now()); !good)
    return std::unexpected(good.error());
  return wish;
}

int create(const AdminOptions& options, const config::Config& config, storage::Database& database) {
  const admin::OrWords<admin::TokenWish> wish = wish_of(options, config);
  if (!wish) return wrong_use(wish.error());
  const FaultOr<authentication::Pepper> pepper = pepper_of(config, database);
  if (!pepper) return faulty(pepper.error());
  const WallTime now = wall_now();
  const FaultOr<admin::MadeToken> made = admin::make_token(*wish, {}, *pepper, now);
  if (!made) return faulty(made.error());
  const FaultOr<storage::TokenMade> kept = storage::create_admin_token(
      database, command_author(), made->record, storage::TokenShare::kWhole, now);
  if (!kept) return faulty(kept.error());
  if (*kept != storage::TokenMade::kDone) return wrong_use(std::string(admin::why_not_made(*kept)));
  print_token(made->record, made->secret, options.json);
  return kDone;
}

int list(const AdminOptions& options, storage::Database& database) {
  std::vector<TokenRecord> tokens;
  for (bool has_more = true; has_more;) {
    FaultOr<std::optional<storage::TokenPage>> page =
        storage::query_admin_tokens(database, {}, storage::kTokensOfPageMax,
                                    tokens.empty() ? std::string_view() : tokens.back().id);
    if (!page) return faulty(page.error());
    if (!*page) break;
    has_more = (*page)->has_more;
    std::ranges::move((*page)->tokens, std::back_inserter(tokens));
  }
  if (options.json) {
    fmt::print("{}\n", audit::visible(admin::tokens_json(tokens)));
    return kDone;
  }
  constexpr auto kRow = "{:<14} {:<20} {:<9} {:<24} {:<20} {}\n";
  fmt::print(kRow, "ID", "NAME", "ROLE", "TENANTS", "USED", "STATE");
  for (const TokenRecord& token : tokens) {
    fmt::print(kRow, token.id, audit::visible(token.name), name_of(token.grant.role),
               tenants_of(token), token.last_used ? rfc3339(*token.last_used) : "never",
               state_of(token));
  }
  return kDone;
}

int no_such_token(const std::string& id) {
  fmt::print(stderr,
             "tollgate: there is no admin token `{}`; `tollgate admin list` shows all but those "
             "of the configuration\n",
             id);
  return kFindings;
}

void print_made(const AdminOptions& options, const std::vector<TokenRecord>& made) {
  if (made.empty()) return;
  fmt::print("\n{}\n", options.with_made ? "made by it or by those, and revoked with it"
                                         : "made by it or by those, and still in force");
  for (const TokenRecord& token : made) {
    fmt::print("{:<14} {:<20} {:<9} {:<24} {}\n", token.id, audit::visible(token.name),
               name_of(token.grant.role), tenants_of(token), state_of(token));
  }
  if (options.with_made) return;
  fmt::print("`tollgate admin revoke {} --with-made` ends them, too\n", options.id);
}

// A credential that is not of the store can have made tokens all the same.
int revoke_made(const AdminOptions& options, const std::vector<TokenRecord>& made) {
  if (!options.with_made || made.empty()) return no_such_token(options.id);
  if (options.json) {
    fmt::print("{}\n", audit::visible(admin::tokens_json(made)));
  } else {
    print_made(options, made);
  }
  return kDone;
}

int revoke(const AdminOptions& options, storage::Database& database) {
  const auto with_made =
      options.with_made ? storage::MadeTokens::kAreRevoked : storage::MadeTokens::kStay;
  const FaultOr<storage::TokenRevocation> done =
      storage::revoke_admin_token(database, command_author(), options.id, with_made, wall_now());
  if (!done) return faulty(done.error());
  if (!done->is_known) return revoke_made(options, done->made);
  const FaultOr<std::optional<TokenRecord>> token = storage::find_admin_token(database, options.id);
  if (!token) return faulty(token.error());
  if (!*token) return no_such_token(options.id);
  if (options.json) {
    fmt::print("{}\n", audit::visible(storage::admin_token_form(**token, done->made)));
    return kDone;
  }
  print_token(**token, {}, options.json);
  print_made(options, done->made);
  return kDone;
}

}  // namespace

int admin_tokens(const AdminOptions& options) {
  const std::shared_ptr<const config::Config> config = load_store_settings(options.config);
  if (!config) return kWrongUse;
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) return faulty(database.error());
  switch (options.action) {
    case AdminOptions::Action::kCreate:
      return create(options, *config, **database);
    case AdminOptions::Action::kList:
      return list(options, **database);
    case AdminOptions::Action::kRevoke:
      return revoke(options, **database);
  }
  return kWrongUse;
}

}  // namespace tollgate::cli
