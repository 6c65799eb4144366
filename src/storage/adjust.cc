#include "storage/adjust.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/json_writer.h"
#include "base/money.h"
#include "storage/accounts.h"
#include "storage/allowances.h"
#include "storage/audit_query.h"
#include "storage/gateway_name.h"
#include "storage/prune_books.h"
#include "storage/record_facts.h"
#include "storage/spend.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

// A request as its records tell it, or as it was adjusted last.
struct Ended {
  SpendKey key;  // Borrows from what follows.
  std::string tenant, user, key_id, route, model, accounts;
  std::int64_t decided_us = 0;
  cost::Prices prices;
  Spent spent;
  cost::Amounts parts;  // What of it is paid apart, as it was settled.
  bool is_adjusted = false;
  std::string because;  // Of the last adjustment.
};

std::unexpected<Fault> refused(const Database& database, std::string_view request,
                               std::string_view why) {
  return fault(FaultKind::kRefusedByPeer,
               fmt::format("{}: the request {} {}", database.name(), request, why));
}

FaultOr<Ended> read_ended(Database& database, const std::string& request) {
  AuditQuery query;
  query.id = request;
  TRY(rows, query_audit(database, query, 8));
  Ended ended;
  bool decided = false;
  bool is_over = false;
  std::optional<cost::Prices> prices;
  FactReader reader;
  for (AuditRow& row : rows) {
    row.record.reserve(row.record.size() + simdjson::SIMDJSON_PADDING);  // For the reader.
    const std::optional<RecordFacts> facts = reader.read(row.record);
    if (!facts) continue;
    if (facts->phase == audit::Phase::kOutcome) {
      is_over = true;
      ended.spent.input = facts->input;
      ended.spent.cached_input = facts->cached_input;
      ended.spent.output = facts->output;
      ended.parts.audio = facts->audio_input;
      ended.parts.image = facts->image_input;
      ended.parts.cache_write_5m = facts->cache_write_5m;
      ended.parts.cache_write_1h = facts->cache_write_1h;
      ended.parts.reasoning = facts->reasoning;
      ended.parts.audio_output = facts->audio_output;
      ended.parts.tier = facts->tier;
      ended.spent.cost = facts->cost;
      continue;
    }
    decided = lets_leave(facts->outcome);
    ended.tenant = facts->tenant;
    ended.user = facts->subject;
    ended.key_id = facts->key_id;
    ended.route = facts->route;
    ended.model = facts->model;
    ended.accounts = facts->accounts;
    ended.decided_us = to_microseconds(facts->time);
    prices = cost::prices_of(facts->price_version);
  }
  TRY(kept_from, books_kept_from(database));
  if (kept_from && ended.decided_us < to_microseconds(*kept_from)) {
    return refused(database, request, "was decided so long ago that the books are closed.");
  }
  if (!decided) return refused(database, request, "is not in the trail as one that was forwarded.");
  if (!is_over) return refused(database, request, "has not ended: its usage may still come.");
  if (!prices) return refused(database, request, "names no prices in its record.");
  ended.prices = *prices;
  return ended;
}

FaultOr<void> take_last(Database& database, const std::string& request, Ended& ended) {
  TRY(last, database.prepare("SELECT input, cached_input, output, cost_micro_usd, because FROM "
                             "adjustments WHERE request = ? ORDER BY sequence DESC LIMIT 1"));
  TRY(there, last.bind(request).step());
  if (!there) return {};
  ended.spent.input = last.integer(0);
  ended.spent.cached_input = last.integer(1);
  ended.spent.output = last.integer(2);
  ended.spent.cost = {last.integer(3)};
  ended.because = last.text(4);
  ended.is_adjusted = true;
  return {};
}

FaultOr<void> write_adjustment(Database& database, const LateUsage& late, const Ended& ended,
                               const Spent& now_spent, WallTime now) {
  TRY(insert,
      database.prepare("INSERT INTO adjustments (request, model, decided_us, input, cached_input, "
                       "output, cost_micro_usd, amount_micro_usd, because, at_us) VALUES "
                       "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  return insert.bind(late.request)
      .bind(ended.model)
      .bind(ended.decided_us)
      .bind(now_spent.input)
      .bind(now_spent.cached_input)
      .bind(now_spent.output)
      .bind(now_spent.cost.micro_usd)
      .bind(now_spent.cost.micro_usd - ended.spent.cost.micro_usd)
      .bind(late.because)
      .bind(to_microseconds(now))
      .run();
}

// A part of the usage: as it is said, as the records have it, and by what name.
struct Part {
  std::optional<Tokens> LateParts::* said;
  Tokens cost::Amounts::* amount;
  std::string_view name;
};
constexpr std::array kInputParts = {
    Part{&LateParts::audio_input, &cost::Amounts::audio, "audio_input"},
    Part{&LateParts::image_input, &cost::Amounts::image, "image_input"},
    Part{&LateParts::cache_write_1h, &cost::Amounts::cache_write_1h, "cache_write_1h"},
    Part{&LateParts::cache_write_5m, &cost::Amounts::cache_write_5m, "cache_write_5m"}};
constexpr std::array kOutputParts = {
    Part{&LateParts::reasoning, &cost::Amounts::reasoning, "reasoning"},
    Part{&LateParts::audio_output, &cost::Amounts::audio_output, "audio_output"}};

// As a record names them: what there is of each.
void write_parts(const cost::Amounts& amounts, JsonWriter& json) {
  for (const std::span<const Part> parts :
       {std::span<const Part>(kInputParts), std::span<const Part>(kOutputParts)}) {
    for (const Part& part : parts) {
      if (amounts.*part.amount > 0) json.member(part.name, amounts.*part.amount);
    }
  }
  if (amounts.tier != ServiceTier::kDefault) json.member("service_tier", name_of(amounts.tier));
}

// `because`: empty as long as the request is booked as it was settled. `parts`: null where nobody
// knows them any more.
std::string usage_form(const Spent& spent, const cost::Amounts* parts, std::string_view because) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("input", spent.input);
  json.member("cached_input", spent.cached_input);
  json.member("output", spent.output);
  if (parts != nullptr) write_parts(*parts, json);
  json.key("cost_usd");
  json.raw(format_usd(spent.cost));
  json.member("because", because);
  json.end_object();
  return out;
}

// Those that are said have `whole` first. False: they are more than it.
bool take_parts(std::span<const Part> parts, const LateParts& said, const cost::Amounts& settled,
                Tokens whole, cost::Amounts& made) {
  for (const Part& part : parts) {
    made.*part.amount = (said.*part.said).value_or(0);
    whole -= made.*part.amount;
  }
  if (whole < 0) return false;
  for (const Part& part : parts) {
    if (said.*part.said) continue;
    made.*part.amount = std::min(whole, settled.*part.amount);
    whole -= made.*part.amount;
  }
  return true;
}

// What it has no price for is paid as what it is a part of, but for what may cost more than that.
std::string_view unpriced_of(const cost::Amounts& amounts, const cost::Prices& prices) {
  const ServiceTier tier = amounts.tier;
  const bool is_usual = tier == ServiceTier::kDefault;
  const auto of = std::ranges::find(prices.tiers, tier, &cost::Prices::tier);
  if (!is_usual && of == prices.tiers.end()) return "service_tier";
  const cost::PricesApart& apart = is_usual ? prices.apart : of->apart;
  if (amounts.cache_write_5m > 0 && !apart.cache_write_5m) return "cache_write_5m";
  if (amounts.cache_write_1h > 0 && !apart.cache_write_1h) return "cache_write_1h";
  return {};
}

FaultOr<cost::Amounts> amounts_of(const Database& database, const LateUsage& late,
                                  const Ended& ended) {
  cost::Amounts made;
  made.input = late.input;
  made.cached_input = late.cached_input;
  made.output = late.output;
  made.tier = late.parts.service_tier.value_or(ended.parts.tier);
  if (!take_parts(kInputParts, late.parts, ended.parts, late.input - late.cached_input, made)) {
    return refused(database, late.request, "cannot have more parts of its input than input.");
  }
  if (!take_parts(kOutputParts, late.parts, ended.parts, late.output, made)) {
    return refused(database, late.request, "cannot have more parts of its output than output.");
  }
  const std::string_view unpriced = unpriced_of(made, ended.prices);
  if (unpriced.empty()) return made;
  return refused(database, late.request,
                 fmt::format("was held at prices that have none of its `{}`.", unpriced));
}

FaultOr<void> book_difference(Database& database, const Ended& ended, const Spent& now_spent,
                              WallTime now) {
  Spent more;
  more.input = now_spent.input - ended.spent.input;
  more.cached_input = now_spent.cached_input - ended.spent.cached_input;
  more.output = now_spent.output - ended.spent.output;
  more.cost = {now_spent.cost.micro_usd - ended.spent.cost.micro_usd};
  SpendGroup group;
  group.add({quarter_of(from_microseconds(ended.decided_us)), ended.tenant, ended.user,
             ended.key_id, ended.route, ended.model},
            more);
  TRY_DO(book(database, group));
  Allowances allowances(database, kOnlyGateway);
  std::string_view accounts = ended.accounts;
  while (!accounts.empty()) {
    const std::optional<AccountId> account = take_account(accounts);
    if (!account) break;
    TRY_DO(allowances.adjust(*account, more.cost, now));
  }
  return {};
}

}  // namespace

FaultOr<Adjusted> adjust(Database& database, const Author& author, const LateUsage& late,
                         WallTime now) {
  TRY(ended, read_ended(database, late.request));
  TRY(transaction, Transaction::begin(database));
  TRY_DO(take_last(database, late.request, ended));
  Spent now_spent;
  TRY(amounts, amounts_of(database, late, ended));
  now_spent.input = late.input;
  now_spent.cached_input = late.cached_input;
  now_spent.output = late.output;
  now_spent.cost = cost::price(ended.prices, amounts);
  const Adjusted done{ended.spent.cost, now_spent.cost};
  if (now_spent == ended.spent) return done;
  TRY_DO(write_adjustment(database, late, ended, now_spent, now));
  TRY_DO(book_difference(database, ended, now_spent, now));
  const std::string was =
      usage_form(ended.spent, ended.is_adjusted ? nullptr : &ended.parts, ended.because);
  const std::string is = usage_form(now_spent, &amounts, late.because);
  TRY_DO(record_change(database, author, {"spend.adjust", late.request, ended.tenant, was, is}));
  TRY_DO(transaction.commit());
  return done;
}

FaultOr<std::map<std::string, Money>> adjusted_by_model(Database& database, std::int64_t since_us,
                                                        std::int64_t until_us) {
  TRY(rows, database.prepare("SELECT model, CAST(sum(amount_micro_usd) AS BIGINT) FROM adjustments "
                             "WHERE decided_us >= ? AND decided_us < ? GROUP BY model"));
  rows.bind(since_us).bind(until_us);
  std::map<std::string, Money> all;
  while (true) {
    TRY(there, rows.step());
    if (!there) return all;
    all[std::string(rows.text(0))] = Money{rows.integer(1)};
  }
}

}  // namespace tollgate::storage
