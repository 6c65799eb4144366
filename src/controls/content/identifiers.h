// Arithmetic of check digits and dates that the numbers of persons, cards and accounts share.
// Internal to content.
//
// What is checked is compact: digits and upper-case letters, without what stands between groups.
//
// Pure. Linear in the characters. Sources: ISO/IEC 7812-1 annex B (Luhn), ISO 7064 (mod 11-2,
// mod 11,10, mod 97-10), Verhoeff, "Error Detecting Decimal Codes" (1969), Gregorian calendar.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace tollgate::content {

constexpr int digit(char c) { return c - '0'; }
// 0 to 9, and A to Z as 10 to 35.
constexpr int value_of(char c) { return c >= 'A' ? c - 'A' + 10 : c - '0'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_alnum(char c) { return is_digit(c) || is_upper(c) || is_lower(c); }
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The number that `count` digits from `at` write; at most 18 of them.
std::int64_t number_at(std::string_view text, std::size_t at, std::size_t count);

// The sum of the values, each times its weight; as many as there are weights.
int weighted(std::string_view text, std::initializer_list<int> weights);

bool is_one_digit_repeated(std::string_view text);
bool has_luhn(std::string_view digits);
bool has_verhoeff(std::string_view digits);
bool has_mod_11_2(std::string_view text);  // The last may be X, for ten.
bool has_mod_11_10(std::string_view digits);
int mod_97(std::string_view text);  // Letters as two digits each.

struct Date {
  int year = 2000;  // Of four digits, or of a leap year where it is not known.
  int month = 0;
  int day = 0;
};
bool is_date(const Date& date);
// Dates of six digits, whose century is not known.
bool has_date_ymd(std::string_view text, std::size_t at = 0);
bool has_date_dmy(std::string_view text, std::size_t at = 0);

}  // namespace tollgate::content
