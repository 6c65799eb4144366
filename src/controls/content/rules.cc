#include "controls/content/rules.h"

#include <fmt/format.h>
#include <hs/hs.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "controls/content/anchors.h"
#include "controls/content/entity_names.h"
#include "controls/content/links.h"
#include "controls/content/normal_form.h"
#include "controls/content/pattern_machine.h"
#include "controls/content/pii.h"
#include "controls/content/rot13.h"
#include "controls/content/smuggling.h"

namespace tollgate::content {

namespace {

// An anchor shorter than this stands in ordinary words ("task-"): the database looks for so many
// characters of the secret behind it as well, before anybody is told.
constexpr std::size_t kLongAnchor = 5;

bool looks_ahead(const Secret& secret) {
  return secret.anchor.size() < kLongAnchor && secret.gap == Gap::kNone &&
         secret.after.least >= Rules::kAhead;
}

// Each character by its number, so that none of them is an operator.
std::string expression_of(const Secret& secret) {
  std::string expression;
  for (const char c : secret.anchor) {
    expression += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  if (!looks_ahead(secret)) return expression;
  expression += '[';
  for (int c = 0; c < 128; ++c) {
    if (contains(secret.after.alphabet, static_cast<char>(c))) {
      expression += fmt::format("\\x{:02x}", c);
    }
  }
  return expression + fmt::format("]{{{}}}", Rules::kAhead);
}

// The rules by number, and all that the database is made of.
struct Table {
  std::vector<Rule> rules;
  std::vector<Rules::Expression> expressions;
  std::size_t first_pii = 0;
  std::size_t first_words = 0;
  std::size_t first_smuggling = 0;

  Table() {
    for (const Secret& secret : secrets()) {
      // Rows of one kind stand together.
      if (rules.empty() || rules.back().name != secret.rule) {
        rules.push_back({secret.rule, Pack::kSecrets, Reading::kExact});
      }
      expressions.push_back({last(), &secret});
    }
    first_pii = rules.size();
    for (const PiiKind& kind : pii_kinds()) {
      rules.push_back({kind.rule, Pack::kPii, Reading::kExact});
    }
    for (const Secret& named : pii_by_name()) {
      if (rules.back().name != named.rule) {
        rules.push_back({named.rule, Pack::kPii, Reading::kExact});
      }
      expressions.push_back({last(), &named});
    }
    add(special_tokens(), Pack::kSpecialTokens, Reading::kExact);
    first_words = rules.size();
    add(injections(), Pack::kInjection, Reading::kWords);
    first_smuggling = rules.size();
    for (const std::string_view rule : smuggling_rules()) rules.push_back({rule, Pack::kUnicode});
    for (const std::string_view rule : link_rules()) rules.push_back({rule, Pack::kLinks});
  }

 private:
  std::uint16_t last() const { return static_cast<std::uint16_t>(rules.size() - 1); }
  void add(std::span<const Pattern> patterns, Pack pack, Reading reading) {
    for (const Pattern& pattern : patterns) {
      rules.push_back({pattern.rule, pack, reading});
      expressions.push_back({last(), nullptr, &pattern});
    }
  }
};

const Table& table() {
  static const Table made;
  return made;
}

struct Source {
  std::string text;
  unsigned flags = 0;
};

Source source_of(const Rules::Expression& expression) {
  if (expression.secret != nullptr) {
    const Secret& secret = *expression.secret;
    return {expression_of(secret), secret.gap == Gap::kAssigned ? HS_FLAG_CASELESS : 0U};
  }
  const bool is_words = table().rules[expression.rule].reading == Reading::kWords;
  const std::string_view text = expression.pattern->expression;
  constexpr unsigned kWhere = HS_FLAG_SOM_LEFTMOST | HS_FLAG_DOTALL;
  if (!is_words) return {std::string(text), kWhere};
  return {fold_rule(in_words(text)), kWhere | HS_FLAG_CASELESS};
}

}  // namespace

std::span<const Rule> all_rules() { return table().rules; }
std::vector<Rule> all_rules(const OwnRules& own) {
  std::vector<Rule> rules = table().rules;
  if (own == nullptr) return rules;
  for (const OwnRule& one : *own) rules.push_back(one.rule());
  return rules;
}
std::size_t first_pii_rule() { return table().first_pii; }
std::size_t first_smuggling_rule() { return table().first_smuggling; }

std::span<const Action> of_words(std::span<const Action> actions) {
  return actions.subspan(table().first_words, table().first_smuggling - table().first_words);
}

std::vector<Action> those_on_words(std::span<const Action> actions) {
  std::vector<Action> made(actions.size(), Action::kNone);
  std::ranges::copy(of_words(actions),
                    made.begin() + static_cast<std::ptrdiff_t>(table().first_words));
  return made;
}

std::size_t number_of(std::string_view rule) {
  const auto found = std::ranges::find(table().rules, rule, &Rule::name);
  CHECK(found != table().rules.end());
  return static_cast<std::size_t>(found - table().rules.begin());
}

Action answer_action_of(const Policy& policy, std::string_view rule) {
  const auto own = std::ranges::find(policy.own, rule);
  if (own == policy.own.end()) return policy.answer_actions[number_of(rule)];
  return policy
      .answer_actions[all_rules().size() + static_cast<std::size_t>(own - policy.own.begin())];
}

void Rules::Free::operator()(hs_database* database) const { hs_free_database(database); }

namespace {

// What the database is made of: the packs, and all own rules where one of them is theirs.
std::vector<Rules::Expression> expressions_of(std::span<const Pack> packs, const OwnRules& own) {
  std::vector<Rules::Expression> made;
  for (const Rules::Expression& expression : table().expressions) {
    const Pack pack = table().rules[expression.rule].pack;
    // A database has to hold something: personal data may ask for nothing of it.
    if (std::ranges::count(packs, pack) != 0 || made.empty()) made.push_back(expression);
  }
  if (own == nullptr || std::ranges::count(packs, Pack::kOwn) == 0) return made;
  std::size_t number = all_rules().size();
  for (const OwnRule& one : *own) {
    for (const OwnRule::Expression& expression : one.expressions()) {
      made.push_back({.rule = static_cast<std::uint16_t>(number),
                      .own = &one,
                      .is_whole = expression.is_exact});
    }
    ++number;
  }
  return made;
}

std::vector<Source> sources_of(std::span<const Rules::Expression> expressions) {
  std::vector<Source> made;
  const OwnRule* own = nullptr;
  std::size_t next = 0;  // Of its expressions.
  for (const Rules::Expression& expression : expressions) {
    if (expression.own == nullptr) {
      made.push_back(source_of(expression));
      continue;
    }
    next = expression.own == own ? next + 1 : 0;
    own = expression.own;
    made.push_back({own->expressions()[next].text, own->expressions()[next].flags});
  }
  return made;
}

// What tells a text that is turned, where there are rules on words.
struct Sign {
  std::string text;
  Rules::Turning turning;
};
std::vector<Sign> signs_of(std::span<const Pack> packs, const OwnRules& own) {
  std::vector<Sign> made;
  bool reads_words = std::ranges::count(packs, Pack::kInjection) != 0;
  const auto add = [&](std::span<const std::string> signs, Rules::Turning turning) {
    for (const std::string& sign : signs) made.push_back({sign, turning});
  };
  if (own != nullptr && std::ranges::count(packs, Pack::kOwn) != 0) {
    for (const OwnRule& one : *own) {
      reads_words = reads_words || one.rule().reading == Reading::kWords;
      add(one.turned(), Rules::Turning::kRot13);
    }
  }
  if (!reads_words) return {};
  add(signs_of_rot13(), Rules::Turning::kRot13);
  add(signs_of_backwards(), Rules::Turning::kBackwards);
  return made;
}

}  // namespace

FaultOr<std::shared_ptr<const Rules>> Rules::compile(std::span<const Pack> packs, OwnRules own) {
  std::vector<Expression> expressions = expressions_of(packs, own);
  const std::vector<Rule> all = all_rules(own);
  std::vector<Source> sources = sources_of(expressions);
  for (Sign& sign : signs_of(packs, own)) {
    sources.push_back({std::move(sign.text), HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH});
    expressions.push_back({.turning = sign.turning});
  }
  std::vector<const char*> texts;
  std::vector<unsigned> flags;
  std::vector<unsigned> ids;
  for (const Source& source : sources) {
    flags.push_back(source.flags);
    ids.push_back(static_cast<unsigned>(ids.size()));
    texts.push_back(source.text.c_str());
  }
  hs_database* database = nullptr;
  hs_compile_error* error = nullptr;
  if (hs_compile_multi(texts.data(), flags.data(), ids.data(), static_cast<unsigned>(texts.size()),
                       HS_MODE_BLOCK, nullptr, &database, &error) != HS_SUCCESS) {
    std::string why = error != nullptr && error->message != nullptr ? error->message : "";
    if (error != nullptr && error->expression >= 0) {
      const auto which = static_cast<std::size_t>(error->expression);
      why += fmt::format(" ({})", all[expressions[which].rule].name);
    }
    if (error != nullptr) hs_free_compile_error(error);
    return fault(FaultKind::kBroken,
                 fmt::format("the rules of `content` cannot be compiled by Vectorscan {}: {}",
                             hs_version(), why));
  }
  prepare();  // Not on a loop either; nor what streams are read by.
  prepare_pii();
  prepare_entities();
  (void)Anchors::exact();
  (void)Anchors::of_any_case();
  (void)PatternMachine::of_special_tokens();
  auto rules = std::make_shared<Rules>(Private());
  rules->own_ = std::move(own);
  rules->all_ = all;
  rules->expressions_ = std::move(expressions);
  rules->database_.reset(database);
  return rules;
}

std::size_t Rules::anchor_end(const Secret& secret, std::size_t match_end) {
  return looks_ahead(secret) ? match_end - kAhead : match_end;
}

}  // namespace tollgate::content
