#include "controls/content/identifiers.h"

#include <algorithm>
#include <array>

namespace tollgate::content {

std::int64_t number_at(std::string_view text, std::size_t at, std::size_t count) {
  std::int64_t number = 0;
  for (const char c : text.substr(at, count)) number = number * 10 + digit(c);
  return number;
}

int weighted(std::string_view text, std::initializer_list<int> weights) {
  int sum = 0;
  std::size_t i = 0;
  for (const int weight : weights) sum += weight * value_of(text[i++]);
  return sum;
}

bool is_one_digit_repeated(std::string_view text) {
  return std::ranges::all_of(text, [&](char c) { return c == text.front(); });
}

bool has_luhn(std::string_view digits) {
  int sum = 0;
  bool is_doubled = false;
  for (std::size_t i = digits.size(); i-- > 0; is_doubled = !is_doubled) {
    const int value = digit(digits[i]) * (is_doubled ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
  }
  return sum % 10 == 0;
}

// By the dihedral group of ten elements.
bool has_verhoeff(std::string_view digits) {
  constexpr std::array<std::array<std::uint8_t, 10>, 8> kPermutation{{
      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
      {1, 5, 7, 6, 2, 8, 3, 0, 9, 4},
      {5, 8, 0, 3, 7, 9, 6, 1, 4, 2},
      {8, 9, 1, 6, 0, 4, 3, 5, 2, 7},
      {9, 4, 5, 3, 1, 2, 6, 8, 7, 0},
      {4, 2, 8, 6, 5, 7, 3, 9, 0, 1},
      {2, 7, 9, 3, 8, 0, 6, 4, 1, 5},
      {7, 0, 4, 6, 9, 1, 3, 2, 5, 8},
  }};
  int sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const int next =
        kPermutation[i % 8][static_cast<std::size_t>(digit(digits[digits.size() - 1 - i]))];
    const bool is_flipped = sum >= 5;
    const int turn = is_flipped ? (sum - next % 5 + 5) % 5 : (sum + next) % 5;
    sum = turn + ((sum >= 5) != (next >= 5) ? 5 : 0);
  }
  return sum == 0;
}

bool has_mod_11_2(std::string_view text) {
  int sum = 0;
  for (const char c : text.substr(0, text.size() - 1)) sum = (sum + digit(c)) * 2 % 11;
  const int last = (12 - sum) % 11;
  return text.back() == (last == 10 ? 'X' : static_cast<char>('0' + last));
}

bool has_mod_11_10(std::string_view digits) {
  int product = 10;
  for (const char c : digits.substr(0, digits.size() - 1)) {
    const int sum = (product + digit(c)) % 10;
    product = (sum == 0 ? 10 : sum) * 2 % 11;
  }
  return (11 - product) % 10 == digit(digits.back());
}

int mod_97(std::string_view text) {
  int rest = 0;
  for (const char c : text) {
    rest = is_digit(c) ? (rest * 10 + digit(c)) % 97 : (rest * 100 + value_of(c)) % 97;
  }
  return rest;
}

bool is_date(const Date& date) {
  constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (date.month < 1 || date.month > 12 || date.day < 1) return false;
  const bool is_leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
  const int leap_day = date.month == 2 && is_leap ? 1 : 0;
  return date.day <= kDays[static_cast<std::size_t>(date.month - 1)] + leap_day;
}

bool has_date_ymd(std::string_view text, std::size_t at) {
  return is_date({2000 + static_cast<int>(number_at(text, at, 2)),
                  static_cast<int>(number_at(text, at + 2, 2)),
                  static_cast<int>(number_at(text, at + 4, 2))});
}

bool has_date_dmy(std::string_view text, std::size_t at) {
  return is_date({2000 + static_cast<int>(number_at(text, at + 4, 2)),
                  static_cast<int>(number_at(text, at + 2, 2)),
                  static_cast<int>(number_at(text, at, 2))});
}

}  // namespace tollgate::content
