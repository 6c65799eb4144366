#include "storage/count_error_marks.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "storage/try.h"

namespace tollgate::storage {
namespace {

using tokens::CountError;
using tokens::CountErrors;

constexpr std::string_view kPrefix = "count_error/";
// Between the names of model and tokenizer, which have none.
constexpr char kBetween = '\n';

std::string in_words(const CountError::Learned& learned) {
  return fmt::format("{} {} {} {} {}", learned.week, learned.now.millionths, learned.now.tokens,
                     learned.before.millionths, learned.before.tokens);
}

// Nothing where it is not what in_words() writes.
std::optional<CountError::Learned> learned_in(std::string_view text) {
  CountError::Learned learned;
  for (std::int64_t* figure : {&learned.week, &learned.now.millionths, &learned.now.tokens,
                               &learned.before.millionths, &learned.before.tokens}) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), *figure);
    if (read.ec != std::errc() || *figure < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  for (const CountError::Seen& seen : {learned.now, learned.before}) {
    if (seen.millionths > CountError::kMillionthsMost) return std::nullopt;
    if (seen.tokens > tokens::kInputSlack) return std::nullopt;
  }
  return learned;
}

}  // namespace

FaultOr<void> load_count_errors(Database& database, CountErrors& errors) {
  TRY(rows, database.prepare("SELECT name, value FROM marks WHERE name LIKE 'count_error/%'"));
  while (true) {
    TRY(there, rows.step());
    if (!there) return {};
    std::string_view name = rows.text(0);
    name.remove_prefix(kPrefix.size());
    const std::size_t between = name.find(kBetween);
    const std::optional<CountError::Learned> learned = learned_in(rows.text(1));
    if (between == std::string_view::npos || !learned) continue;  // Is learned anew.
    errors.of(name.substr(0, between), name.substr(between + 1)).take(*learned);
  }
}

FaultOr<void> save_count_errors(Database& database, CountErrors& errors) {
  TRY_DO(load_count_errors(database, errors));
  for (const CountErrors::Row& row : errors.all()) {
    if (row.learned.now == CountError::Seen{} && row.learned.before == CountError::Seen{}) continue;
    TRY_DO(write_mark(database,
                      fmt::format("{}{}{}{}", kPrefix, row.model, kBetween, row.tokenizer),
                      in_words(row.learned)));
  }
  return {};
}

}  // namespace tollgate::storage
