// How a scanner is asked for some packs of rules.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controls/content/scanner.h"

namespace tollgate::bench {

class Asked {
 public:
  explicit Asked(std::vector<content::Pack> packs) : packs_(std::move(packs)) {
    content::Policy policy;
    policy.request = packs_;
    content::resolve(policy, content::all_rules());
    actions_ = std::move(policy.actions);
  }

  bool begin(content::Scanner& scanner, const std::shared_ptr<const content::Rules>& rules) const {
    return scanner.begin(rules, actions_).has_value();
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

}  // namespace tollgate::bench
