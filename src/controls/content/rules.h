// The rules of all packs, compiled into one Vectorscan database.
//
// The database finds where a rule may match: its anchor, a text that ordinary prose does not have,
// or a pattern whose repetitions all have an end. Of an anchor a look at the characters around it
// tells the rest (secrets.h), which knows lengths, alphabets and checksums exactly. So what a text
// costs is linear in its bytes, whatever stands in it. Numbers have no anchor: personal data is
// found by a pass of its own (pii.h), and what hides a text by another (smuggling.h).
//
// Which of the rules apply is told to the scanner: one database serves all routes.
//
// Source: Vectorscan 5.4 (a fork of Hyperscan), "Developer's Reference Guide", block mode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "controls/content/own_rules.h"
#include "controls/content/patterns.h"
#include "controls/content/secrets.h"

struct hs_database;

namespace tollgate::content {

// The built-in rules of all packs, by number. Immutable; from its first use on it is the same.
std::span<const Rule> all_rules();
// The same, and behind them those of a configuration, which they borrow.
std::vector<Rule> all_rules(const OwnRules& own);
// Where the kinds of pii_kinds() and of smuggling_rules() are among them, and the rules on words.
std::size_t first_pii_rule();
std::size_t first_smuggling_rule();
std::span<const Action> of_words(std::span<const Action> actions);
// The same of all rules, with kNone for those that read no words.
std::vector<Action> those_on_words(std::span<const Action> actions);
// The number of a rule that there is.
std::size_t number_of(std::string_view rule);
// What is done about a match of a rule in an answer.
Action answer_action_of(const Policy& policy, std::string_view rule);

// Immutable, and safe from any thread.
class Rules {
  struct Private {};

 public:
  // What is looked for behind a short anchor, in characters.
  static constexpr std::size_t kAhead = 8;

  enum class Turning : std::uint8_t { kNone, kRot13, kBackwards };

  // Whose expression the database reports under a number; one of the three is there, but for a
  // sign of a text that is turned (rot13.h).
  struct Expression {
    std::uint16_t rule = 0;  // Of all().
    const Secret* secret = nullptr;
    const Pattern* pattern = nullptr;
    const OwnRule* own = nullptr;
    bool is_whole = false;             // Of an own one: it says all of the match.
    Turning turning = Turning::kNone;  // What it is a sign of.
  };

  // Of the packs that are given, some milliseconds for secrets and up to a second for injections.
  // Fails where the processor lacks what Vectorscan needs, or memory.
  static FaultOr<std::shared_ptr<const Rules>> compile(std::span<const Pack> packs,
                                                       OwnRules own = nullptr);

  explicit Rules(Private) {}

  // By number, the own ones behind all_rules().
  std::span<const Rule> all() const { return all_; }
  const OwnRule& own(std::size_t number) const { return (*own_)[number - all_rules().size()]; }

  const hs_database& database() const { return *database_; }
  const Expression& expression(unsigned id) const { return expressions_[id]; }
  // Where the anchor of a secret ends.
  static std::size_t anchor_end(const Secret& secret, std::size_t match_end);

 private:
  struct Free {
    void operator()(hs_database* database) const;
  };
  OwnRules own_;
  std::vector<Rule> all_;
  std::vector<Expression> expressions_;
  std::unique_ptr<hs_database, Free> database_;
};

}  // namespace tollgate::content
