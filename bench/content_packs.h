// How a scanner is asked for some packs of rules.
#pragma once

#include <algorithm>
#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controls/content/scanner.h"

namespace tollgate::bench {

template <class Scanner>
concept ReadsByAction = requires(Scanner scanner, std::shared_ptr<const content::Rules> rules,
                                 std::span<const content::Action> actions) {
  { scanner.begin(rules, actions) };
};
template <class Scanner>
concept ReadsByPack = requires(Scanner scanner, std::shared_ptr<const content::Rules> rules,
                               std::span<const content::Pack> packs) {
  { scanner.begin(rules, packs) };
};

// What each rule does where those packs are enforced.
inline std::vector<content::Action> actions_of(const content::Policy& policy) {
#if __has_include("controls/content/patterns.h")
  return content::resolve(policy, content::all_rules());
#else
  return std::vector<content::Action>(policy.request.size());
#endif
}

class Asked {
 public:
  explicit Asked(std::vector<content::Pack> packs) : packs_(std::move(packs)) {
    content::Policy policy;
    policy.request = packs_;
    actions_ = actions_of(policy);
  }

  template <class Scanner>
  bool begin(Scanner& scanner, const std::shared_ptr<const content::Rules>& rules) const {
    if constexpr (ReadsByAction<Scanner>) {
      return scanner.begin(rules, actions_).has_value();
    } else if constexpr (ReadsByPack<Scanner>) {
      return scanner.begin(rules, packs_).has_value();
    } else {
      return scanner.begin(rules).has_value();
    }
  }

  // Whether a rule is of one of the packs: "secrets.age_key".
  bool has(std::string_view rule) const {
    return std::ranges::any_of(packs_, [&](content::Pack pack) {
      return rule.starts_with(std::string(content::name_of(pack)) + '.');
    });
  }

 private:
  std::vector<content::Pack> packs_;
  std::vector<content::Action> actions_;
};

// Of those packs at least.
template <class Rules = content::Rules>
auto compiled(std::span<const content::Pack> packs) {
  if constexpr (requires { Rules::compile(packs); }) {
    return Rules::compile(packs);
  } else {
    return Rules::compile();
  }
}

// Whether a text was encoded too often to be read.
template <class Scanner>
bool is_unread(const Scanner& scanner) {
  if constexpr (requires { scanner.too_deep(); }) {
    return scanner.too_deep().has_value();
  } else {
    return false;
  }
}

}  // namespace tollgate::bench
