#include "pipeline/alternatives.h"

#include <algorithm>

namespace tollgate::pipeline {

Alternatives::Alternatives(const Plan& as_asked) { known_[0].model = as_asked.model->name; }

void Alternatives::add(const Plan& plan, const Terms& terms,
                       std::span<const cost::Policy* const> exhausted) {
  for (const cost::Policy* budget : exhausted) {
    Terms made = terms;
    made.model = plan.model->name;
    made.budget = budget;
    if (budget->when_exhausted == cost::WhenExhausted::kDowngradeTo) {
      made.model = budget->downgrade_to;
    } else if (budget->when_exhausted == cost::WhenExhausted::kCapOutputTokens &&
               plan.output_cap > budget->cap_output_tokens) {
      made.output_tokens = budget->cap_output_tokens;
    } else {
      continue;
    }
    if (count_ < known_.size() && !is_known(made)) known_[count_++] = made;
  }
}

std::optional<Terms> Alternatives::next() {
  if (tried_ == count_) return std::nullopt;
  return known_[tried_++];
}

bool Alternatives::is_known(const Terms& terms) const {
  return std::any_of(known_.begin(), known_.begin() + count_, [&](const Terms& other) {
    return other.model == terms.model && other.output_tokens == terms.output_tokens;
  });
}

}  // namespace tollgate::pipeline
