// A provider's invoice against the books: by model and day, in dollars.
//
// The file is CSV (RFC 4180) whose first line names its columns; `model`, `day` (2026-11-27) and
// `usd` are read, others are not. Lines of one model and day are added up; so are those without a
// model, such as taxes and credits, which can be held against nothing.
//
// Pure. Linear in the text.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/money.h"

namespace tollgate::cost {

// By model and day.
using Charged = std::map<std::pair<std::string, std::string>, Money>;

inline constexpr std::size_t kInvoiceBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kInvoiceRowsMax = 1'000'000;

// What is wrong with it, in words with the line.
std::expected<Charged, std::string> read_invoice(std::string_view csv);

// Which of the two has the model on that day.
enum class Where : std::uint8_t { kBoth, kBooks, kInvoice };
std::string_view name_of(Where where);  // "both", "books", "invoice"

struct Compared {
  std::string model;  // Empty: lines of the invoice that name none.
  std::string day;
  Money booked;
  Money invoiced;
  Money difference;  // What is invoiced beyond what is booked.
  Where where{};
  bool differs = false;
};
// Of each model and day that either has. What differs by no more than `tolerance` is the same.
std::vector<Compared> compare(const Charged& booked, const Charged& invoiced, Money tolerance);

}  // namespace tollgate::cost
