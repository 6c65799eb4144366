#include "admin/forms.h"

#include <fmt/format.h>

#include <charconv>

#include "base/check.h"
#include "base/json_writer.h"
#include "base/money.h"
#include "controls/administration/grant_form.h"
#include "storage/key_form.h"

namespace tollgate::admin {

namespace {

constexpr std::string_view kTenantIsFull =
    "The tenant has as many keys in force as it may: revoke some, or raise `keys_max` of the "
    "tenant in the configuration.";
constexpr std::string_view kStoreIsFull =
    "The store has as many keys in force as it holds: revoke some.";
constexpr std::string_view kTooManyEnded =
    "As many keys as may be have ended within the last hour: no more are made for now. Ask again "
    "later.";

void write_money(JsonWriter& json, std::string_view name, Money amount) {
  json.key(name);
  json.raw(format_usd(amount));
}

void write_key(JsonWriter& json, const authentication::KeyRecord& key, std::string_view secret) {
  json.begin_object();
  json.member("id", std::string_view(key.id));
  if (!secret.empty()) json.member("secret", secret);
  storage::write_key_members(json, key);
  administration::write_moment(json, "last_used", key.last_used);
  json.end_object();
}

}  // namespace

std::string key_json(const authentication::KeyRecord& key, std::string_view secret) {
  std::string out;
  JsonWriter json(out);
  write_key(json, key, secret);
  return out;
}

std::string keys_json(const std::vector<authentication::KeyRecord>& keys) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const authentication::KeyRecord& key : keys) write_key(json, key, {});
  json.end_array();
  return out;
}

std::string import_json(const std::vector<std::string>& ids, std::size_t made) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("imported", static_cast<std::int64_t>(made));
  json.member("known_before", static_cast<std::int64_t>(ids.size() - made));
  json.key("ids");
  json.begin_array();
  for (const std::string& id : ids) json.value(std::string_view(id));
  json.end_array();
  json.end_object();
  return out;
}

std::string key_page_json(const storage::KeyPage& page) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("data");
  json.raw(keys_json(page.keys));
  json.key("has_more");
  json.value(page.has_more);
  json.key("next");
  if (page.has_more && !page.keys.empty()) {
    json.value(std::string_view(page.keys.back().id));
  } else {
    json.null();
  }
  json.end_object();
  return out;
}

std::string_view why_not_done(storage::KeyVerdict verdict) {
  switch (verdict) {
    case storage::KeyVerdict::kDone:
      return {};
    case storage::KeyVerdict::kNoSuchKey:
      return "There is no key of this id.";
    case storage::KeyVerdict::kRevoked:
      return "A revoked key cannot be rotated: create a new one.";
    case storage::KeyVerdict::kExpired:
      return "An expired key cannot be rotated: create a new one.";
    case storage::KeyVerdict::kRotatedBefore:
      return "This key was rotated: it is not rotated again and gets no later end. Change the one "
             "that replaced it.";
    case storage::KeyVerdict::kEndsEarlier:
      return "The key gets no later end.";
    case storage::KeyVerdict::kTenantIsFull:
      return kTenantIsFull;
    case storage::KeyVerdict::kStoreIsFull:
      return kStoreIsFull;
    case storage::KeyVerdict::kTooManyEnded:
      return kTooManyEnded;
  }
  CHECK(false);
}

std::string_view why_not_imported(storage::Imported::Refused refused) {
  switch (refused) {
    case storage::Imported::Refused::kNo:
      return {};
    case storage::Imported::Refused::kKnown:
      return "The key is known already.";
    case storage::Imported::Refused::kOfAnother:
      return "Another tenant has this key already, and it can be of one alone.";
    case storage::Imported::Refused::kTenantIsFull:
      return kTenantIsFull;
    case storage::Imported::Refused::kStoreIsFull:
      return kStoreIsFull;
    case storage::Imported::Refused::kTooManyEnded:
      return kTooManyEnded;
    case storage::Imported::Refused::kHasEnded:
      return "`expires` is past: a key that has ended is not imported.";
  }
  CHECK(false);
}

std::string spend_name(storage::SpendBy by, const storage::SpendRow& row) {
  if (by == storage::SpendBy::kTool && row.name.empty()) return "none";
  if (by != storage::SpendBy::kHour && by != storage::SpendBy::kDay) return row.name;
  std::int64_t us = 0;
  std::from_chars(row.name.data(), row.name.data() + row.name.size(), us);
  if (us == storage::kEarlierQuarter) return "earlier";
  return rfc3339(storage::from_microseconds(us));
}

std::string spend_json(storage::SpendBy by, const std::vector<storage::SpendRow>& rows) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const storage::SpendRow& row : rows) {
    json.begin_object();
    json.member(storage::name_of(by), std::string_view(spend_name(by, row)));
    if (!row.tenant.empty()) json.member("tenant", std::string_view(row.tenant));
    json.member("requests", row.spent.requests);
    json.member("input_tokens", row.spent.input);
    json.member("cached_input_tokens", row.spent.cached_input);
    json.member("output_tokens", row.spent.output);
    write_money(json, "cost_usd", row.spent.cost);
    json.end_object();
  }
  json.end_array();
  return out;
}

std::string gateways_json(const std::vector<storage::GatewayStanding>& gateways) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const storage::GatewayStanding& gateway : gateways) {
    json.begin_object();
    json.member("gateway", std::string_view(gateway.name));
    json.key("alive");
    json.value(gateway.alive);
    administration::write_moment(json, "seen", gateway.seen);
    administration::write_moment(json, "retired", gateway.retired);
    json.member("seat", std::string_view(gateway.seat));
    json.member("groups", gateway.groups);
    write_money(json, "leased_usd", gateway.leased);
    write_money(json, "expired_usd", gateway.expired);
    json.key("open");
    if (gateway.open) {
      json.value(*gateway.open);
    } else {
      json.null();
    }
    json.member("records", gateway.records);
    json.member("trail_bytes", static_cast<std::int64_t>(gateway.trail_bytes));
    json.end_object();
  }
  json.end_array();
  return out;
}

std::string retirement_json(const storage::Retirement& done) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("gateway", std::string_view(done.gateway));
  json.member("closed", done.closed);
  write_money(json, "booked_usd", done.booked);
  write_money(json, "unproven_usd", done.unproven);
  json.end_object();
  return out;
}

std::string budgets_json(const storage::Standings& standings) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const storage::BudgetStanding& budget : standings.budgets) {
    json.begin_object();
    json.member("rule", std::string_view(budget.rule));
    json.member("scope", limits::name_of(budget.scope));
    json.member("subject", std::string_view(budget.subject));
    json.member("window", cost::name_of(budget.window));
    json.member("window_start", std::string_view(rfc3339(budget.window_start)));
    if (budget.window_end) {
      json.member("window_end", std::string_view(rfc3339(*budget.window_end)));
    }
    json.member("time_zone", budget.zone.name());
    write_money(json, "limit_usd", budget.limit);
    write_money(json, "spent_usd", budget.spent);
    write_money(json, "held_usd", budget.held);
    json.end_object();
  }
  json.end_array();
  return out;
}

}  // namespace tollgate::admin
