#include "controls/authentication/base64url.h"

#include <array>

namespace tollgate::authentication {

namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

std::uint32_t value_of(char digit) { return kValues[static_cast<unsigned char>(digit)]; }

char byte_of(std::uint32_t bits) { return static_cast<char>(bits & 0xff); }

// Writes the bytes of `text` to `out`, which has room for them.
Decoded decode(std::string_view text, char* out) {
  const std::size_t whole = text.size() / 4 * 4;
  std::uint32_t seen = 0;  // A value that is none has bits above the sixth.
  for (std::size_t i = 0; i < whole; i += 4) {
    const std::uint32_t a = value_of(text[i]);
    const std::uint32_t b = value_of(text[i + 1]);
    const std::uint32_t c = value_of(text[i + 2]);
    const std::uint32_t d = value_of(text[i + 3]);
    seen |= a | b | c | d;
    *out++ = byte_of(a << 2 | b >> 4);
    *out++ = byte_of(b << 4 | c >> 2);
    *out++ = byte_of(c << 6 | d);
  }
  std::uint32_t rest = 0;
  if (text.size() > whole) {
    const std::uint32_t a = value_of(text[whole]);
    const std::uint32_t b = value_of(text[whole + 1]);
    const std::uint32_t c = text.size() - whole == 3 ? value_of(text[whole + 2]) : 0;
    seen |= a | b | c;
    *out++ = byte_of(a << 2 | b >> 4);
    if (text.size() - whole == 3) *out++ = byte_of(b << 4 | c >> 2);
    rest = text.size() - whole == 3 ? c & 3 : b & 15;
  }
  return seen < kDigits.size() && rest == 0 ? Decoded::kWell : Decoded::kMalformed;
}

}  // namespace

Decoded decode_base64url(std::string_view text, std::string& out) {
  out.clear();
  if (text.size() % 4 == 1) return Decoded::kMalformed;
  const std::size_t size = text.size() / 4 * 3 + text.size() % 4 * 3 / 4;
  Decoded decoded = Decoded::kWell;
  out.resize_and_overwrite(size, [&](char* bytes, std::size_t) {
    decoded = decode(text, bytes);
    return decoded == Decoded::kWell ? size : 0;
  });
  return decoded;
}

std::string encode_base64url(std::span<const std::uint8_t> bytes) {
  std::string made;
  made.reserve((bytes.size() * 4 + 2) / 3);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16 |
                                (left > 1 ? static_cast<std::uint32_t>(bytes[i + 1]) << 8 : 0) |
                                (left > 2 ? bytes[i + 2] : 0u);
    const std::size_t digits = left > 2 ? 4 : left + 1;
    for (std::size_t digit = 0; digit < digits; ++digit) {
      made.push_back(kDigits[group >> (18 - 6 * digit) & 63]);
    }
  }
  return made;
}

}  // namespace tollgate::authentication
