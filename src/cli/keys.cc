// `tollgate keys`: tenant API keys, in the store that the configuration names. A change returns
// when the gateway that runs on the same store, if one does, has it in force.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <thread>

#include "admin/forms.h"
#include "admin/key_wish.h"
#include "admin/new_key.h"
#include "admin/query.h"
#include "cli/author.h"
#include "cli/commands.h"
#include "cli/load_config.h"
#include "cli/pepper.h"
#include "cli/wall_time.h"
#include "pipeline/plan.h"
#include "storage/store.h"
#include "storage/stored_keys.h"

namespace tollgate::cli {

namespace {

using authentication::KeyRecord;

int no_such_key(const std::string& id) {
  fmt::print(stderr, "tollgate: there is no key `{}`; `tollgate keys list` shows all\n", id);
  return kFindings;
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

void print_key(const KeyRecord& key, const std::string& secret, bool json) {
  if (json) {
    fmt::print("{}\n", admin::key_json(key, secret));
    return;
  }
  fmt::print("id       {}\n", key.id);
  if (!secret.empty()) fmt::print("secret   {}   (shown once)\n", secret);
  fmt::print("tenant   {}\n", key.tenant);
  if (!key.user.empty()) fmt::print("user     {}\n", key.user);
  if (!key.roles.empty()) fmt::print("roles    {}\n", fmt::join(key.roles, ", "));
  if (!key.name.empty()) fmt::print("name     {}\n", key.name);
  const std::pair<const char*, const std::vector<std::string>*> lists[] = {
      {"routes", &key.scopes.routes}, {"models", &key.scopes.models}, {"tools", &key.scopes.tools}};
  for (const auto& [name, list] : lists) {
    if (!list->empty()) fmt::print("{:<8} {}\n", name, fmt::join(*list, ", "));
  }
  for (const AddressRange& range : key.scopes.addresses) {
    fmt::print("from     {}\n", format_address_range(range));
  }
  if (!key.replaces.empty()) fmt::print("replaces {}\n", key.replaces);
  if (!key.replaced_by.empty()) fmt::print("next     {}\n", key.replaced_by);
  fmt::print("created  {}\nused     {}\nstate    {}\n", admin::rfc3339(key.created), used(key),
             state_of(key));
}

// Within two seconds or not at all: a gateway looks for changes at least five times a second.
void wait_until_in_force(storage::Database& database, const config::Store& where) {
  using std::chrono::steady_clock;
  const FaultOr<std::int64_t> made = storage::key_changes(database);
  const steady_clock::time_point end = steady_clock::now() + std::chrono::seconds(2);
  while (storage::gateway_runs(database, where).value_or(false)) {
    const FaultOr<std::int64_t> seen = storage::key_changes_in_force(database);
    if (made && seen && *seen >= *made) return;
    if (steady_clock::now() >= end) {
      fmt::print(stderr,
                 "tollgate: the change is kept, but the running gateway has not yet "
                 "confirmed that it has it in force\n");
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

admin::OrWords<admin::KeyWish> wish_of(const KeysOptions& options) {
  admin::KeyWish wish{options.tenant, options.user, options.roles, options.name};
  if (!options.expires.empty()) {
    const auto expires = admin::read_expiry(options.expires, wall_now());
    if (!expires) return std::unexpected("--expires " + expires.error());
    wish.expires = *expires;
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
  if (FaultOr<void> kept = storage::create_key(database, command_author(), made->record); !kept) {
    return faulty(kept.error());
  }
  wait_until_in_force(database, config.store);
  print_key(made->record, made->secret, options.json);
  return kDone;
}

int list(const KeysOptions& options, storage::Database& database) {
  const FaultOr<std::vector<KeyRecord>> keys = storage::list_keys(database, options.tenant);
  if (!keys) return faulty(keys.error());
  if (options.json) {
    fmt::print("{}\n", admin::keys_json(*keys));
    return kDone;
  }
  constexpr auto kRow = "{:<15} {:<16} {:<16} {:<20} {:<20} {}\n";
  fmt::print(kRow, "ID", "TENANT", "USER", "NAME", "USED", "STATE");
  for (const KeyRecord& key : *keys) {
    fmt::print(kRow, key.id, key.tenant, key.user, key.name, used(key), state_of(key));
  }
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
  const FaultOr<storage::Rotation> done =
      storage::rotate_key(database, command_author(), options.id, made->record, now + *overlap);
  if (!done) return faulty(done.error());
  if (*done == storage::Rotation::kNoSuchKey) return no_such_key(options.id);
  if (*done != storage::Rotation::kDone) {
    return wrong_use(fmt::format("`{}`: {}", options.id, admin::why_not_rotated(*done)));
  }
  wait_until_in_force(database, config.store);
  const FaultOr<std::optional<KeyRecord>> fresh = storage::show_key(database, made->record.id);
  if (!fresh) return faulty(fresh.error());
  print_key(**fresh, made->secret, options.json);
  return kDone;
}

int expire(const KeysOptions& options, const config::Config& config, storage::Database& database) {
  const auto expires = admin::read_expiry(options.expires, wall_now());
  if (!expires) return wrong_use("--expires " + expires.error());
  const FaultOr<bool> done = storage::expire_key(database, command_author(), options.id, *expires);
  if (!done) return faulty(done.error());
  if (!*done) return no_such_key(options.id);
  wait_until_in_force(database, config.store);
  return show(options, database);
}

int import(const KeysOptions& options, const config::Config& config, storage::Database& database) {
  std::ifstream file(options.file, std::ios::binary);
  const bool from_input = options.file == "-";
  if (!from_input && !file) return wrong_use(fmt::format("`{}` cannot be read", options.file));
  std::istream& in = from_input ? std::cin : file;
  const std::string lines{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const FaultOr<authentication::Pepper> pepper = pepper_of(config, database);
  if (!pepper) return faulty(pepper.error());
  const auto keys = admin::read_imports(lines, *pepper, wall_now(), [&](std::string_view tenant) {
    return pipeline::tenant_named(config, tenant) != nullptr;
  });
  if (!keys) return wrong_use(fmt::format("{}: {}", options.file, keys.error()));
  const FaultOr<std::size_t> made = storage::import_keys(database, command_author(), *keys);
  if (!made) return faulty(made.error());
  wait_until_in_force(database, config.store);
  if (options.json) {
    fmt::print("{}\n", admin::import_json(*keys, *made));
  } else {
    fmt::print("{} keys imported, {} were known before\n", *made, keys->size() - *made);
  }
  return kDone;
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
      return import(options, *config, **database);
  }
  return kWrongUse;
}

}  // namespace tollgate::cli
