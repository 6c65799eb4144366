// Rules of the operator's own: a pattern in the syntax of RE2, or words.
//
// Of a pattern Vectorscan looks for a superset (HS_FLAG_PREFILTER) in the one database of all
// rules; in a text that may have a match RE2 says whether there is one, and its extent. RE2 takes
// time linear in the text whatever the pattern is, and is asked once more than it finds matches.
// Words are looked for in folded texts, as the built-in rules on words are (normal_form.h).
//
// Everything that would cost much has a bound and is told when the rule is made, not when a text
// comes. Immutable; safe from any thread.
//
// Sources: RE2 2022-06 (github.com/google/re2, "Syntax"); Vectorscan 5.4, "Prefiltering Mode".
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/content.h"

namespace re2 {
class RE2;
}

namespace tollgate::content {

// As it is written; one of `pattern` and `words`.
struct OwnSource {
  std::string name;  // "own.employee_number"
  std::string pattern;
  Reading reading = Reading::kExact;  // Of the pattern; words are always read as such.
  std::vector<std::string> words;
  std::string description;
};

class OwnRule {
  struct Private {};

 public:
  // Instructions of RE2's program; each costs a text that is nothing but beginnings of matches.
  static constexpr int kProgramMax = 2048;
  static constexpr std::size_t kPatternBytesMax = 4096;
  // The widest match of a rule that answers may be held to: so much of a stream waits.
  static constexpr std::size_t kAnswerWidthMax = 256;

  // What the database has of it.
  struct Expression {
    std::string text;
    unsigned flags = 0;
    bool is_exact = false;  // Its match is one, from its beginning to its end.
  };

  // Fails with a sentence for the operator: no syntax of RE2, a pattern that matches nothing at
  // all, that is too large, or that Vectorscan cannot look for.
  static std::expected<OwnRule, std::string> create(OwnSource source);

  OwnRule(OwnRule&&) noexcept;
  OwnRule(const OwnRule&) = delete;
  ~OwnRule();

  const OwnSource& source() const { return source_; }
  Rule rule() const { return {source_.name, Pack::kOwn, source_.reading}; }
  std::span<const Expression> expressions() const { return expressions_; }
  // Of its words in ROT13 those that are a sign of it (rot13.h).
  std::span<const std::string> turned() const { return turned_; }
  // Bytes that a match has at most, in the form that it is found in; nothing: it has no end.
  std::optional<std::size_t> width() const { return width_; }

  // The matches of the pattern from left to right, as many as there is room for; how many.
  std::size_t find(std::string_view text, std::span<Extent> found) const;

 private:
  OwnRule();

  std::optional<std::string> read_pattern();
  void read_words();

  OwnSource source_;
  std::vector<Expression> expressions_;
  std::vector<std::string> turned_;
  std::unique_ptr<re2::RE2> re2_;  // Null: words.
  std::optional<std::size_t> width_;
};

// Those of a configuration; null or empty: none.
using OwnRules = std::shared_ptr<const std::vector<OwnRule>>;

}  // namespace tollgate::content
