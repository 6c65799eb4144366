#include "storage/record_facts.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "storage/accounts.h"

namespace tollgate::storage {
namespace {

using Element = simdjson::dom::element;

constexpr std::string_view kRequestPrefix = "req_";
constexpr std::string_view kChangePrefix = "chg_";
static_assert(kRequestPrefix.size() == kChangePrefix.size());

std::string_view text_of(const simdjson::simdjson_result<Element>& found) {
  std::string_view text;
  return found.get(text) == simdjson::SUCCESS ? text : std::string_view();
}

std::optional<audit::Outcome> outcome_named(std::string_view name) {
  for (const audit::Outcome outcome : {audit::Outcome::kAllowed, audit::Outcome::kRefused,
                                       audit::Outcome::kDowngraded, audit::Outcome::kCut}) {
    if (audit::name_of(outcome) == name) return outcome;
  }
  return std::nullopt;
}

std::optional<audit::Phase> phase_named(std::string_view name) {
  for (const audit::Phase phase :
       {audit::Phase::kDecision, audit::Phase::kOutcome, audit::Phase::kChange}) {
    if (audit::name_of(phase) == name) return phase;
  }
  return std::nullopt;
}

// The decimal digits of text[at, at + count); -1: there are others.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::int64_t number_of(const simdjson::simdjson_result<Element>& found) {
  std::int64_t number = 0;
  return found.get(number) == simdjson::SUCCESS ? number : 0;
}

// Records have money as decimals of at most six digits behind the point, so rounding is exact.
Money money_of(const simdjson::simdjson_result<Element>& found) {
  double usd = 0;
  if (found.get(usd) != simdjson::SUCCESS) return {};
  return {std::llround(usd * 1e6)};
}

Money most_held(const simdjson::simdjson_result<Element>& found) {
  Money most;
  simdjson::dom::array budgets;
  if (found.get(budgets) != simdjson::SUCCESS) return most;
  for (const Element budget : budgets) most = std::max(most, money_of(budget["held_usd"]));
  return most;
}

void read_usage(const Element& record, RecordFacts& facts) {
  facts.input = number_of(record["usage"]["input"]);
  facts.cached_input = number_of(record["usage"]["cached_input"]);
  facts.audio_input = number_of(record["usage"]["audio_input"]);
  facts.image_input = number_of(record["usage"]["image_input"]);
  facts.cache_write_5m = number_of(record["usage"]["cache_write_5m"]);
  facts.cache_write_1h = number_of(record["usage"]["cache_write_1h"]);
  facts.output = number_of(record["usage"]["output"]);
  facts.reasoning = number_of(record["usage"]["reasoning"]);
  facts.audio_output = number_of(record["usage"]["audio_output"]);
  facts.tier =
      service_tier_named(text_of(record["usage"]["service_tier"])).value_or(ServiceTier::kDefault);
  facts.by_provider = text_of(record["usage"]["source"]) == "provider";
  facts.cost = money_of(record["cost_usd"]);
  if (facts.by_provider) facts.input_reported = facts.input;
  std::int64_t reported = 0;
  if (record["usage"]["input_reported"].get(reported) == simdjson::SUCCESS) {
    facts.input_reported = reported;
  }
}

void append_accounts(const simdjson::simdjson_result<Element>& found, std::string& packed) {
  simdjson::dom::array budgets;
  if (found.get(budgets) != simdjson::SUCCESS) return;
  for (const Element budget : budgets) {
    const auto start = parse_record_time(text_of(budget["window_start"]));
    if (!start) continue;  // Of a release that kept no accounts.
    const AccountId account{text_of(budget["rule"]), text_of(budget["subject"]), *start};
    const std::size_t before = packed.size();
    packed.resize(before + packed_bytes(account));
    pack(account, packed.data() + before);
  }
}

std::optional<RecordFacts> read_change(const Element& record, RecordFacts& facts) {
  facts.tenant = text_of(record["tenant"]);
  facts.subject = text_of(record["actor"]["subject"]);
  facts.key_id = text_of(record["actor"]["credential_id"]);
  facts.action = text_of(record["action"]);
  facts.object = text_of(record["object"]);
  if (facts.action.empty()) return std::nullopt;
  return facts;
}

}  // namespace

bool lets_leave(audit::Outcome outcome) {
  return outcome == audit::Outcome::kAllowed || outcome == audit::Outcome::kDowngraded;
}

std::optional<WallTime> parse_record_time(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00.000000Z";
  if (text.size() != kForm.size()) return std::nullopt;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] != '0' && text[i] != kForm[i]) return std::nullopt;
  }
  const int year = digits(text, 0, 4);
  const int month = digits(text, 5, 2);
  const int day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = digits(text, 17, 2);
  const int microsecond = digits(text, 20, 6);
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (year < 0 || month < 0 || day < 0 || !date.ok() || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 59 || microsecond < 0) {
    return std::nullopt;
  }
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second) + Duration(microsecond);
}

bool is_change_id(std::string_view id) { return id.starts_with(kChangePrefix); }

std::optional<WallTime> time_of_id(std::string_view id) {
  constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
  constexpr std::size_t kTimeCharacters = 10;
  constexpr std::size_t kCharacters = 26;
  if (!id.starts_with(kRequestPrefix) && !is_change_id(id)) return std::nullopt;
  id.remove_prefix(kRequestPrefix.size());
  if (id.size() != kCharacters) return std::nullopt;
  std::uint64_t ms = 0;
  for (const char c : id.substr(0, kTimeCharacters)) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    ms = ms << 5 | value;
  }
  if (ms >= std::uint64_t{1} << 48) return std::nullopt;
  return WallTime(std::chrono::milliseconds(ms));
}

std::optional<RecordFacts> FactReader::read(std::string_view line) {
  Element record;
  RecordFacts facts;
  if (parser_.parse(line.data(), line.size(), /*realloc_if_needed=*/false).get(record) !=
          simdjson::SUCCESS ||
      !record.is_object() || record["sequence"].get(facts.sequence) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  const Element decision =
      record["decision"].error() == simdjson::SUCCESS ? record["decision"].value_unsafe() : record;
  const auto time = parse_record_time(text_of(record["time"]));
  const auto phase = phase_named(text_of(record["phase"]));
  if (!time || !phase) return std::nullopt;
  facts.time = *time;
  facts.phase = *phase;
  facts.id = text_of(record["id"]);
  if (*phase == audit::Phase::kChange) return read_change(record, facts);
  const auto outcome = outcome_named(text_of(decision["outcome"]));
  if (!outcome) return std::nullopt;
  facts.outcome = *outcome;
  facts.tenant = text_of(record["actor"]["tenant"]);
  facts.subject = text_of(record["actor"]["subject"]);
  facts.key_id = text_of(record["actor"]["credential_id"]);
  facts.route = text_of(record["route"]);
  facts.model = text_of(record["model"]["served"]);
  facts.code = text_of(decision["code"]);
  accounts_.clear();
  append_accounts(record["budget"], accounts_);
  facts.accounts = accounts_;
  facts.price_version = text_of(record["price_version"]);
  facts.held = most_held(record["budget"]);
  bool is_bound = false;
  static_cast<void>(record["prompt"]["bound"].get(is_bound));  // Absent where it was counted.
  facts.counted = is_bound ? 0 : number_of(record["prompt"]["input_tokens_counted"]);
  read_usage(record, facts);
  return facts;
}

}  // namespace tollgate::storage
