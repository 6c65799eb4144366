// Rules that are one pattern: special tokens of chat templates, and markers of injections.
//
// A pattern is a regular expression as Vectorscan reads it, over bytes, in which every repetition
// has an end, so what it costs is linear in the text.
//
// Immutable; safe from any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "controls/content/content.h"

namespace tollgate::content {

struct Pattern {
  static constexpr std::size_t kBehind = 1024;

  std::string_view rule;  // "special_tokens.chatml"
  std::string_view expression;
  // Told what matched; null: all that matches is one. Looks at no more than kBehind bytes before it
  // and one behind it.
  bool (*check)(std::string_view text, const Extent& extent) = nullptr;
  // Words of which one has to follow within some bytes, in lower case, parted by |; empty: none.
  std::string_view followed_by;
};

// Whether one of the words follows there.
bool has_word_behind(std::string_view text, std::size_t at, std::string_view words);

// What separates the turns of a dialogue for a model: who writes it in a text speaks for somebody
// else where a server does not escape it. Read as bytes. Sources: the chat templates and special
// tokens that each model's tokenizer_config.json has.
std::span<const Pattern> special_tokens();

// What people write to make a model leave its instructions, in words that hardly stand in other
// texts. Read as words, in any case; a space is also what may stand between words (line breaks,
// quotes, emphasis). Sources: OWASP LLM01:2025, the
// collections of Perez and Ribeiro (2022), Shen et al. (2023), Liu et al. (2023) and Schulhoff et
// al. (2023).
std::span<const Pattern> injections();

// The expression, with what a space stands for.
std::string in_words(std::string_view expression);

}  // namespace tollgate::content
