#include "admin/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "base/hex.h"

namespace tollgate::admin {

namespace {

std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (!is_pair(text, i + 1)) return std::nullopt;
    out += byte_of(text, i + 1);
    i += 2;
  }
  return out;
}

template <class Number>
std::optional<Number> whole(std::string_view text) {
  Number number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

// The numbers of a form like "0000-00-00", at the places of its zeros.
std::optional<std::array<int, 6>> numbers_of(std::string_view text, std::string_view form) {
  if (text.size() != form.size()) return std::nullopt;
  std::array<int, 6> numbers{};
  std::size_t field = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (form[i] == '0') {
      if (text[i] < '0' || text[i] > '9') return std::nullopt;
      numbers[field] = numbers[field] * 10 + (text[i] - '0');
    } else {
      if (text[i] != form[i]) return std::nullopt;
      if (i + 1 < text.size()) ++field;
    }
  }
  return numbers;
}

std::optional<WallTime> parse_date(std::string_view text) {
  std::optional<std::array<int, 6>> parts = numbers_of(text, "0000-00-00");
  if (!parts) parts = numbers_of(text, "0000-00-00T00:00:00Z");
  if (!parts) return std::nullopt;
  const auto& [year, month, day, hour, minute, second] = *parts;
  const std::chrono::year_month_day date(std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)});
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second);
}

std::unexpected<std::string> unknown(std::string_view name, std::string_view known) {
  return std::unexpected(fmt::format("`{}` is not known here; known are {}", name, known));
}

OrWords<std::int64_t> read_limit(std::string_view value, std::int64_t most) {
  const std::optional<std::int64_t> number = whole<std::int64_t>(value);
  if (number && *number >= 1 && *number <= most) return *number;
  return std::unexpected(
      fmt::format("`limit` wants a whole number from 1 to {}, not `{}`", most, value));
}

// Takes since and until; false: the parameter is another one.
OrWords<bool> take_time(const std::string& name, const std::string& value, WallTime now,
                        std::optional<WallTime>& since, std::optional<WallTime>& until) {
  if (name != "since" && name != "until") return false;
  OrWords<WallTime> moment = parse_moment(value, now);
  if (!moment) return std::unexpected(moment.error());
  (name == "since" ? since : until) = *moment;
  return true;
}

}  // namespace

OrWords<Parameters> parse_query(std::string_view query) {
  Parameters parameters;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::optional<std::string> name = decode(pair.substr(0, equals));
    const std::optional<std::string> value =
        equals == std::string_view::npos ? std::string() : decode(pair.substr(equals + 1));
    if (!name || !value) return std::unexpected("the query has an invalid % escape");
    if (parameters.size() == kParametersMax) {
      return std::unexpected(fmt::format("the query has more than {} parameters", kParametersMax));
    }
    if (std::ranges::count(parameters, *name, &Parameters::value_type::first) != 0) {
      return std::unexpected(fmt::format("the parameter `{}` is there twice", *name));
    }
    parameters.emplace_back(*name, *value);
  }
  return parameters;
}

std::optional<Duration> parse_span(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  std::int64_t unit = 0;
  switch (text.back()) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3600;
      break;
    case 'd':
      unit = 86'400;
      break;
    default:
      return std::nullopt;
  }
  const std::optional<std::int64_t> number = whole<std::int64_t>(text.substr(0, text.size() - 1));
  constexpr std::int64_t kTenYears = 3653LL * 86'400;
  if (!number || *number < 1 || *number > kTenYears / unit) return std::nullopt;
  return std::chrono::seconds(*number * unit);
}

OrWords<WallTime> parse_moment(std::string_view text, WallTime now) {
  if (const std::optional<Duration> back = parse_span(text)) return now - *back;
  if (const std::optional<WallTime> date = parse_date(text)) return *date;
  return std::unexpected(fmt::format(
      "`{}` is no time: write a span back from now (24h, 7d), a date (2026-11-25) or a moment "
      "(2026-11-25T18:00:00Z)",
      text));
}

OrWords<storage::SpendQuery> spend_query(const Parameters& parameters, WallTime now) {
  storage::SpendQuery query;
  for (const auto& [name, value] : parameters) {
    const OrWords<bool> time = take_time(name, value, now, query.since, query.until);
    if (!time) return std::unexpected(time.error());
    if (*time) continue;
    if (name == "tenant") {
      query.tenant = value;
    } else if (name == "by") {
      const std::optional<storage::SpendBy> by = storage::spend_by_named(value);
      if (!by) return unknown(value, "total, tenant, user, key, route, model, tool, hour, day");
      query.by = *by;
    } else {
      return unknown(name, "by, since, until, tenant");
    }
  }
  return query;
}

OrWords<KeyQuestion> key_question(const Parameters& parameters) {
  KeyQuestion question;
  for (const auto& [name, value] : parameters) {
    if (name == "tenant") {
      question.query.tenant = value;
    } else if (name == "user") {
      question.query.user = value;
    } else if (name == "after") {
      question.after = value;
    } else if (name == "state") {
      question.query.state = storage::key_state_named(value);
      if (!question.query.state) return unknown(value, "active, expired, revoked");
    } else if (name == "limit") {
      const OrWords<std::int64_t> limit = read_limit(value, storage::kKeysOfPageMax);
      if (!limit) return std::unexpected(limit.error());
      question.limit = *limit;
    } else {
      return unknown(name, "tenant, user, state, limit, after");
    }
  }
  return question;
}

OrWords<PageQuestion> page_question(const Parameters& parameters, std::int64_t most) {
  PageQuestion question;
  for (const auto& [name, value] : parameters) {
    if (name == "after") {
      question.after = value;
    } else if (name == "limit") {
      const OrWords<std::int64_t> limit = read_limit(value, most);
      if (!limit) return std::unexpected(limit.error());
      question.limit = *limit;
    } else {
      return unknown(name, "limit, after");
    }
  }
  return question;
}

OrWords<AuditQuestion> audit_question(const Parameters& parameters, WallTime now) {
  AuditQuestion question;
  storage::AuditQuery& query = question.query;
  const std::pair<std::string_view, std::string*> texts[] = {
      {"id", &query.id},        {"tenant", &query.tenant}, {"user", &query.subject},
      {"key", &query.key_id},   {"route", &query.route},   {"model", &query.model},
      {"code", &query.code},    {"actor", &query.actor},   {"action", &query.action},
      {"object", &query.object}};
  for (const auto& [name, value] : parameters) {
    const OrWords<bool> time = take_time(name, value, now, query.since, query.until);
    if (!time) return std::unexpected(time.error());
    if (*time) continue;
    bool taken = false;
    for (const auto& [known, field] : texts) {
      if (name != known) continue;
      *field = value;
      taken = true;
    }
    if (taken) continue;
    if (name == "outcome") {
      for (const audit::Outcome outcome : {audit::Outcome::kAllowed, audit::Outcome::kRefused,
                                           audit::Outcome::kDowngraded, audit::Outcome::kCut}) {
        if (audit::name_of(outcome) == value) query.outcome = outcome;
      }
      if (!query.outcome) return unknown(value, "allowed, refused, downgraded, cut");
    } else if (name == "phase") {
      for (const audit::Phase phase :
           {audit::Phase::kDecision, audit::Phase::kOutcome, audit::Phase::kChange}) {
        if (audit::name_of(phase) == value) query.phase = phase;
      }
      if (!query.phase) return unknown(value, "decision, outcome, change");
    } else if (name == "limit") {
      const OrWords<std::int64_t> limit = read_limit(value, storage::kAuditRowsMax);
      if (!limit) return std::unexpected(limit.error());
      question.limit = *limit;
    } else if (name == "before") {
      question.before = storage::read_cursor(value);
      if (!question.before) {
        return std::unexpected(fmt::format(
            "`before` wants the cursor that came with a page, or a record's sequence, not `{}`",
            value));
      }
    } else {
      return unknown(name,
                     "id, tenant, user, key, route, model, code, actor, action, object, outcome, "
                     "phase, since, until, limit, before");
    }
  }
  return question;
}

}  // namespace tollgate::admin
