#include "controls/content/rot13.h"

#include <algorithm>
#include <array>
#include <vector>

namespace tollgate::content {

namespace {

constexpr std::array<char, 256> kTurned = [] {
  std::array<char, 256> made{};
  for (int c = 0; c < 256; ++c) made[static_cast<std::size_t>(c)] = static_cast<char>(c);
  for (std::size_t i = 0; i < 26; ++i) {
    const auto by = static_cast<char>((i + 13) % 26);
    made['a' + i] = static_cast<char>('a' + by);
    made['A' + i] = static_cast<char>('A' + by);
  }
  return made;
}();

// As they are read. Each rule of `injection` in the Latin alphabet has one of them in its sample.
constexpr std::string_view kWords[] = {
    // Of any text.
    "about",
    "from",
    "their",
    "there",
    "which",
    "without",
    "would",
    // Of injections.
    "above",
    "always",
    "anything",
    "character",
    "chatgpt",
    "combine",
    "content",
    "conversation",
    "developer",
    "disregard",
    "following",
    "forget",
    "guidelines",
    "https",
    "ignore",
    "important",
    "instructions",
    "jailbreak",
    "never",
    "override",
    "positive",
    "previous",
    "prompt",
    "refuse",
    "regardless",
    "respond",
    "response",
    "restriction",
    "restrictions",
    "reveal",
    "system",
    "unfiltered",
    "unrestricted",
    // Of those in other languages.
    "anteriores",
    "anweisungen",
    "instructies",
    "instruktioner",
    "poprzednie",
    "precedenti",
    "sebelumnya",
};

// "Blue Harvest" is one, and "green", which turned is "terra", none.
constexpr std::ptrdiff_t kSignLettersMin = 8;

}  // namespace

void turn(std::string_view text, std::string& turned) {
  turned.resize(text.size());
  std::ranges::transform(text, turned.begin(),
                         [](char c) { return kTurned[static_cast<unsigned char>(c)]; });
}

std::span<const std::string> signs_of_rot13() {
  static const std::vector<std::string> made = [] {
    std::vector<std::string> signs;
    std::string turned;
    for (const std::string_view word : kWords) {
      turn(word, turned);
      signs.push_back("\\b" + turned + "\\b");
    }
    return signs;
  }();
  return made;
}

namespace {

bool is_of_word(char c) { return kTurned[static_cast<unsigned char>(c)] != c; }
bool is_inside_character(char c) { return (c & 0xC0) == 0x80; }
// Bytes of a character; what is no UTF-8 is turned in parts of that.
constexpr std::size_t kCharacterMax = 4;

}  // namespace

void turn_around(std::string_view text, std::string& turned) {
  turned.resize(text.size());
  std::size_t end = text.size();
  for (std::size_t at = 0; at < text.size();) {
    std::size_t size = 1;
    while (size < kCharacterMax && at + size < text.size() &&
           is_inside_character(text[at + size])) {
      ++size;
    }
    end -= size;
    text.copy(turned.data() + end, size, at);
    at += size;
  }
}

void turn_words_around(std::string_view text, std::string& turned) {
  turned.assign(text);
  for (std::size_t at = 0; at < turned.size();) {
    std::size_t end = at;
    while (end < turned.size() && is_of_word(turned[end])) ++end;
    std::reverse(turned.begin() + static_cast<std::ptrdiff_t>(at),
                 turned.begin() + static_cast<std::ptrdiff_t>(end));
    at = std::max(end, at + 1);
  }
}

std::span<const std::string> signs_of_backwards() {
  static const std::vector<std::string> made = [] {
    std::vector<std::string> signs;
    std::string turned;
    for (const std::string_view word : kWords) {
      turn_around(word, turned);
      signs.push_back("\\b" + turned + "\\b");
    }
    return signs;
  }();
  return made;
}

bool is_sign_of_rot13(std::string_view phrase) {
  return std::ranges::count_if(phrase, [](char c) {
           return kTurned[static_cast<unsigned char>(c)] != c;
         }) >= kSignLettersMin;
}

}  // namespace tollgate::content
