#include <algorithm>
#include <array>
#include <string>

#include "controls/content/identifiers.h"
#include "controls/content/pii_checks.h"

namespace tollgate::content::pii {

namespace {

// A number of two digits.
int two(Compact s, std::size_t at) { return static_cast<int>(number_at(s, at, 2)); }

}  // namespace

bool uk_nino(Compact s) {
  constexpr std::string_view kNotFirst = "DFIQUV";
  constexpr std::string_view kNotSecond = "DFIOQUV";
  constexpr std::string_view kNotIssued = "BG GB NK KN TN NT ZZ";
  return !kNotFirst.contains(s[0]) && !kNotSecond.contains(s[1]) &&
         kNotIssued.find(s.substr(0, 2)) == std::string_view::npos && s[8] <= 'D';
}

bool uk_nhs(Compact s) {
  return !is_one_digit_repeated(s) && weighted(s, {10, 9, 8, 7, 6, 5, 4, 3, 2, 1}) % 11 == 0;
}

bool uk_utr(Compact s) {
  constexpr std::string_view kCheck = "21987654321";
  const int rest = weighted(s.substr(1), {6, 7, 8, 9, 10, 5, 4, 3, 2}) % 11;
  return s[0] == kCheck[static_cast<std::size_t>(rest)];
}

// Surname, the date of birth around it (of women with 5 in the month), initials.
bool uk_driving_licence(Compact s) {
  const int month = two(s, 6) % 50;
  return month >= 1 && month <= 12 && two(s, 8) >= 1 && two(s, 8) <= 31;
}

bool ie_pps(Compact s) {
  int sum = weighted(s, {8, 7, 6, 5, 4, 3, 2});
  if (s.size() == 9) sum += (s[8] == 'W' ? 0 : s[8] - 'A' + 1) * 9;
  return s[7] == "WABCDEFGHIJKLMNOPQRSTUV"[sum % 23];
}

bool es_dni(Compact s) { return s[8] == "TRWAGMYFPDXBNJZSQVHLCKE"[number_at(s, 0, 8) % 23]; }

bool es_nie(Compact s) {
  return s[0] >= 'X' && s[0] <= 'Z' &&
         es_dni(static_cast<char>('0' + (s[0] - 'X')) + std::string(s.substr(1)));
}

bool es_cif(Compact s) {
  constexpr std::string_view kTypes = "ABCDEFGHJNPQRSUVW";
  if (!kTypes.contains(s[0])) return false;
  int last = 0;
  while (last < 10 && !has_luhn(std::string(s.substr(1, 7)) + static_cast<char>('0' + last)))
    ++last;
  return s[8] == static_cast<char>('0' + last) || s[8] == "JABCDEFGHI"[last];
}

bool it_codice_fiscale(Compact s) {
  constexpr std::array<int, 26> kOdd{1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                     20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
  constexpr std::string_view kMonths = "ABCDEHLMPRST";
  const int day = two(s, 9) % 40;
  if (!kMonths.contains(s[8]) || day < 1 || day > 31) return false;
  int sum = 0;
  for (std::size_t i = 0; i < 15; ++i) {
    const int value = is_digit(s[i]) ? digit(s[i]) : s[i] - 'A';
    sum += i % 2 == 0 ? kOdd[static_cast<std::size_t>(value)] : value;
  }
  return s[15] == static_cast<char>('A' + sum % 26);
}

// The office that gave it stands before the check digit.
bool it_partita_iva(Compact s) {
  const std::int64_t office = number_at(s, 7, 3);
  const bool is_office = (office >= 1 && office <= 100) || office == 120 || office == 121 ||
                         office == 888 || office == 999;
  return is_office && number_at(s, 0, 7) != 0 && has_luhn(s);
}

bool fr_siren(Compact s) { return !is_one_digit_repeated(s) && has_luhn(s); }

bool fr_siret(Compact s) { return fr_siren(s.substr(0, 9)) && has_luhn(s); }

// Sex, year, month, department (2A and 2B are Corsica's), commune, number, key.
bool fr_nir(Compact s) {
  std::string number(s.substr(0, 13));
  std::int64_t less = 0;
  if (is_upper(number[6])) {
    if (number[5] != '2' || number[6] > 'B') return false;
    less = number[6] == 'A' ? 1'000'000 : 2'000'000;
    number[6] = '0';
  }
  const int month = two(s, 3);
  const bool is_month = (month >= 1 && month <= 12) || (month >= 20 && month <= 42);
  if ((s[0] != '1' && s[0] != '2') || !is_month) return false;
  return 97 - (number_at(number, 0, 13) - less) % 97 == two(s, 13);
}

// One digit of the first ten is there twice or three times, each other at most once.
bool de_steuer_id(Compact s) {
  std::array<int, 10> counts{};
  for (const char c : s.substr(0, 10)) ++counts[static_cast<std::size_t>(digit(c))];
  const auto repeated = std::ranges::count_if(counts, [](int count) { return count > 1; });
  return s[0] != '0' && repeated == 1 && std::ranges::max(counts) <= 3 && has_mod_11_10(s);
}

// Nine characters that make no word, and a check digit by 7, 3, 1.
bool de_identity_card(Compact s) {
  constexpr std::string_view kLetters = "CFGHJKLMNPRTVWXYZ";
  constexpr std::string_view kFirst = "LMNPRTVWXYCFGHJK";
  if (!kFirst.contains(s[0]) || !is_digit(s[9])) return false;
  for (const char c : s.substr(0, 9)) {
    if (!is_digit(c) && !kLetters.contains(c)) return false;
  }
  return weighted(s, {7, 3, 1, 7, 3, 1, 7, 3, 1}) % 10 == digit(s[9]);
}

bool nl_bsn(Compact s) {
  const int sum = weighted(s, {9, 8, 7, 6, 5, 4, 3, 2, -1});
  return sum % 11 == 0 && !is_one_digit_repeated(s) && number_at(s, 0, 9) >= 10'000'000;
}

// Born since 2000: the number is reckoned with a 2 before it.
bool be_national_number(Compact s) {
  const std::int64_t number = number_at(s, 0, 9);
  const int last = two(s, 9);
  return has_date_ymd(s) && number_at(s, 6, 3) != 0 &&
         (97 - number % 97 == last || 97 - (2'000'000'000 + number) % 97 == last);
}

// The month tells the century: 80 for the 1800s, 20 for the 2000s…
bool pl_pesel(Compact s) {
  const int month = two(s, 2) % 20;
  const int sum = weighted(s, {1, 3, 7, 9, 1, 3, 7, 9, 1, 3});
  return is_date({2000 + two(s, 0), month, two(s, 4)}) && (10 - sum % 10) % 10 == digit(s[10]);
}

bool pl_nip(Compact s) {
  return !is_one_digit_repeated(s) && weighted(s, {6, 5, 7, 2, 3, 4, 5, 6, 7}) % 11 == digit(s[9]);
}

bool pl_regon(Compact s) {
  return !is_one_digit_repeated(s) &&
         weighted(s, {8, 9, 2, 3, 4, 5, 6, 7}) % 11 % 10 == digit(s[8]);
}

bool pt_nif(Compact s) {
  constexpr std::string_view kFirst = "1235689";
  const int rest = weighted(s, {9, 8, 7, 6, 5, 4, 3, 2}) % 11;
  return kFirst.contains(s[0]) && (rest < 2 ? 0 : 11 - rest) == digit(s[8]);
}

// Coordination numbers have 60 more in the day.
bool se_personnummer(Compact s) {
  if (s.size() == 12) {
    if (s.substr(0, 2) != "19" && s.substr(0, 2) != "20") return false;
    s.remove_prefix(2);
  }
  const int day = two(s, 4) > 60 ? two(s, 4) - 60 : two(s, 4);
  return is_date({2000 + two(s, 0), two(s, 2), day}) && has_luhn(s);
}

// D numbers have 40 more in the day.
bool no_fodselsnummer(Compact s) {
  const int day = two(s, 0) > 40 ? two(s, 0) - 40 : two(s, 0);
  return is_date({2000 + two(s, 4), two(s, 2), day}) &&
         weighted(s, {3, 7, 6, 1, 8, 9, 4, 5, 2, 1}) % 11 == 0 &&
         weighted(s, {5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1}) % 11 == 0;
}

// Numbers since 2007 need not have a check digit.
bool dk_cpr(Compact s) { return has_date_dmy(s) && number_at(s, 6, 4) != 0; }

bool fi_hetu(Compact s) {
  // What stands for the century may be a letter, and is no part of the number.
  const std::string number = std::string(s.substr(0, 6)) + std::string(s.substr(s.size() - 4, 3));
  if (s.size() == 11 && std::string_view("ABCDEFUVWXY").find(s[6]) == std::string_view::npos) {
    return false;
  }
  const std::int64_t individual = number_at(number, 6, 3);
  return has_date_dmy(s) && individual >= 2 && individual <= 899 &&
         s.back() == "0123456789ABCDEFHJKLMNPRSTUVWXY"[number_at(number, 0, 9) % 31];
}

bool ch_ahv(Compact s) {
  return s.substr(0, 3) == "756" && weighted(s, {1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1}) % 10 == 0;
}

bool at_svnr(Compact s) {
  const int sum = weighted(s, {3, 7, 9, 0, 5, 8, 4, 2, 1, 6}) % 11;
  const int month = two(s, 6);
  return s[0] != '0' && sum == digit(s[3]) && month >= 1 && month <= 15 && two(s, 4) >= 1 &&
         two(s, 4) <= 31;
}

// Women have 50 more in the month; 20 more where a day ran out of numbers.
bool cz_rodne_cislo(Compact s) {
  const int month = two(s, 2) % 50;
  return is_date({2000 + two(s, 0), month > 20 ? month - 20 : month, two(s, 4)}) &&
         (number_at(s, 0, 10) % 11 == 0 || (number_at(s, 0, 9) % 11 == 10 && s[9] == '0'));
}

bool ro_cnp(Compact s) {
  const int rest = weighted(s, {2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9}) % 11;
  return s[0] != '0' && has_date_ymd(s, 1) && (rest == 10 ? 1 : rest) == digit(s[12]);
}

// The month has 20 more for the 1800s, 40 for the 2000s.
bool bg_egn(Compact s) {
  const int month = two(s, 2) % 20;
  return is_date({2000 + two(s, 0), month, two(s, 4)}) &&
         weighted(s, {2, 4, 8, 5, 10, 9, 7, 3, 6}) % 11 % 10 == digit(s[9]);
}

bool gr_amka(Compact s) { return has_date_dmy(s) && has_luhn(s); }

bool gr_afm(Compact s) {
  const int sum = weighted(s, {256, 128, 64, 32, 16, 8, 4, 2});
  return !is_one_digit_repeated(s) && sum % 11 % 10 == digit(s[8]);
}

bool mod_11_10(Compact s) { return !is_one_digit_repeated(s) && has_mod_11_10(s); }

// ddmmyyy, a region, a number: what was Yugoslavia.
bool jmbg(Compact s) {
  const int year = static_cast<int>(number_at(s, 4, 3));
  const int rest = weighted(s, {7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2}) % 11;
  return is_date({year < 200 ? 2000 + year : 1000 + year, two(s, 2), two(s, 0)}) &&
         (11 - rest) % 11 % 10 == digit(s[12]);
}

// Estonia and Lithuania have one form.
bool baltic_code(Compact s) {
  int rest = weighted(s, {1, 2, 3, 4, 5, 6, 7, 8, 9, 1}) % 11;
  if (rest == 10) rest = weighted(s, {3, 4, 5, 6, 7, 8, 9, 1, 2, 3}) % 11 % 10;
  return s[0] >= '1' && s[0] <= '8' && has_date_ymd(s, 1) && rest == digit(s[10]);
}

bool is_kennitala(Compact s) {
  return has_date_dmy(s) && (s[9] == '0' || s[9] == '9') &&
         weighted(s, {3, 2, 7, 6, 5, 4, 3, 2, 1}) % 11 == 0;
}

// yyyymmdd, a number, and two check digits, of Luhn and of Verhoeff.
bool lu_matricule(Compact s) {
  const int year = static_cast<int>(number_at(s, 0, 4));
  return year >= 1850 && year < 2100 && is_date({year, two(s, 4), two(s, 6)}) &&
         has_luhn(s.substr(0, 12)) && has_verhoeff(std::string(s.substr(0, 11)) + s[12]);
}

bool ru_snils(Compact s) {
  const int sum = weighted(s, {9, 8, 7, 6, 5, 4, 3, 2, 1}) % 101;
  return !is_one_digit_repeated(s.substr(0, 9)) && sum % 100 == two(s, 9);
}

bool ru_inn(Compact s) {
  return !is_one_digit_repeated(s) &&
         weighted(s, {7, 2, 4, 10, 3, 5, 9, 4, 6, 8}) % 11 % 10 == digit(s[10]) &&
         weighted(s, {3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8}) % 11 % 10 == digit(s[11]);
}

bool ua_rnokpp(Compact s) {
  const int sum = weighted(s, {-1, 5, 7, 9, 4, 6, 10, 5, 7});
  return (sum % 11 + 11) % 11 % 10 == digit(s[9]) && !is_one_digit_repeated(s);
}

}  // namespace tollgate::content::pii
