#include "controls/cost/invoice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

namespace tollgate::cost {

namespace {

// Takes one record off `text`. False: a quote in it is not closed.
bool take_record(std::string_view& text, std::vector<std::string>& fields, std::size_t& lines) {
  fields.assign(1, {});
  bool quoted = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n') ++lines;
    if (quoted) {
      if (c != '"') {
        fields.back() += c;
      } else if (at + 1 < text.size() && text[at + 1] == '"') {
        fields.back() += '"';
        ++at;
      } else {
        quoted = false;
      }
    } else if (c == '"' && fields.back().empty()) {
      quoted = true;
    } else if (c == ',') {
      fields.emplace_back();
    } else if (c == '\n') {
      ++at;
      break;
    } else if (c != '\r') {
      fields.back() += c;
    }
  }
  text.remove_prefix(at);
  return !quoted;
}

bool is_day(std::string_view text) {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? text[i] != '-' : (text[i] < '0' || text[i] > '9')) return false;
  }
  return true;
}

// With a sign where it is a credit.
std::optional<Money> amount_of(std::string_view text) {
  if (text.starts_with('$')) text.remove_prefix(1);
  const bool credit = text.starts_with('-');
  if (credit) text.remove_prefix(1);
  const std::optional<Money> made = parse_money(text);
  if (!made) return std::nullopt;
  return Money{credit ? -made->micro_usd : made->micro_usd};
}

}  // namespace

std::expected<Charged, std::string> read_invoice(std::string_view csv) {
  if (csv.size() > kInvoiceBytesMax) {
    return std::unexpected(fmt::format("the file has more than {} bytes", kInvoiceBytesMax));
  }
  if (csv.starts_with("\xEF\xBB\xBF")) csv.remove_prefix(3);
  constexpr std::array<std::string_view, 3> kColumns = {"model", "day", "usd"};
  std::array<std::size_t, 3> places{};
  std::vector<std::string> fields;
  std::size_t lines = 0;
  if (!take_record(csv, fields, lines)) return std::unexpected("line 1: a quote is not closed");
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    const auto found = std::ranges::find(fields, kColumns[i]);
    if (found == fields.end()) {
      return std::unexpected(fmt::format(
          "line 1: there is no column `{}`: the first line names `model`, `day` and `usd`",
          kColumns[i]));
    }
    places[i] = static_cast<std::size_t>(found - fields.begin());
  }
  const std::size_t most = *std::ranges::max_element(places);
  Charged made;
  for (std::size_t rows = 0; !csv.empty(); ++rows) {
    const std::size_t line = lines + 1;
    if (rows >= kInvoiceRowsMax) {
      return std::unexpected(fmt::format("line {}: more than {} lines", line, kInvoiceRowsMax));
    }
    if (!take_record(csv, fields, lines)) {
      return std::unexpected(fmt::format("line {}: a quote is not closed", line));
    }
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (fields.size() <= most) {
      return std::unexpected(
          fmt::format("line {}: {} fields, where the first line has more", line, fields.size()));
    }
    const std::string& day = fields[places[1]];
    if (!is_day(day)) {
      return std::unexpected(
          fmt::format("line {}: `{}` is no day, such as 2026-11-27", line, day.substr(0, 40)));
    }
    const std::optional<Money> usd = amount_of(fields[places[2]]);
    if (!usd) {
      return std::unexpected(fmt::format("line {}: `{}` is no amount of dollars, such as 12.50",
                                         line, fields[places[2]].substr(0, 40)));
    }
    Money& sum = made[{fields[places[0]], day}];
    sum = add_saturated(sum, *usd);
  }
  return made;
}

std::string_view name_of(Where where) {
  constexpr std::array<std::string_view, 3> kNames = {"both", "books", "invoice"};
  return kNames[static_cast<std::size_t>(where)];
}

std::vector<Compared> compare(const Charged& booked, const Charged& invoiced, Money tolerance) {
  std::map<std::pair<std::string, std::string>, Compared> all;
  for (const auto& [key, amount] : booked) all[key].booked = amount;
  for (const auto& [key, amount] : invoiced) all[key].invoiced = amount;
  std::vector<Compared> made;
  for (auto& [key, row] : all) {
    const bool is_booked = booked.contains(key);
    row.where = !is_booked               ? Where::kInvoice
                : invoiced.contains(key) ? Where::kBoth
                                         : Where::kBooks;
    row.model = key.first;
    row.day = key.second;
    row.difference = add_saturated(row.invoiced, Money{-row.booked.micro_usd});
    row.differs = std::abs(row.difference.micro_usd) > tolerance.micro_usd;
    made.push_back(std::move(row));
  }
  return made;
}

}  // namespace tollgate::cost
