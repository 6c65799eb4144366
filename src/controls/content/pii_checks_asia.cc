#include <array>
#include <string>

#include "controls/content/identifiers.h"
#include "controls/content/pii_checks.h"

namespace tollgate::content::pii {

bool au_tfn(Compact s) {
  const bool holds = s.size() == 9 ? weighted(s, {1, 4, 3, 7, 5, 8, 6, 9, 10}) % 11 == 0
                                   : weighted(s, {10, 7, 8, 4, 6, 3, 5, 1}) % 11 == 0;
  return holds && !is_one_digit_repeated(s);
}

bool au_abn(Compact s) {
  const int sum = weighted(s, {10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19}) - 10;
  return s[0] != '0' && sum % 89 == 0;
}

bool au_medicare(Compact s) {
  return s[0] >= '2' && s[0] <= '6' && s[9] != '0' &&
         weighted(s, {1, 3, 7, 9, 1, 3, 7, 9}) % 10 == digit(s[8]);
}

bool nz_ird(Compact s) {
  const std::int64_t number = number_at(s, 0, s.size());
  if (number < 10'000'000 || number > 150'000'000) return false;
  const std::string padded = s.size() == 8 ? "0" + std::string(s) : std::string(s);
  int rest = (11 - weighted(padded, {3, 2, 7, 6, 5, 4, 3, 2}) % 11) % 11;
  if (rest == 10) rest = (11 - weighted(padded, {7, 4, 3, 2, 5, 2, 7, 6}) % 11) % 11;
  return rest == digit(padded[8]);
}

bool in_aadhaar(Compact s) { return s[0] >= '2' && !is_one_digit_repeated(s) && has_verhoeff(s); }

bool in_pan(Compact s) {
  constexpr std::string_view kHolders = "ABCFGHJLPT";
  return kHolders.contains(s[3]) && s.substr(5, 4) != "0000";
}

// State, PAN, entity, Z, and a check character by the base 36.
bool in_gstin(Compact s) {
  const std::int64_t state = number_at(s, 0, 2);
  if (state == 0 || state > 38 || s[12] == '0' || s[13] != 'Z' || !in_pan(s.substr(2, 10))) {
    return false;
  }
  int sum = 0;
  for (std::size_t i = 0; i < 14; ++i) {
    const int product = value_of(s[i]) * (i % 2 == 0 ? 1 : 2);
    sum += product / 36 + product % 36;
  }
  return (36 - sum % 36) % 36 == value_of(s[14]);
}

bool tr_tckn(Compact s) {
  if (s[0] == '0') return false;
  const int odd = weighted(s, {1, 0, 1, 0, 1, 0, 1, 0, 1});
  const int even = weighted(s, {0, 1, 0, 1, 0, 1, 0, 1});
  const int tenth = ((odd * 7 - even) % 10 + 10) % 10;
  return tenth == digit(s[9]) && (odd + even + tenth) % 10 == digit(s[10]);
}

bool il_id(Compact s) { return !is_one_digit_repeated(s) && has_luhn(s); }

bool sa_id(Compact s) { return (s[0] == '1' || s[0] == '2') && has_luhn(s); }

bool ae_id(Compact s) {
  const std::int64_t year = number_at(s, 3, 4);
  return s.substr(0, 3) == "784" && year >= 1900 && year < 2100 && has_luhn(s);
}

bool kr_rrn(Compact s) {
  if (!has_date_ymd(s) || s[6] == '0' || s[6] == '9') return false;
  const int sum = weighted(s, {2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5});
  return (11 - sum % 11) % 10 == digit(s[12]);
}

bool jp_my_number(Compact s) {
  const int rest = weighted(s, {6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2}) % 11;
  return (rest <= 1 ? 0 : 11 - rest) == digit(s[11]) && !is_one_digit_repeated(s);
}

bool cn_resident_id(Compact s) {
  const std::int64_t year = number_at(s, 6, 4);
  return s[0] >= '1' && s[0] <= '8' && year >= 1900 && year < 2100 &&
         is_date({static_cast<int>(year), static_cast<int>(number_at(s, 10, 2)),
                  static_cast<int>(number_at(s, 12, 2))}) &&
         has_mod_11_2(s);
}

// The letter of a county, as a number of two digits.
bool tw_id(Compact s) {
  constexpr std::string_view kCounties = "ABCDEFGHJKLMNPQRSTUVXYWZIO";  // From 10.
  const int county = static_cast<int>(kCounties.find(s[0])) + 10;
  if (s[1] != '1' && s[1] != '2' && s[1] != '8' && s[1] != '9') return false;
  const int sum =
      county / 10 + county % 10 * 9 + weighted(s.substr(1), {8, 7, 6, 5, 4, 3, 2, 1, 1});
  return sum % 10 == 0;
}

// One letter or two; one stands as if a space (36) were before it.
bool hk_hkid(Compact s) {
  int sum = s.size() == 8 ? 36 * 9 : value_of(s[0]) * 9;
  const Compact rest = s.size() == 8 ? s : s.substr(1);
  sum += weighted(rest, {8, 7, 6, 5, 4, 3, 2});
  const int last = (11 - sum % 11) % 11;
  return rest[7] == (last == 10 ? 'A' : static_cast<char>('0' + last));
}

bool sg_nric(Compact s) {
  int sum = weighted(s.substr(1), {2, 7, 6, 5, 4, 3, 2});
  const auto is = [&](std::string_view letters, int shift) {
    return s[8] == letters[static_cast<std::size_t>((sum + shift) % 11)];
  };
  switch (s[0]) {
    case 'S':
      return is("JZIHGFEDCBA", 0);
    case 'T':
      return is("JZIHGFEDCBA", 4);
    case 'F':
      return is("XWUTRQPNMLK", 0);
    case 'G':
      return is("XWUTRQPNMLK", 4);
    case 'M':
      return is("KLJNPQRTUWX", 3) || is("XWUTRQPNJLK", 3);
    default:
      return false;
  }
}

// The date of birth and the place; there is no check digit.
bool my_mykad(Compact s) {
  const std::int64_t place = number_at(s, 6, 2);
  return has_date_ymd(s) && place != 0 && place != 17 && place != 18 && place != 19 &&
         place != 20 && place != 69 && place != 70 && place != 73 && place != 80 && place != 81 &&
         place < 94;
}

bool th_id(Compact s) {
  if (s[0] == '0' || s[0] == '9') return false;
  const int sum = weighted(s, {13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2});
  return (11 - sum % 11) % 10 == digit(s[12]);
}

// Province, the date of birth (of women with 40 more), a number.
bool id_nik(Compact s) {
  const std::int64_t province = number_at(s, 0, 2);
  const int day = static_cast<int>(number_at(s, 6, 2)) % 40;
  return province >= 11 && province <= 96 && number_at(s, 12, 4) != 0 &&
         is_date({2000 + static_cast<int>(number_at(s, 10, 2)),
                  static_cast<int>(number_at(s, 8, 2)), day});
}

}  // namespace tollgate::content::pii
