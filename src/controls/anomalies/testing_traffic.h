// Traffic as it might be: a thousand keys of applications, and variants of one template among it.
// For tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "controls/anomalies/features.h"

namespace tollgate::anomalies::testing {

inline constexpr WallTime kStart{std::chrono::hours(24 * 365 * 50)};

inline Features features_of(const std::string& text) {
  const std::string_view texts[] = {text};
  return measure(texts, 0x5eed);
}

// A language of 4000 words with the frequencies of one (Zipf), so that texts share the words that
// all texts share; and each application has words of its own.
class Language {
 public:
  explicit Language(std::uint64_t seed) : random_(seed) {
    double sum = 0;
    for (int i = 0; i < 4000; ++i) {
      words_.push_back(word());
      sum += 1.0 / (i + 2.7);
      sums_.push_back(sum);
    }
  }
  std::string word() {
    std::string made;
    for (std::uint64_t left = 2 + random_() % 8; left > 0; --left) {
      made += static_cast<char>('a' + random_() % 26);
    }
    return made;
  }
  const std::string& common() {
    const double at = std::uniform_real_distribution<double>(0, sums_.back())(random_);
    return words_[static_cast<std::size_t>(std::ranges::lower_bound(sums_, at) - sums_.begin())];
  }
  std::vector<std::string> text(int count, const std::vector<std::string>& own) {
    std::vector<std::string> made;
    for (int i = 0; i < count; ++i) {
      made.push_back(!own.empty() && random_() % 4 == 0 ? own[random_() % own.size()] : common());
    }
    return made;
  }
  std::mt19937_64& random() { return random_; }

 private:
  std::mt19937_64 random_;
  std::vector<std::string> words_;
  std::vector<double> sums_;
};

inline std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// What one key sends, which is of an application.
struct Application {
  std::vector<std::string> words;
  std::vector<std::string> fixed;  // Texts that are always the same.
  std::vector<std::string> form;   // A text with one place for a number and a name.
  int length = 0;
};

inline Application application_of(Language& language) {
  Application made;
  for (int i = 0; i < 60; ++i) made.words.push_back(language.word());
  made.length = 8 + static_cast<int>(language.random()() % 120);
  for (int i = 0; i < 3; ++i) made.fixed.push_back(joined(language.text(20, made.words)));
  made.form = language.text(25, made.words);
  return made;
}

inline std::string said_by(Language& language, const Application& of) {
  const std::uint64_t kind = language.random()() % 10;
  if (kind == 0) return of.fixed[language.random()() % of.fixed.size()];
  if (kind == 1) {
    std::vector<std::string> words = of.form;
    words[7] = std::to_string(language.random()() % 100'000);
    words[12] = "N" + language.word();
    return joined(words);
  }
  if (kind == 2) return "hello there, thank you";
  return joined(language.text(of.length, of.words));
}

inline std::string variant_of(Language& language, const std::vector<std::string>& base) {
  std::vector<std::string> words = base;
  for (int swap = 0; swap < 3; ++swap) {
    words[language.random()() % words.size()] = language.common();
  }
  for (std::uint64_t more = language.random()() % 6; more > 0; --more) {
    words.push_back(language.common());
  }
  return joined(words);
}

}  // namespace tollgate::anomalies::testing
