#include "dialects/base64_bytes.h"

#include <array>

namespace tollgate::dialects {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::uint8_t, 256> kDigits = [] {
  std::array<std::uint8_t, 256> digits{};
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return digits;
}();

std::uint8_t digit(char c) { return kDigits[static_cast<unsigned char>(c)]; }

// Without a branch or a look-up, so that it is done for many characters at once.
bool are_digits(std::string_view text) {
  std::uint8_t others = 0;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    const bool is_letter = static_cast<std::uint8_t>((byte | 0x20) - 'a') < 26;
    const bool is_number = static_cast<std::uint8_t>(byte - '0') < 10;
    const bool is_digit = is_letter | is_number | (byte == '+') | (byte == '/');
    others |= static_cast<std::uint8_t>(!is_digit);
  }
  return others == 0;
}

}  // namespace

std::optional<Base64Bytes> Base64Bytes::read(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const std::size_t size = text.size() / 4 * 3;
  std::size_t padding = 0;
  while (padding < 2 && text.back() == '=') {
    text.remove_suffix(1);
    ++padding;
  }
  if (!are_digits(text)) return std::nullopt;
  constexpr std::array<std::uint8_t, 3> kBeyond{0, 0x03, 0x0F};
  if ((digit(text.back()) & kBeyond[padding]) != 0) return std::nullopt;
  return Base64Bytes(text, size - padding);
}

std::uint8_t Base64Bytes::operator[](std::size_t at) const {
  if (at >= size_) return 0;
  if (is_plain_) return static_cast<std::uint8_t>(text_[at]);
  // A byte lies across two digits: 6 + 2, 4 + 4 or 2 + 6 bits of them.
  const std::size_t first = at / 3 * 4 + at % 3;
  const unsigned both = static_cast<unsigned>(digit(text_[first])) << 6 | digit(text_[first + 1]);
  return static_cast<std::uint8_t>(both >> (4 - 2 * (at % 3)));
}

std::uint32_t Base64Bytes::big_endian(std::size_t at, std::size_t bytes) const {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | (*this)[at + i];
  return value;
}

std::uint32_t Base64Bytes::little_endian(std::size_t at, std::size_t bytes) const {
  std::uint32_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | (*this)[at + i];
  return value;
}

bool Base64Bytes::is(std::size_t at, std::string_view expected) const {
  if (!has(at, expected.size())) return false;
  for (std::size_t i = 0; i < expected.size(); ++i)
    if ((*this)[at + i] != static_cast<unsigned char>(expected[i])) return false;
  return true;
}

}  // namespace tollgate::dialects
