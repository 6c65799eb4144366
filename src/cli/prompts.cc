#include "cli/prompts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <string_view>

namespace tollgate::cli {

Prompts::Prompts(std::uint64_t seed) : random_(seed) {
  constexpr std::size_t kTemplate = 40;
  template_ = words(kTemplate);
}

// Of syllables, so that there are some millions of them.
std::string Prompts::word() {
  constexpr std::string_view kConsonants = "bcdfghklmnprstvz";
  constexpr std::string_view kVowels = "aeiou";
  constexpr int kSyllables = 3;
  std::string made;
  for (int i = 0; i < kSyllables; ++i) {
    made += kConsonants[random_() % kConsonants.size()];
    made += kVowels[random_() % kVowels.size()];
  }
  return made;
}

std::vector<std::string> Prompts::words(std::size_t count) {
  std::vector<std::string> made(count);
  for (std::string& one : made) one = word();
  return made;
}

std::string Prompts::ordinary() {
  constexpr std::size_t kWords = 30;
  return fmt::format("{}", fmt::join(words(kWords), " "));
}

std::string Prompts::variant() {
  constexpr int kSwapped = 2;
  constexpr std::size_t kAddedMax = 2;
  std::vector<std::string> made = template_;
  for (int i = 0; i < kSwapped; ++i) made[random_() % made.size()] = word();
  for (std::size_t i = random_() % (kAddedMax + 1); i > 0; --i) made.push_back(word());
  return fmt::format("{}", fmt::join(made, " "));
}

}  // namespace tollgate::cli
