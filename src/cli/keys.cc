// `tollgate keys`: tenant API keys, in the store that the configuration names. A change returns
// when the gateway that runs on the same store, if one does, has it in force.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <memory>

#include "admin/forms.h"
#include "admin/key_grants.h"
#include "admin/key_wish.h"
#include "admin/members.h"
#include "admin/new_key.h"
#include "admin/query.h"
#include "cli/author.h"
#include "cli/commands.h"
#include "cli/keys_import.h"
#include "cli/load_config.h"
#include "cli/pepper.h"
#include "cli/wall_time.h"
#include "controls/audit/audit.h"
#include "pipeline/plan.h"
#include "storage/store.h"
#include "storage/stored_keys.h"

namespace tollgate::cli {

namespace {

using authentication::KeyRecord;
using storage::KeyVerdict;

int no_such_key(const std::string& id) {
  fmt::print(stderr, "tollgate: there is no key `{}`; `tollgate keys list` shows all\n", id);
  return kFindings;
}

int not_done(const std::string& what, KeyVerdict verdict) {
  if (verdict == KeyVerdict::kNoSuchKey) return no_such_key(what);
  return wrong_use(fmt::format("`{}`: {}", what, admin::why_not_done(verdict)));
}

std::string state_of(const KeyRecord& key) {
  if (key.revoked) return "revoked " + admin::rfc3339(*key.revoked);
  if (key.expires && *key.expires <= wall_now()) return "expired " + admin::rfc3339(*key.expires);
  if (key.expires) return "until " + admin::rfc3339(*key.expires);
  return "active";
}

std::string used(const KeyRecord& key) {
  return key.last_used ? admin::rfc3339(*key.last_used) : "never";
}

void print_list(std::string_view name, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  fmt::print("{:<8} {}\n", name, audit::visible(fmt::format("{}", fmt::join(texts, ", "))));
}

void print_key(const KeyRecord& key, const std::string& secret, bool json) {
  if (json) {
    fmt::print("{}\n", audit::visible(admin::key_json(key, secret)));
    return;
  }
  fmt::print("id       {}\n", key.id);
  if (!secret.empty()) fmt::print("secret   {}   (shown once)\n", secret);
  fmt::print("tenant   {}\n", audit::visible(key.tenant));
  if (!key.user.empty()) fmt::print("user     {}\n", audit::visible(key.user));
  print_list("roles", key.roles);
  if (!key.name.empty()) fmt::print("name     {}\n", audit::visible(key.name));
  print_list("routes", key.scopes.routes);
  print_list("models", key.scopes.models);
  print_list("tools", key.scopes.tools);
  for (const AddressRange& range : key.scopes.addresses) {
    fmt::print("from     {}\n", format_address_range(range));
  }
  if (!key.replaces.empty()) fmt::print("replaces {}\n", key.replaces);
  if (!key.replaced_by.empty()) fmt::print("next     {}\n", key.replaced_by);
  fmt::print("created  {}\nused     {}\nstate    {}\n", admin::rfc3339(key.created), used(key),
             state_of(key));
}

admin::OrWords<admin::KeyWish> wish_of(const KeysOptions& options) {
  admin::KeyWish wish{options.tenant, options.user, options.roles, options.name};
  std::vector<std::pair<std::string_view, std::string_view>> shown = {{"--user", options.user},
                                                                      {"--name", options.name}};
  for (const std::string& role : options.roles) shown.emplace_back("--role", role);
  for (const auto& [option, text] : shown) {
    if (admin::OrWords<void> good = admin::check_text(option, text); !good) {
      return std::unexpected(good.error());
    }
  }
  if (!options.expires.empty()) {
    const auto expires = admin::read_expiry(options.expires, wall_now());
    if (!expires) return std::unexpected("--expires " + expires.error());
    wish.expires = *expires;
    if (admin::OrWords<void> good = check(wish, wall_now()); !good) {
      return std::unexpected(good.error());
    }
  }
  const std::pair<const char*, const std::vector<std::string>*> lists[] = {
      {"routes", &options.routes},
      {"models", &options.models},
      {"tools", &options.tools},
      {"addresses", &options.addresses}};
  for (const auto& [name, texts] : lists) {
    for (const std::string& text : *texts) {
      if (admin::OrWords<void> added = admin::add_scope(wish.scopes, name, text); !added) {
        return std::unexpected(added.error());
      }
    }
  }
  return wish;
}

int create(const KeysOptions& options, const config::Config& config, storage::Database& database) {
  if (pipeline::tenant_named(config, options.tenant) == nullptr) {
    return wrong_use(
        fmt::format("no tenant `{}` is configured in {}", options.tenant, options.config));
  }
  const admin::OrWords<admin::KeyWish> asked = wish_of(options);
  if (!asked) return wrong_use(asked.error());
  const admin::KeyWish& wish = *asked;
  const FaultOr<authentication::Pepper> pepper = pepper_of(config, database);
  if (!pepper) return faulty(pepper.error());
  const FaultOr<admin::MadeKey> made = admin::make_key(wish, *pepper, wall_now());
  if (!made) return faulty(made.error());
  const FaultOr<KeyVerdict> kept = storage::create_key(database, command_author(), made->record,
                                                       admin::room_of(config, options.tenant));
  if (!kept) return faulty(kept.error());
  if (*kept != KeyVerdict::kDone) return not_done(options.tenant, *kept);
  wait_until_in_force(database, config.store);
  print_key(made->record, made->secret, options.json);
  return kDone;
}

constexpr auto kRow = "{:<15} {:<16} {:<16} {:<20} {:<20} {}\n";

// Page by page, so that a million take no more memory than a thousand.
int list(const KeysOptions& options, storage::Database& database) {
  const storage::KeyQuery query{
      options.tenant, options.user, storage::key_state_named(options.state), {}};
  if (!options.json) fmt::print(kRow, "ID", "TENANT", "USER", "NAME", "USED", "STATE");
  std::string after;
  std::string_view before_key = "[";
  bool has_more = true;
  while (has_more) {
    const FaultOr<std::optional<storage::KeyPage>> page =
        storage::query_keys(database, query, storage::kKeysOfPageMax, after, wall_now());
    if (!page) return faulty(page.error());
    if (!*page) break;
    for (const KeyRecord& key : (*page)->keys) {
      if (options.json) {
        fmt::print("{}{}", before_key, audit::visible(admin::key_json(key)));
        before_key = ",";
      } else {
        fmt::print(kRow, key.id, audit::visible(key.tenant), audit::visible(key.user),
                   audit::visible(key.name), used(key), state_of(key));
      }
    }
    has_more = (*page)->has_more;
    if (has_more) after = (*page)->keys.back().id;
  }
  if (options.json) fmt::print("{}]\n", before_key == "[" ? "[" : "");
  return kDone;
}

int show(const KeysOptions& options, storage::Database& database) {
  const FaultOr<std::optional<KeyRecord>> key = storage::show_key(database, options.id);
  if (!key) return faulty(key.error());
  if (!*key) return no_such_key(options.id);
  print_key(**key, {}, options.json);
  return kDone;
}

int revoke(const KeysOptions& options, const config::Config& config, storage::Database& database) {
  const FaultOr<bool> done =
      storage::revoke_key(database, command_author(), options.id, wall_now());
  if (!done) return faulty(done.error());
  if (!*done) return no_such_key(options.id);
  wait_until_in_force(database, config.store);
  return show(options, database);
}

int rotate(const KeysOptions& options, const config::Config& config, storage::Database& database) {
  const std::optional<Duration> overlap = admin::parse_span(options.overlap);
  if (!overlap) return wrong_use("--overlap wants a span such as 24h");
  const FaultOr<authentication::Pepper> pepper = pepper_of(config, database);
  if (!pepper) return faulty(pepper.error());
  const WallTime now = wall_now();
  const FaultOr<admin::MadeKey> made = admin::make_key({}, *pepper, now);
  if (!made) return faulty(made.error());
  const FaultOr<std::optional<KeyRecord>> old = storage::show_key(database, options.id);
  if (!old) return faulty(old.error());
  if (!*old) return no_such_key(options.id);
  const FaultOr<KeyVerdict> done =
      storage::rotate_key(database, command_author(), options.id,
                          {made->record, now + *overlap, admin::room_of(config, (*old)->tenant)});
  if (!done) return faulty(done.error());
  if (*done != KeyVerdict::kDone) return not_done(options.id, *done);
  wait_until_in_force(database, config.store);
  const FaultOr<std::optional<KeyRecord>> fresh = storage::show_key(database, made->record.id);
  if (!fresh) return faulty(fresh.error());
  print_key(**fresh, made->secret, options.json);
  return kDone;
}

int expire(const KeysOptions& options, const config::Config& config, storage::Database& database) {
  const WallTime now = wall_now();
  const auto expires = admin::read_expiry(options.expires, now);
  if (!expires) return wrong_use("--expires " + expires.error());
  const FaultOr<std::optional<KeyRecord>> key = storage::show_key(database, options.id);
  if (!key) return faulty(key.error());
  if (!*key) return no_such_key(options.id);
  const FaultOr<KeyVerdict> done = storage::expire_key(
      database, command_author(), options.id,
      {.expires = *expires, .now = now, .room = admin::room_of(config, (*key)->tenant)});
  if (!done) return faulty(done.error());
  if (*done != KeyVerdict::kDone) return not_done(options.id, *done);
  wait_until_in_force(database, config.store);
  return show(options, database);
}

}  // namespace

int keys(const KeysOptions& options) {
  const std::shared_ptr<const config::Config> config = load_store_settings(options.config);
  if (!config) return kWrongUse;
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) return faulty(database.error());
  switch (options.action) {
    case KeysOptions::Action::kCreate:
      return create(options, *config, **database);
    case KeysOptions::Action::kList:
      return list(options, **database);
    case KeysOptions::Action::kShow:
      return show(options, **database);
    case KeysOptions::Action::kRevoke:
      return revoke(options, *config, **database);
    case KeysOptions::Action::kRotate:
      return rotate(options, *config, **database);
    case KeysOptions::Action::kExpire:
      return expire(options, *config, **database);
    case KeysOptions::Action::kImport:
      return import_keys(options, *config, **database);
  }
  return kWrongUse;
}

}  // namespace tollgate::cli
