#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <utility>

#include "base/sha256.h"
#include "controls/content/identifiers.h"
#include "controls/content/pii_checks.h"

namespace tollgate::content::pii {

namespace {

// Whether a card of an issuer may have so many digits.
bool is_issued(std::int64_t first_six, std::size_t digits) {
  const std::int64_t two = first_six / 10'000;
  const std::int64_t three = first_six / 1'000;
  const std::int64_t four = first_six / 100;
  if (two / 10 == 4) return digits == 13 || digits == 16 || digits == 19;  // Visa.
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return digits == 16;
  if (two == 34 || two == 37) return digits == 15;  // American Express.
  if ((three >= 300 && three <= 305) || two == 36 || two == 38 || two == 39) {
    return digits >= 14;  // Diners Club.
  }
  if (four >= 3528 && four <= 3589) return digits >= 16;  // JCB.
  if (four == 6011 || two == 65 || (three >= 644 && three <= 649)) return digits >= 16;
  if (two == 62 || two == 81) return digits >= 16;  // UnionPay.
  if (two == 60 || two == 61 || two == 63 || two == 67 || two == 50) return digits == 16;
  return four >= 2200 && four <= 2204 && digits >= 16;  // Mir.
}

// Keccak-256 with the padding of 1, as Ethereum has it, of at most one block.
std::array<std::uint8_t, 32> keccak256(std::string_view text) {
  constexpr std::array<std::uint64_t, 24> kRounds{
      0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
      0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
      0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
      0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
      0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
      0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};
  constexpr std::array<int, 24> kTurns{1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                       27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
  constexpr std::array<std::size_t, 24> kLanes{10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                               15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
  constexpr std::size_t kBlock = 136;
  std::array<std::uint64_t, 25> state{};
  const auto put = [&](std::size_t at, std::uint64_t byte) { state[at / 8] ^= byte << at % 8 * 8; };
  for (std::size_t i = 0; i < text.size(); ++i) put(i, static_cast<unsigned char>(text[i]));
  put(text.size(), 0x01);
  put(kBlock - 1, 0x80);
  for (const std::uint64_t round : kRounds) {
    std::array<std::uint64_t, 5> columns{};
    for (std::size_t i = 0; i < 25; ++i) columns[i % 5] ^= state[i];
    for (std::size_t i = 0; i < 25; ++i) {
      state[i] ^= columns[(i + 4) % 5] ^ std::rotl(columns[(i + 1) % 5], 1);
    }
    std::uint64_t carried = state[1];
    for (std::size_t i = 0; i < kLanes.size(); ++i) {
      carried = std::exchange(state[kLanes[i]], std::rotl(carried, kTurns[i]));
    }
    for (std::size_t row = 0; row < 25; row += 5) {
      const std::array<std::uint64_t, 5> before{state[row], state[row + 1], state[row + 2],
                                                state[row + 3], state[row + 4]};
      for (std::size_t i = 0; i < 5; ++i) {
        state[row + i] = before[i] ^ (~before[(i + 1) % 5] & before[(i + 2) % 5]);
      }
    }
    state[0] ^= round;
  }
  std::array<std::uint8_t, 32> hash{};
  for (std::size_t i = 0; i < hash.size(); ++i) {
    hash[i] = static_cast<std::uint8_t>(state[i / 8] >> i % 8 * 8);
  }
  return hash;
}

// Base58Check: a version, twenty bytes, and the first four of two SHA-256 of them.
bool is_base58_check(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  constexpr std::string_view kVersions("\x00\x05\x30\x32\x1e\x41", 6);
  std::array<std::uint32_t, 7> words{};  // The first of them has the version alone.
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return false;
    std::uint64_t carried = value;
    for (std::size_t i = words.size(); i-- > 0; carried >>= 32) {
      carried += words[i] * std::uint64_t{58};
      words[i] = static_cast<std::uint32_t>(carried);
    }
    if (carried != 0 || words[0] > 0xFF) return false;
  }
  std::array<std::uint8_t, 25> bytes{static_cast<std::uint8_t>(words[0])};
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(words[(i + 3) / 4] >> (3 - (i + 3) % 4) * 8);
  }
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!kVersions.contains(all[0])) return false;
  const auto once = sha256(all.substr(0, 21));
  const auto twice =
      sha256(std::string_view(reinterpret_cast<const char*>(once.data()), once.size()));
  return std::equal(bytes.begin() + 21, bytes.end(), twice.begin());
}

// BIP 173 and BIP 350: a checksum over what stands before the 1 and behind it.
bool is_bech32(std::string_view text) {
  constexpr std::string_view kAlphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  constexpr std::array<std::uint32_t, 5> kGenerator = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa,
                                                       0x3d4233dd, 0x2a1462b3};
  constexpr std::uint32_t kBech32m = 0x2bc830a3;
  const std::size_t one = text.find('1');
  std::uint32_t sum = 1;
  const auto take = [&](std::uint32_t value) {
    const std::uint32_t top = sum >> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (std::size_t i = 0; i < kGenerator.size(); ++i) {
      if (((top >> i) & 1) != 0) sum ^= kGenerator[i];
    }
  };
  for (const char c : text.substr(0, one)) take(static_cast<std::uint32_t>(c) >> 5);
  take(0);
  for (const char c : text.substr(0, one)) take(static_cast<std::uint32_t>(c) & 31);
  for (const char c : text.substr(one + 1)) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return false;
    take(static_cast<std::uint32_t>(value));
  }
  return sum == 1 || sum == kBech32m;
}

// ICAO 9303 part 3: weights 7, 3, 1; < is nothing.
bool has_check_digit(std::string_view field, char check) {
  constexpr std::array<int, 3> kWeights{7, 3, 1};
  int sum = 0;
  for (std::size_t i = 0; i < field.size(); ++i) {
    sum += field[i] == '<' ? 0 : value_of(field[i]) * kWeights[i % 3];
  }
  return is_digit(check) && sum % 10 == digit(check);
}

}  // namespace

bool payment_card(Compact s) {
  return is_issued(number_at(s, 0, 6), s.size()) && !is_one_digit_repeated(s) && has_luhn(s);
}

bool imei(Compact s) { return !is_one_digit_repeated(s) && has_luhn(s); }

// ISO 9362: a country stands at the fifth.
bool bic(Compact s) { return iban_size(s.substr(4, 2)) != 0 || s.substr(4, 2) == "US"; }

// ISO 3779, with the check digit at the ninth that North America asks for.
bool vin(Compact s) {
  constexpr std::string_view kValues = "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ";
  constexpr std::array<int, 17> kWeights{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2};
  int sum = 0;
  for (std::size_t i = 0; i < kWeights.size(); ++i) {
    const std::size_t value = kValues.find(s[i]);
    if (value == std::string_view::npos) return false;
    sum += static_cast<int>(value % 10) * kWeights[i];
  }
  const int check = sum % 11;
  return !is_one_digit_repeated(s) && s[8] == (check == 10 ? 'X' : static_cast<char>('0' + check));
}

std::size_t iban_size(Compact country) {
  constexpr std::string_view kSizes =
      "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24"
      "FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32"
      "LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24"
      "RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";
  for (std::size_t i = 0; i < kSizes.size(); i += 4) {
    if (kSizes.substr(i, 2) == country)
      return static_cast<std::size_t>(number_at(kSizes, i + 2, 2));
  }
  return 0;
}

bool iban(Compact s) {
  return s.size() == iban_size(s.substr(0, 2)) &&
         mod_97(std::string(s.substr(4)) + std::string(s.substr(0, 4))) == 1;
}

// The second line of a passport or a visa (44), of a card of two lines (36), or the first of one
// of three (30).
bool passport_mrz(std::string_view line) {
  if (line.size() == 30) {
    constexpr std::string_view kDocuments = "IACP";
    return kDocuments.contains(line[0]) && is_upper(line[2]) && !is_digit(line[3]) &&
           has_check_digit(line.substr(5, 9), line[14]);
  }
  if (line.size() != 44 && line.size() != 36) return false;
  return has_check_digit(line.substr(0, 9), line[9]) &&
         has_check_digit(line.substr(13, 6), line[19]) &&
         has_check_digit(line.substr(21, 6), line[27]) &&
         (line[20] == 'M' || line[20] == 'F' || line[20] == '<' || line[20] == 'X');
}

// Bitcoin, Litecoin, Dogecoin, Tron.
bool bitcoin_like_address(std::string_view text) {
  if ((text.starts_with("bc1") || text.starts_with("ltc1")) && text.size() >= 14) {
    return is_bech32(text);
  }
  constexpr std::string_view kFirst = "13LMDT";
  return text.size() >= 26 && text.size() <= 35 && kFirst.contains(text[0]) &&
         is_base58_check(text);
}

// EIP-55: the case of each letter is a bit of the hash of all in lower case.
bool ethereum_address(std::string_view text) {
  if (text.size() != 42 || !text.starts_with("0x")) return false;
  std::string lower(text.substr(2));
  bool has_upper = false;
  bool has_lower = false;
  for (char& c : lower) {
    has_upper = has_upper || is_upper(c);
    has_lower = has_lower || is_lower(c);
    if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
    if (!is_digit(c) && (c < 'a' || c > 'f')) return false;
  }
  if (!has_upper || !has_lower) return false;
  const auto hash = keccak256(lower);
  for (std::size_t i = 0; i < lower.size(); ++i) {
    const int nibble = hash[i / 2] >> (i % 2 == 0 ? 4 : 0) & 0xF;
    if (!is_digit(lower[i]) && is_upper(text[i + 2]) != (nibble >= 8)) return false;
  }
  return true;
}

bool international_phone(Compact s) {
  // Of the codes of three digits, those that are not given to a country or a network.
  constexpr std::string_view kUnused =
      " 210 214 215 217 219 259 271 272 273 274 275 276 277 278 279 280 281 282 283 284 285 286 "
      "287 "
      "288 289 292 293 294 295 296 384 422 424 425 426 427 428 429 671 684 693 694 695 696 697 698 "
      "699 801 802 803 804 805 806 807 809 851 854 857 858 859 871 872 873 874 875 876 877 884 885 "
      "887 889 969 978 990 997 999 ";
  if (s.size() < 8 || s.size() > 15 || s[0] == '0' || is_one_digit_repeated(s.substr(2))) {
    return false;
  }
  if (s[0] == '1') return s.size() == 11 && us_phone(s);
  return kUnused.find(" " + std::string(s.substr(0, 3)) + " ") == std::string_view::npos;
}

}  // namespace tollgate::content::pii
