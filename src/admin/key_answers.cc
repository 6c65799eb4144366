#include <fmt/format.h>

#include <algorithm>

#include "admin/answers.h"
#include "admin/forms.h"
#include "admin/key_wish.h"
#include "admin/new_key.h"

namespace tollgate::admin {

using authentication::KeyRecord;

namespace {

bool has_tenant(const config::Config& config, std::string_view name) {
  return std::ranges::binary_search(config.tenants, name, {}, &config::Tenant::name);
}

// Whether such a tenant is there or not: who is bound to others learns nothing of it.
Answer outside(std::string_view tenant) {
  return forbidden(administration::Lack{
      {}, fmt::format("You are bound to tenants, and `{}` is none of them.", tenant)});
}

Answer no_key() { return problem(404, "Not found", "There is no key of this id."); }

}  // namespace

// Nothing: there is none, or none that is his.
FaultOr<std::optional<KeyRecord>> Answers::key_of(const Question& question) {
  FaultOr<std::optional<KeyRecord>> key = parts_.store.keys().show(question.id);
  if (key && *key && !question.admin.grant.reaches((*key)->tenant)) key->reset();
  return key;
}

Answer Answers::keys(const Question& question) {
  if (question.endpoint == Endpoint::kShowKey) {
    const FaultOr<std::optional<KeyRecord>> key = key_of(question);
    if (!key) return store_problem(key.error());
    return *key ? Answer{200, key_json(**key)} : no_key();
  }
  std::string tenant;
  for (const auto& [name, value] : question.parameters) {
    if (name != "tenant") return bad_request("Only `tenant` is known here.");
    tenant = value;
  }
  FaultOr<std::vector<KeyRecord>> found = parts_.store.keys().list(tenant);
  if (!found) return store_problem(found.error());
  std::erase_if(*found,
                [&](const KeyRecord& key) { return !question.admin.grant.reaches(key.tenant); });
  return {200, keys_json(*found)};
}

Answer Answers::create_key(const Question& question) {
  const WallTime now = parts_.clock.wall();
  const OrWords<KeyWish> wish = read_wish(question.body, now);
  if (!wish) return bad_request(wish.error());
  if (!question.admin.grant.reaches(wish->tenant)) return outside(wish->tenant);
  if (!has_tenant(*parts_.config.get(), wish->tenant)) {
    return bad_request(fmt::format("No tenant `{}` is configured.", wish->tenant));
  }
  const FaultOr<MadeKey> made = make_key(*wish, parts_.pepper, now);
  if (!made) return store_problem(made.error());
  if (FaultOr<void> kept = parts_.store.keys().create(author_of(question), made->record); !kept) {
    return store_problem(kept.error());
  }
  return {201, key_json(made->record, made->secret)};
}

Answer Answers::import_keys(const Question& question) {
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const auto keys =
      read_imports(question.body, parts_.pepper, parts_.clock.wall(), [&](std::string_view tenant) {
        return question.admin.grant.reaches(tenant) && has_tenant(*config, tenant);
      });
  if (!keys) return bad_request(keys.error());
  const FaultOr<std::size_t> made = parts_.store.keys().import(author_of(question), *keys);
  if (!made) return store_problem(made.error());
  return {200, import_json(*keys, *made)};
}

// An end, now or as said.
Answer Answers::change_key(const Question& question) {
  const FaultOr<std::optional<KeyRecord>> before = key_of(question);
  if (!before) return store_problem(before.error());
  if (!*before) return no_key();
  const WallTime now = parts_.clock.wall();
  FaultOr<bool> done = true;
  if (question.endpoint == Endpoint::kExpireKey) {
    const OrWords<std::string> text = read_only_member(question.body, "expires", {});
    if (!text) return bad_request(text.error());
    const auto expires = read_expiry(*text, now);
    if (!expires) return bad_request(fmt::format("`expires` {}", expires.error()));
    done = parts_.store.keys().expire(author_of(question), question.id, *expires);
  } else {
    done = parts_.store.keys().revoke(author_of(question), question.id, now);
  }
  if (!done) return store_problem(done.error());
  const FaultOr<std::optional<KeyRecord>> key = key_of(question);
  if (!key) return store_problem(key.error());
  return *done && *key ? Answer{200, key_json(**key)} : no_key();
}

Answer Answers::rotate_key(const Question& question) {
  const OrWords<std::string> text = read_only_member(question.body, "overlap", kOverlapUsual);
  if (!text) return bad_request(text.error());
  const std::optional<Duration> overlap = parse_span(*text);
  if (!overlap) return bad_request("`overlap` wants a span such as 24h");
  const FaultOr<std::optional<KeyRecord>> old = key_of(question);
  if (!old) return store_problem(old.error());
  if (!*old) return no_key();
  const WallTime now = parts_.clock.wall();
  const FaultOr<MadeKey> made = make_key({}, parts_.pepper, now);
  if (!made) return store_problem(made.error());
  const FaultOr<storage::Rotation> done =
      parts_.store.keys().rotate(author_of(question), question.id, made->record, now + *overlap);
  if (!done) return store_problem(done.error());
  if (*done == storage::Rotation::kNoSuchKey) return no_key();
  if (*done != storage::Rotation::kDone) return problem(409, "Conflict", why_not_rotated(*done));
  const FaultOr<std::optional<KeyRecord>> fresh = parts_.store.keys().show(made->record.id);
  if (!fresh) return store_problem(fresh.error());
  if (!*fresh) return no_key();
  return {201, key_json(**fresh, made->secret)};
}

}  // namespace tollgate::admin
