#include "controls/content/secret_checks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include "controls/authentication/authentication.h"

namespace tollgate::content {

namespace {

constexpr double kBitsMin = 3.0;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

double bits_a_character(std::string_view text) {
  std::array<std::uint32_t, 256> counts{};
  for (const char c : text) ++counts[static_cast<unsigned char>(c)];
  double sum = 0;
  for (const std::uint32_t count : counts) {
    if (count > 0) sum += count * std::log2(count);
  }
  const auto size = static_cast<double>(text.size());
  return std::log2(size) - sum / size;
}

bool has_row_of_four(std::string_view text) {
  for (std::size_t i = 3; i < text.size(); ++i) {
    if (text[i] == text[i - 1] && text[i] == text[i - 2] && text[i] == text[i - 3]) return true;
  }
  return false;
}

bool has_word(std::string_view text) {
  constexpr std::string_view kWords[] = {"example", "placeholder", "redacted", "changeme",
                                         "yourkey", "your-",       "your_",    "dummy",
                                         "sample",  "12345678",    "abcdefgh"};
  return std::ranges::any_of(kWords, [&](std::string_view word) {
    return !std::ranges::search(text, word, {}, lower).empty();
  });
}

bool looks_drawn(std::string_view text) {
  return !text.empty() && bits_a_character(text) >= kBitsMin && !has_row_of_four(text) &&
         !has_word(text);
}

bool all_of(Alphabet alphabet, std::string_view text) {
  return std::ranges::all_of(text, [&](char c) { return contains(alphabet, c); });
}

bool has_both_cases(std::string_view text) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  return std::ranges::any_of(text, is_upper) && std::ranges::any_of(text, is_lower);
}

std::uint32_t crc32(std::string_view text) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

// The value of a character of base64url, or -1.
int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

std::string decoded(std::string_view base64url) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : base64url) {
    const int value = value_of(c);
    if (value < 0) return {};
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>((bits >> count) & 0xFF));
  }
  return bytes;
}

}  // namespace

bool is_random(const Parts& parts) { return looks_drawn(parts.after); }

bool is_key_line(const Parts& parts) {
  return bits_a_character(parts.after) >= kBitsMin && !has_word(parts.after);
}

bool is_random_before(const Parts& parts) { return looks_drawn(parts.before); }

bool is_mixed(const Parts& parts) {
  const bool has_digit =
      std::ranges::any_of(parts.after, [](char c) { return contains(Alphabet::kDigits, c); });
  return has_digit && is_mixed_case(parts);
}

bool is_mixed_case(const Parts& parts) {
  return has_both_cases(parts.after) && looks_drawn(parts.after);
}

bool ends_in_crc(const Parts& parts) {
  constexpr std::size_t kBody = 30;
  constexpr std::size_t kSum = 6;
  constexpr std::string_view kDigits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  if (parts.after.size() != kBody + kSum) return looks_drawn(parts.after);
  std::uint32_t sum = crc32(parts.after.substr(0, kBody));
  for (std::size_t i = kBody + kSum; i-- > kBody; sum /= 62) {
    if (parts.after[i] != kDigits[sum % 62]) return false;
  }
  return true;
}

bool is_age_key(const Parts& parts) {
  constexpr std::string_view kCharacters = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
  constexpr std::array<std::uint32_t, 5> kGenerator = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa,
                                                       0x3d4233dd, 0x2a1462b3};
  std::uint32_t sum = 1;
  const auto take = [&](std::uint32_t value) {
    const std::uint32_t top = sum >> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (std::size_t i = 0; i < kGenerator.size(); ++i) {
      if (((top >> i) & 1) != 0) sum ^= kGenerator[i];
    }
  };
  constexpr std::string_view kPrefix = "age-secret-key-";
  for (const char c : kPrefix) take(static_cast<std::uint32_t>(c) >> 5);
  take(0);
  for (const char c : kPrefix) take(static_cast<std::uint32_t>(c) & 31);
  for (const char c : parts.after) {
    const std::size_t value = kCharacters.find(c);
    if (value == std::string_view::npos) return false;
    take(static_cast<std::uint32_t>(value));
  }
  return sum == 1;
}

bool is_json_web_token(const Parts& parts) {
  // The anchor "eyJ" is what `{"` begins with.
  const std::string_view rest = parts.after;
  const std::size_t first = rest.find('.');
  if (first == std::string_view::npos) return false;
  const std::size_t second = rest.find('.', first + 1);
  if (second == std::string_view::npos) return false;
  const std::string_view payload = rest.substr(first + 1, second - first - 1);
  std::string_view signature = rest.substr(second + 1);
  // What ends a sentence, and what follows it, is not of the token.
  signature = signature.substr(0, signature.find('.'));
  if (!payload.starts_with("eyJ") || payload.size() < 12 || signature.size() < 20) return false;
  const std::string header = decoded("eyJ" + std::string(rest.substr(0, first)));
  return header.starts_with("{\"") && header.find("\"alg\"") != std::string::npos;
}

bool is_tollgate_key(const Parts& parts) {
  const std::string key = std::string(authentication::kKeyPrefix) + std::string(parts.after);
  return authentication::public_id(key, authentication::kKeyPrefix).has_value();
}

bool is_azure_client_secret(const Parts& parts) {
  return contains(Alphabet::kDigits, parts.before.back()) && looks_drawn(parts.after);
}

bool is_fine_grained_token(const Parts& parts) {
  constexpr std::size_t kId = 22;
  return parts.after[kId] == '_' && all_of(Alphabet::kAlnum, parts.after.substr(0, kId)) &&
         all_of(Alphabet::kAlnum, parts.after.substr(kId + 1)) && looks_drawn(parts.after);
}

bool is_grafana_token(const Parts& parts) {
  constexpr std::size_t kSecret = 32;
  return parts.after[kSecret] == '_' && all_of(Alphabet::kAlnum, parts.after.substr(0, kSecret)) &&
         all_of(Alphabet::kHex, parts.after.substr(kSecret + 1)) && looks_drawn(parts.after);
}

bool is_openai_key(const Parts& parts) {
  return parts.after.find("T3BlbkFJ") != std::string_view::npos && looks_drawn(parts.after);
}

bool ends_in_aa(const Parts& parts) {
  return parts.after.ends_with("AA") && looks_drawn(parts.after);
}

// At least three parts, the last of them the secret one.
bool is_slack_token(const Parts& parts) {
  const std::size_t last = parts.after.rfind('-');
  return std::ranges::count(parts.after, '-') >= 2 && parts.after.size() - last > 20 &&
         looks_drawn(parts.after.substr(last + 1));
}

bool is_sendgrid_key(const Parts& parts) {
  constexpr std::size_t kId = 22;
  return parts.after[kId] == '.' && std::ranges::count(parts.after, '.') == 1 &&
         looks_drawn(parts.after);
}

}  // namespace tollgate::content
