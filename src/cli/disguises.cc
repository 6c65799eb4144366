#include "cli/disguises.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/utf8.h"

namespace tollgate::cli {

namespace {

// Each character moved by `by`, but for spaces where they have no such form.
enum class Spaces : std::uint8_t { kStay, kMove };
std::string moved(std::string_view text, std::uint32_t by, Spaces spaces) {
  std::string made;
  for (const char c : text) {
    if (c == ' ' && spaces == Spaces::kStay) {
      made += c;
    } else {
      made += utf8(static_cast<unsigned char>(c) + by).view();
    }
  }
  return made;
}

// Cyrillic, where a letter has its like there.
std::string look_alike(std::string_view text) {
  constexpr std::array<std::pair<char, std::string_view>, 12> kLikes{{{'a', "\u0430"},
                                                                      {'e', "\u0435"},
                                                                      {'o', "\u043e"},
                                                                      {'p', "\u0440"},
                                                                      {'c', "\u0441"},
                                                                      {'i', "\u0456"},
                                                                      {'A', "\u0410"},
                                                                      {'E', "\u0415"},
                                                                      {'K', "\u041a"},
                                                                      {'C', "\u0421"},
                                                                      {'T', "\u0422"},
                                                                      {'X', "\u0425"}}};
  std::string made;
  for (const char c : text) {
    const auto* const like = std::ranges::find(kLikes, c, [](const auto& it) { return it.first; });
    if (like == kLikes.end()) {
      made += c;
    } else {
      made += like->second;
    }
  }
  return made;
}

std::string base64(std::string_view text) {
  std::string made(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(made.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  made.resize(static_cast<std::size_t>(size));
  return made;
}

}  // namespace

std::vector<std::string> disguises(std::span<const std::string_view> parts) {
  constexpr std::uint32_t kFullWidth = 0xFF01 - '!';
  constexpr std::uint32_t kTags = 0xE0000;
  std::string plain;
  std::string split;
  for (const std::string_view part : parts) {
    if (!plain.empty()) split += "\u200b";
    plain += part;
    split += part;
  }
  std::string hex;
  for (const char c : plain) {
    fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<unsigned char>(c));
  }
  return {plain,
          split,
          look_alike(plain),
          moved(plain, kFullWidth, Spaces::kStay),
          moved(plain, kTags, Spaces::kMove),
          base64(plain),
          hex};
}

}  // namespace tollgate::cli
