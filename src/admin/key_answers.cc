#include <fmt/format.h>

#include <algorithm>

#include "admin/answers.h"
#include "admin/forms.h"
#include "admin/key_grants.h"
#include "admin/key_wish.h"
#include "admin/members.h"
#include "admin/new_key.h"

namespace tollgate::admin {

using administration::Grant;
using authentication::KeyRecord;
using storage::Imported;
using storage::KeyVerdict;

namespace {

// Whether such a tenant is there or not: who is bound to others learns nothing of it.
Answer outside(std::string_view tenant) {
  return forbidden(administration::Lack{
      {}, fmt::format("You are bound to tenants, and `{}` is none of them.", tenant)});
}

Answer no_key() { return problem(404, "Not found", "There is no key of this id."); }

// What was not done, but for kDone.
Answer not_done(KeyVerdict verdict) {
  if (verdict == KeyVerdict::kNoSuchKey) return no_key();
  return problem(409, "Conflict", why_not_done(verdict));
}

// Who is bound to tenants is told nothing of whose key it is that stands against his import, nor
// which of his lines it is: else he could find out, line by line and with no trace, which digests
// callers of other tenants have.
Answer not_imported(const Imported& done, const ImportBatch& batch, const Grant& grant) {
  if (done.refused == Imported::Refused::kKnown && grant.is_bound()) {
    return problem(409, "Conflict",
                   "A key of these is known already, or is there twice, so none was imported. Who "
                   "is bound to tenants imports new keys only.");
  }
  return problem(409, "Conflict",
                 fmt::format("line {}: {} None of these was imported.", batch.lines[done.at],
                             why_not_imported(done.refused)));
}

}  // namespace

// Nothing: there is none, or none that is his.
FaultOr<std::optional<KeyRecord>> Answers::key_of(const Question& question) {
  FaultOr<std::optional<KeyRecord>> key = parts_.store.keys().show(question.id);
  if (key && *key && !question.admin.grant.reaches((*key)->tenant)) key->reset();
  return key;
}

Answer Answers::show_key(const Question& question) {
  const FaultOr<std::optional<KeyRecord>> key = key_of(question);
  if (!key) return store_problem(key.error());
  return *key ? Answer{200, key_json(**key)} : no_key();
}

// On a connection of the desk's own, so that no poll for changes waits for it.
Answer Answers::list_keys(const Question& question) {
  OrWords<KeyQuestion> asked = key_question(question.parameters);
  if (!asked) return bad_request(asked.error());
  asked->query.only = question.admin.grant.tenants;
  const FaultOr<storage::Database*> reading = database();
  if (!reading) return store_problem(reading.error());
  const FaultOr<std::optional<storage::KeyPage>> page =
      storage::query_keys(**reading, asked->query, asked->limit, asked->after, parts_.clock.wall());
  if (!page) return store_problem(page.error());
  if (!*page) return bad_request("`after` wants `next` of the page before this one.");
  return {200, key_page_json(**page)};
}

Answer Answers::create_key(const Question& question) {
  const WallTime now = parts_.clock.wall();
  const OrWords<KeyWish> wish = read_wish(question.body, now);
  if (!wish) return bad_request(wish.error());
  if (!question.admin.grant.reaches(wish->tenant)) return outside(wish->tenant);
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const config::Tenant* const tenant = tenant_of(*config, wish->tenant);
  if (tenant == nullptr) {
    return bad_request(fmt::format("No tenant `{}` is configured.", wish->tenant));
  }
  const auto may = check_roles(question.admin.grant, *tenant, wish->roles);
  if (!may) return forbidden(may.error());
  const FaultOr<MadeKey> made = make_key(*wish, parts_.pepper, now);
  if (!made) return store_problem(made.error());
  const FaultOr<KeyVerdict> kept = parts_.store.keys().create(author_of(question), made->record,
                                                              {.of_tenant = tenant->keys_max});
  if (!kept) return store_problem(kept.error());
  if (*kept != KeyVerdict::kDone) return not_done(*kept);
  return {201, key_json(made->record, made->secret)};
}

Answer Answers::import_keys(const Question& question) {
  const Grant& grant = question.admin.grant;
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const WallTime now = parts_.clock.wall();
  std::optional<administration::Lack> lack;
  ImportReader reader(parts_.pepper, now, [&](const KeyRecord& key) -> OrWords<void> {
    const config::Tenant* const tenant = tenant_of(*config, key.tenant);
    if (!grant.reaches(key.tenant) || tenant == nullptr) {
      // The same words for a tenant of others and for none: who is bound learns of his own alone.
      if (grant.is_bound()) lack.emplace();
      return std::unexpected(fmt::format("no tenant `{}` is configured", key.tenant));
    }
    const auto may = check_roles(grant, *tenant, key.roles);
    if (may) return {};
    lack = may.error();
    return std::unexpected(lack->why);
  });
  const OrWords<ImportBatch> batch = read_imports(question.body, reader);
  if (!batch && lack) return forbidden(administration::Lack{lack->right, batch.error()});
  if (!batch) return bad_request(batch.error());
  const storage::ImportTerms terms{
      .now = now,
      .known = grant.is_bound() ? storage::KnownKeys::kRefuseBatch : storage::KnownKeys::kLeaveThem,
      .of_tenant = [&](std::string_view name) { return tenant_of(*config, name)->keys_max; }};
  const FaultOr<Imported> done =
      parts_.store.keys().import(author_of(question), batch->keys, terms);
  if (!done) return store_problem(done.error());
  if (done->refused != Imported::Refused::kNo) return not_imported(*done, *batch, grant);
  std::vector<std::string> ids;
  for (const KeyRecord& key : batch->keys) ids.push_back(key.id);
  return {200, import_json(ids, done->made)};
}

Answer Answers::after_change(const Question& question) {
  const FaultOr<std::optional<KeyRecord>> key = key_of(question);
  if (!key) return store_problem(key.error());
  return *key ? Answer{200, key_json(**key)} : no_key();
}

Answer Answers::revoke_key(const Question& question) {
  if (const OrWords<void> none = read_nothing(question.body); !none) {
    return bad_request(none.error());
  }
  const FaultOr<std::optional<KeyRecord>> before = key_of(question);
  if (!before) return store_problem(before.error());
  if (!*before) return no_key();
  const FaultOr<bool> done =
      parts_.store.keys().revoke(author_of(question), question.id, parts_.clock.wall());
  if (!done) return store_problem(done.error());
  return *done ? after_change(question) : no_key();
}

// A later end is given as a key is: by whoever may give its roles.
Answer Answers::expire_key(const Question& question) {
  const WallTime now = parts_.clock.wall();
  const OrWords<std::string> text = read_only_member(question.body, "expires", {});
  if (!text) return bad_request(text.error());
  const auto expires = read_expiry(*text, now);
  if (!expires) return bad_request(fmt::format("`expires` {}", expires.error()));
  const FaultOr<std::optional<KeyRecord>> key = key_of(question);
  if (!key) return store_problem(key.error());
  if (!*key) return no_key();
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const auto may = check_roles(question.admin.grant, *config, **key);
  const FaultOr<KeyVerdict> done = parts_.store.keys().expire(
      author_of(question), question.id,
      {.expires = *expires,
       .now = now,
       .later = may ? storage::LaterEnd::kAllowed : storage::LaterEnd::kRefused,
       .room = room_of(*config, (*key)->tenant)});
  if (!done) return store_problem(done.error());
  if (*done == KeyVerdict::kEndsEarlier) return forbidden(may.error());
  return *done == KeyVerdict::kDone ? after_change(question) : not_done(*done);
}

// The new secret is shown to whoever asks, so he must be one who could have given the key.
Answer Answers::rotate_key(const Question& question) {
  const OrWords<std::string> text = read_only_member(question.body, "overlap", kOverlapUsual);
  if (!text) return bad_request(text.error());
  const std::optional<Duration> overlap = parse_span(*text);
  if (!overlap) return bad_request("`overlap` wants a span such as 24h");
  const FaultOr<std::optional<KeyRecord>> old = key_of(question);
  if (!old) return store_problem(old.error());
  if (!*old) return no_key();
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const auto may = check_roles(question.admin.grant, *config, **old);
  if (!may) return forbidden(may.error());
  const WallTime now = parts_.clock.wall();
  const FaultOr<MadeKey> made = make_key({}, parts_.pepper, now);
  if (!made) return store_problem(made.error());
  const FaultOr<KeyVerdict> done =
      parts_.store.keys().rotate(author_of(question), question.id,
                                 {made->record, now + *overlap, room_of(*config, (*old)->tenant)});
  if (!done) return store_problem(done.error());
  if (*done != KeyVerdict::kDone) return not_done(*done);
  const FaultOr<std::optional<KeyRecord>> fresh = parts_.store.keys().show(made->record.id);
  if (!fresh) return store_problem(fresh.error());
  if (!*fresh) return no_key();
  return {201, key_json(**fresh, made->secret)};
}

}  // namespace tollgate::admin
