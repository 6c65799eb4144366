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
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "base/units.h"

namespace tollgate::content {

// A set of rules that are asked for together.
enum class Pack : std::uint8_t {
  kSecrets,
  kUnicode,
  kLinks,  // Of answers only.
};
inline constexpr int kPackCount = 3;
std::string_view name_of(Pack pack);  // "secrets"

enum class OnMatch : std::uint8_t {
  kRefuse,
  kFlag,  // Only recorded.
};

// What the operator writes under a route's `content`.
struct Policy {
  Mode mode = Mode::kEnforce;
  std::vector<Pack> request;   // Packs that a request is held to; empty: it is not inspected.
  std::vector<Pack> response;  // The same, of its answer.
  OnMatch on_match = OnMatch::kRefuse;
  std::vector<std::string> link_hosts;  // To which links may carry data (links.h).
};
bool holds_answers_to(const Policy& policy, Pack pack);

enum class Action : std::uint8_t { kRefuse, kFlag, kObserve };
std::string_view name_of(Action action);
Action action_of(const Policy& policy);

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
};

// Refuses with kContentRefused for `first`, the first finding, where the policy refuses. `where`
// is its place in the body, "messages[3].content"; `rule` the route's place in the configuration,
// "routes.chat.content". Enforced or observed is for the caller of check() to tell.
Expected<void> check(const Policy& policy, const Finding& first, std::string_view where,
                     std::string_view rule);

// The same for an answer, of which `rule_found` matched first; nobody can mend it but by asking for
// another.
Expected<void> check_answer(const Policy& policy, std::string_view rule_found,
                            std::string_view where, std::string_view rule);

// What cannot be inspected is refused: `why` is a sentence for the caller.
std::unexpected<Refusal> refuse_unread(std::string_view why, std::string_view rule,
                                       std::string_view param = {});

}  // namespace tollgate::content
