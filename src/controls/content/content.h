// What may stand in a request, and in its answer: the rules that their texts are held to, and what
// is done with a match.
//
// The texts are read by a Scanner (scanner.h), which says which rule matched where; here is what
// that means for the request. A finding tells its rule and its place and never what stands there.
//
// Pure. Safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "base/units.h"

namespace tollgate::content {

// A set of rules that are asked for together.
enum class Pack : std::uint8_t {
  kSecrets,
  kPii,
  kInjection,
  kUnicode,
  kSpecialTokens,
  kLinks,  // Of answers only.
  kOwn,    // The operator's (own_rules.h).
};
inline constexpr int kPackCount = 7;
std::string_view name_of(Pack pack);  // "secrets"

// How a rule reads: as bytes that must be so, or as words, however they are written. For a rule on
// words see normal_form.h.
enum class Reading : std::uint8_t { kExact, kWords };

// One rule. Its name borrows what made it.
struct Rule {
  std::string_view name;  // "secrets.aws_access_key"
  Pack pack = Pack::kSecrets;
  Reading reading = Reading::kExact;
};

enum class OnMatch : std::uint8_t {
  kRefuse,
  kFlag,    // Only recorded.
  kRedact,  // Masked in what is sent. Of an answer, where nothing can be, refused.
};

// What is done about a match, from the least to the most.
enum class Action : std::uint8_t { kNone, kObserve, kFlag, kRedact, kRefuse };
std::string_view name_of(Action action);

// What differs for a pack, or for a rule.
struct Override {
  std::string name;  // "pii", "pii.email"
  std::optional<Mode> mode;
  std::optional<OnMatch> on_match;
};

// What the operator writes under a route's `content`.
struct Policy {
  Mode mode = Mode::kEnforce;
  std::vector<Pack> request;   // Packs that a request is held to; empty: it is not inspected.
  std::vector<Pack> response;  // The same, of its answer.
  OnMatch on_match = OnMatch::kRefuse;
  bool restore = false;                 // What was masked in a request is put back in its answer.
  std::vector<std::string> link_hosts;  // To which links may carry data (links.h).
  std::vector<std::string> except;      // Names of rules that are left out.
  std::vector<Override> overrides;

  // By the number of the rule, as resolve() says, for a request and for its answer.
  std::vector<Action> actions;
  std::vector<Action> answer_actions;
  bool redacts = false;          // Some of the former.
  std::vector<std::string> own;  // The names of the last of them, which are the operator's.
};
bool holds_answers_to(const Policy& policy, Pack pack);

// Sets the actions of a policy by the rest of it: kNone for a rule of a pack that nobody asked for,
// and for an exception. `rules` are all_rules() (rules.h).
void resolve(Policy& policy, std::span<const Rule> rules);

// The pack that has that name, where packs may be named, or has a rule of that name.
enum class Named : std::uint8_t { kRule, kRuleOrPack };
std::optional<Pack> pack_named(std::string_view name, std::span<const Rule> rules, Named named);

// What stands in a request in place of the values that a rule found: "[REDACTED:pii.email#1]" for
// the first of them. JSON escapes nothing in it.
inline constexpr std::string_view kMaskBegin = "[REDACTED:";
std::string mask_of(std::string_view rule, std::size_t number);

// Bytes of a text, from `begin` up to `end`.
struct Extent {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// A match in a text that came in pieces.
struct StreamMatch {
  std::string_view rule;
  Extent extent;  // Of the text as it came, from its beginning.
};

// One match. It borrows the rules, which live as long as the configuration that they are of.
struct Finding {
  std::string_view rule;   // "secrets.aws_access_key"
  std::size_t text = 0;    // Which of the texts that were read, from 0…
  std::size_t offset = 0;  // …and where in it, in bytes, as it came…
  std::size_t bytes = 0;   // …with whatever was hidden in between.
  Action action = Action::kRefuse;
};

// Refuses with kContentRefused for a finding. `where` is its place in the body,
// "messages[3].content"; `rule` the route's place in the configuration, "routes.chat.content".
std::unexpected<Refusal> refuse_found(const Finding& finding, std::string_view where,
                                      std::string_view rule);

// The same for an answer, in which `rule_found` matched; nobody can mend it but by asking for
// another.
std::unexpected<Refusal> refuse_answer(std::string_view rule_found, std::string_view where,
                                       std::string_view rule);

// Refuses with kContentRefused for a finding that would be masked, where it stands in a place that
// cannot be.
std::unexpected<Refusal> refuse_unmasked(const Finding& finding, std::string_view where,
                                         std::string_view rule);

// What cannot be inspected is refused: `why` is a sentence for the caller.
std::unexpected<Refusal> refuse_unread(std::string_view why, std::string_view rule,
                                       std::string_view param = {});

}  // namespace tollgate::content
