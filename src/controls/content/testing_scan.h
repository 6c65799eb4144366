// Scanning in one call, for the tests of this folder.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "controls/content/scanner.h"

namespace tollgate::content::testing {

inline constexpr Pack kSecretsPack[] = {Pack::kSecrets};
inline constexpr Pack kUnicodePack[] = {Pack::kUnicode};
// But for what is found by single characters.
inline constexpr Pack kTextPacks[] = {Pack::kSecrets, Pack::kPii, Pack::kInjection,
                                      Pack::kSpecialTokens};
inline constexpr Pack kAllPacks[] = {Pack::kSecrets, Pack::kPii, Pack::kInjection, Pack::kUnicode,
                                     Pack::kSpecialTokens};

// Compiled once for all tests.
inline const std::shared_ptr<const Rules>& rules() {
  static const std::shared_ptr<const Rules> compiled = [] {
    FaultOr<std::shared_ptr<const Rules>> made = Rules::compile(kAllPacks);
    CHECK(made.has_value());
    return *made;
  }();
  return compiled;
}

// Every rule of the packs, refusing.
inline std::vector<Action> all_refuse(std::span<const Pack> packs = kAllPacks) {
  Policy policy{.request = {packs.begin(), packs.end()}};
  resolve(policy, all_rules());
  return policy.actions;
}

// What is found in the texts.
inline std::vector<Finding> findings_in(const std::vector<std::string_view>& texts,
                                        std::span<const Pack> packs = kTextPacks,
                                        Layers layers = Layers::kAll) {
  Scanner scanner;
  const std::vector<Action> actions = all_refuse(packs);
  CHECK(scanner.begin(rules(), actions, layers).has_value());
  for (const std::string_view text : texts) CHECK(scanner.read(text).has_value());
  return {scanner.found().begin(), scanner.found().end()};
}

inline std::vector<std::string> rules_in(std::string_view text) {
  std::vector<std::string> names;
  for (const Finding& finding : findings_in({text})) names.emplace_back(finding.rule);
  return names;
}

}  // namespace tollgate::content::testing
