#include "storage/count_error_marks.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/try.h"

namespace tollgate::storage {
namespace {

using tokens::CountError;
using tokens::CountErrors;

constexpr std::string_view kPrefix = "count_error/";
// Between the names of the model and of what counts it, which have none.
constexpr char kBetween = '\n';

std::string in_words(const CountError::Learned& learned) {
  std::string words = std::to_string(learned.week);
  for (const CountError::Sightings* of : {&learned.now, &learned.before}) {
    for (const std::int64_t figure : of->millionths) words += fmt::format(" {}", figure);
    for (const Tokens figure : of->tokens) words += fmt::format(" {}", figure);
  }
  return words;
}

// The figure that `text` begins with, at most `most`.
bool take_figure(std::string_view& text, std::int64_t most, std::int64_t& figure) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), figure);
  if (read.ec != std::errc() || figure < 0 || figure > most) return false;
  text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  return true;
}

// Nothing where it is not what in_words() writes.
std::optional<CountError::Learned> learned_in(std::string_view text) {
  CountError::Learned learned;
  bool good = take_figure(text, INT64_MAX, learned.week);
  for (CountError::Sightings* of : {&learned.now, &learned.before}) {
    for (std::int64_t& figure : of->millionths) {
      good = good && take_figure(text, CountError::kMillionthsMost, figure);
    }
    for (Tokens& figure : of->tokens) {
      good = good && take_figure(text, CountError::kTokensMost, figure);
    }
  }
  if (!good) return std::nullopt;
  return learned;
}

}  // namespace

FaultOr<void> load_count_errors(Database& database, CountErrors& errors, WallTime now) {
  TRY(rows, database.prepare("SELECT name, value FROM marks WHERE name LIKE 'count_error/%'"));
  while (true) {
    TRY(there, rows.step());
    if (!there) return {};
    std::string_view name = rows.text(0);
    name.remove_prefix(kPrefix.size());
    const std::size_t between = name.find(kBetween);
    const std::optional<CountError::Learned> learned = learned_in(rows.text(1));
    if (between == std::string_view::npos || !learned) continue;  // Is learned anew.
    errors.of(name.substr(0, between), name.substr(between + 1)).take(*learned, now);
  }
}

FaultOr<void> save_count_errors(Database& database, CountErrors& errors, WallTime now) {
  TRY_DO(load_count_errors(database, errors, now));
  for (const CountErrors::Row& row : errors.all()) {
    if (row.in_force == CountError::Seen{}) continue;
    TRY_DO(write_mark(database,
                      fmt::format("{}{}{}{}", kPrefix, row.model, kBetween, row.counted_by),
                      in_words(row.learned)));
  }
  return {};
}

}  // namespace tollgate::storage
