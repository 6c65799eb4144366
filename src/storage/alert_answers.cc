#include "storage/alert_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::string_view kPrefix = "answer/";

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

std::int64_t number_of(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_int64() ? found->as_int64() : 0;
}

std::optional<alerts::Answer> answer_in(std::string_view text) {
  boost::system::error_code error;
  const json::value read = json::parse(text, error);
  if (error || !read.is_object()) return std::nullopt;
  const json::object& object = read.as_object();
  alerts::Answer made;
  made.id = text_of(object, "id");
  made.rule = text_of(object, "rule");
  made.subject = text_of(object, "subject");
  made.tenant = text_of(object, "tenant");
  made.downgrade_to = text_of(object, "downgrade_to");
  made.message = text_of(object, "message");
  made.cap_output_tokens = number_of(object, "cap_output_tokens");
  made.since = from_microseconds(number_of(object, "since_us"));
  made.until = from_microseconds(number_of(object, "until_us"));
  const auto scope = limits::scope_named(text_of(object, "scope"));
  const auto action = alerts::action_named(text_of(object, "action"));
  if (!scope || !action || made.id.empty()) return std::nullopt;
  if (*action == alerts::Action::kCapOutputTokens && made.cap_output_tokens < 1)
    return std::nullopt;
  made.scope = *scope;
  made.action = *action;
  return made;
}

std::string mark_of(std::string_view id) { return fmt::format("{}{}", kPrefix, id); }

FaultOr<void> remove(Database& database, std::string_view id) {
  TRY(statement, database.prepare("DELETE FROM marks WHERE name = ?"));
  return statement.bind(mark_of(id)).run();
}

FaultOr<void> end(Database& database, const Author& author, const alerts::Answer& answer,
                  std::string_view action) {
  TRY_DO(remove(database, answer.id));
  const std::string before = written(answer);
  return record_change(database, author,
                       {.action = action,
                        .object = answer.id,
                        .tenant = answer.tenant,
                        .before = before,
                        .after = {}});
}

}  // namespace

FaultOr<std::vector<alerts::Answer>> list_answers(Database& database) {
  std::vector<alerts::Answer> all;
  TRY(rows, database.prepare("SELECT value FROM marks WHERE name >= 'answer/' AND name < 'answer0' "
                             "ORDER BY name LIMIT 4096"));
  while (true) {
    TRY(there, rows.step());
    if (!there) return all;
    if (std::optional<alerts::Answer> answer = answer_in(rows.text(0))) {
      all.push_back(std::move(*answer));
    }
  }
}

FaultOr<bool> begin_answer(Database& database, const Author& author, const alerts::Answer& answer) {
  const std::string mark = mark_of(answer.id);
  TRY(before, read_mark(database, mark));
  if (!before) {
    TRY(all, list_answers(database));
    if (all.size() >= alerts::InForce::kAnswersMax) return false;
  }
  const std::string after = written(answer);
  TRY_DO(write_mark(database, mark, after));
  TRY_DO(record_change(database, author,
                       {.action = "alert.begin",
                        .object = answer.id,
                        .tenant = answer.tenant,
                        .before = before.value_or(""),
                        .after = after}));
  return true;
}

FaultOr<void> end_answers(Database& database, const Author& author, WallTime now) {
  TRY(all, list_answers(database));
  for (const alerts::Answer& answer : all) {
    if (answer.over(now)) TRY_DO(end(database, author, answer, "alert.end"));
  }
  return {};
}

FaultOr<bool> release_answer(Database& database, const Author& author, std::string_view id,
                             const std::vector<std::string>& tenants, WallTime now) {
  TRY(transaction, begin_change(database, author, now));
  TRY(text, read_mark(database, mark_of(id)));
  const std::optional<alerts::Answer> answer = text ? answer_in(*text) : std::nullopt;
  if (!answer) return false;
  if (!tenants.empty() && std::ranges::count(tenants, answer->tenant) == 0) return false;
  TRY_DO(end(database, author, *answer, "alert.release"));
  TRY_DO(transaction.commit());
  return true;
}

FaultOr<void> record_note(Database& database, const Author& author, const AlertNote& note) {
  return record_change(database, author,
                       {.action = note.action,
                        .object = note.object,
                        .tenant = note.tenant,
                        .before = {},
                        .after = note.after});
}

}  // namespace tollgate::storage
