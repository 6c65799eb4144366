#include <algorithm>
#include <string>

#include "controls/content/identifiers.h"
#include "controls/content/pii_checks.h"

namespace tollgate::content::pii {

namespace {

constexpr std::string_view kNationalTen = "0123456789";

// Mod 11 with weights from 2 rising from the right, up to `last`, over all but the check digit.
int rising_sum(Compact s, int last) {
  int sum = 0;
  int weight = 2;
  for (std::size_t i = s.size(); i-- > 0; weight = weight == last ? 2 : weight + 1) {
    sum += digit(s[i]) * weight;
  }
  return sum;
}

}  // namespace

bool us_ssn(Compact s) {
  const std::int64_t area = number_at(s, 0, 3);
  if (area == 0 || area == 666 || area >= 900) return false;
  if (number_at(s, 3, 2) == 0 || number_at(s, 5, 4) == 0) return false;
  // Published, and so no person's; and those of which everybody thinks first.
  return s != "078051120" && s != "219099999" && s != "123456789" && !is_one_digit_repeated(s);
}

bool us_itin(Compact s) {
  const std::int64_t group = number_at(s, 3, 2);
  return s[0] == '9' && ((group >= 50 && group <= 65) || (group >= 70 && group <= 88) ||
                         (group >= 90 && group <= 92) || group >= 94);
}

bool us_ein(Compact s) {
  constexpr std::string_view kNone = " 00 07 08 09 17 18 19 28 29 49 69 70 78 79 89 96 97 ";
  return kNone.find(" " + std::string(s.substr(0, 2)) + " ") == std::string_view::npos &&
         !is_one_digit_repeated(s);
}

bool us_npi(Compact s) {
  return (s[0] == '1' || s[0] == '2') && has_luhn("80840" + std::string(s));
}

bool us_dea(Compact s) {
  constexpr std::string_view kRegistrants = "ABCDEFGHJKLMPRSTUX";
  const int sum = weighted(s.substr(2), {1, 2, 1, 2, 1, 2});
  return kRegistrants.contains(s[0]) && sum % 10 == digit(s[8]);
}

bool us_mbi(Compact s) {
  constexpr std::string_view kNotUsed = "SLOIBZ";
  return s[0] != '0' && std::ranges::none_of(s, [&](char c) { return kNotUsed.contains(c); });
}

bool us_routing(Compact s) {
  const std::int64_t district = number_at(s, 0, 2);
  const bool is_issued = district <= 12 || (district >= 21 && district <= 32) ||
                         (district >= 61 && district <= 72) || district == 80;
  return is_issued && s != "000000000" && weighted(s, {3, 7, 1, 3, 7, 1, 3, 7, 1}) % 10 == 0;
}

// NANP: an area and an exchange begin with 2 to 9; 555-01xx is for fiction.
bool us_phone(Compact s) {
  if (s.size() == 11 && s.front() == '1') s.remove_prefix(1);
  if (s.size() != 10 || s[0] < '2' || s[3] < '2') return false;
  if (s.substr(1, 2) == "11" || s.substr(4, 2) == "11") return false;
  return s.substr(3, 5) != "55501" && !is_one_digit_repeated(s.substr(3));
}

bool ca_sin(Compact s) {
  return s[0] != '0' && s[0] != '8' && !is_one_digit_repeated(s) && has_luhn(s);
}

bool mx_curp(Compact s) {
  // The alphabet of RENAPO has an Ñ behind N, which no form here has.
  const auto value = [](char c) {
    return is_digit(c) ? digit(c) : value_of(c) + (c > 'N' ? 1 : 0);
  };
  constexpr std::string_view kStates =
      "ASBCBSCCCHCLCMCSDFDGGRGTHGJCMCMNMSNENLNTOCPLQRQTSLSPSRTCTLTSVZYNZS";
  if ((s[10] != 'H' && s[10] != 'M' && s[10] != 'X') || !has_date_ymd(s, 4)) return false;
  bool is_state = false;
  for (std::size_t i = 0; i < kStates.size(); i += 2) {
    is_state = is_state || kStates.substr(i, 2) == s.substr(11, 2);
  }
  int sum = 0;
  for (std::size_t i = 0; i < 17; ++i) sum += value(s[i]) * (18 - static_cast<int>(i));
  return is_state && (10 - sum % 10) % 10 == digit(s[17]);
}

bool mx_rfc(Compact s) {
  constexpr std::string_view kValues = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ ";
  const std::string padded = std::string(13 - s.size(), ' ') + std::string(s);
  if (!has_date_ymd(padded, 4)) return false;
  int sum = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    sum += static_cast<int>(kValues.find(padded[i])) * (13 - static_cast<int>(i));
  }
  const int last = (11 - sum % 11) % 11;
  return padded[12] == (last == 10 ? 'A' : static_cast<char>('0' + last));
}

bool br_cpf(Compact s) {
  if (is_one_digit_repeated(s) || s == "12345678909") return false;
  const int first = weighted(s, {10, 9, 8, 7, 6, 5, 4, 3, 2}) * 10 % 11 % 10;
  const int second = weighted(s, {11, 10, 9, 8, 7, 6, 5, 4, 3, 2}) * 10 % 11 % 10;
  return first == digit(s[9]) && second == digit(s[10]);
}

bool br_cnpj(Compact s) {
  if (is_one_digit_repeated(s)) return false;
  const auto check = [](int sum) { return sum % 11 < 2 ? 0 : 11 - sum % 11; };
  return check(rising_sum(s.substr(0, 12), 9)) == digit(s[12]) &&
         check(rising_sum(s.substr(0, 13), 9)) == digit(s[13]);
}

bool ar_cuit(Compact s) {
  constexpr std::string_view kTypes = " 20 23 24 25 26 27 30 33 34 50 51 55 ";
  if (kTypes.find(" " + std::string(s.substr(0, 2)) + " ") == std::string_view::npos) return false;
  const int rest = (11 - weighted(s, {5, 4, 3, 2, 7, 6, 5, 4, 3, 2}) % 11) % 11;
  return (rest == 10 ? 9 : rest) == digit(s[10]);
}

bool cl_rut(Compact s) {
  const Compact number = s.substr(0, s.size() - 1);
  const int rest = (11 - rising_sum(number, 7) % 11) % 11;
  return !is_one_digit_repeated(number) &&
         s.back() == (rest == 10 ? 'K' : kNationalTen[static_cast<std::size_t>(rest)]);
}

bool co_nit(Compact s) {
  constexpr int kWeights[] = {3, 7, 13, 17, 19, 23, 29, 37, 41};
  int sum = 0;
  for (std::size_t i = 0; i < 9; ++i) sum += digit(s[8 - i]) * kWeights[i];
  const int rest = sum % 11;
  return (rest < 2 ? rest : 11 - rest) == digit(s[9]);
}

// yymmdd, a number of the day, citizenship, 8 or 9.
bool za_id(Compact s) {
  return has_date_ymd(s) && s[10] <= '2' && (s[11] == '8' || s[11] == '9') && has_luhn(s);
}

}  // namespace tollgate::content::pii
