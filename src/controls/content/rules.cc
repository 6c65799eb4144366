#include "controls/content/rules.h"

#include <fmt/format.h>
#include <hs/hs.h>

#include <string>
#include <vector>

#include "controls/content/anchors.h"
#include "controls/content/decode.h"
#include "controls/content/normal_form.h"

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

}  // namespace

void Rules::Free::operator()(hs_database* database) const { hs_free_database(database); }

FaultOr<std::shared_ptr<const Rules>> Rules::compile() {
  std::vector<std::string> expressions;
  std::vector<const char*> texts;
  std::vector<unsigned> flags;
  std::vector<unsigned> ids;
  for (const Secret& secret : secrets()) expressions.push_back(expression_of(secret));
  for (const std::string& expression : expressions) {
    flags.push_back(secrets()[ids.size()].gap == Gap::kAssigned ? HS_FLAG_CASELESS : 0);
    ids.push_back(static_cast<unsigned>(ids.size()));
    texts.push_back(expression.c_str());
  }
  hs_database* database = nullptr;
  hs_compile_error* error = nullptr;
  if (hs_compile_multi(texts.data(), flags.data(), ids.data(), static_cast<unsigned>(texts.size()),
                       HS_MODE_BLOCK, nullptr, &database, &error) != HS_SUCCESS) {
    const std::string why = error != nullptr && error->message != nullptr ? error->message : "";
    if (error != nullptr) hs_free_compile_error(error);
    return fault(FaultKind::kBroken,
                 fmt::format("the rules of `content` cannot be compiled by Vectorscan {}: {}",
                             hs_version(), why));
  }
  prepare();  // Not on a loop either; nor what streams are read by.
  prepare_entities();
  (void)Anchors::exact();
  (void)Anchors::of_any_case();
  auto rules = std::make_shared<Rules>(Private());
  rules->database_.reset(database);
  return rules;
}

std::size_t Rules::anchor_end(unsigned id, std::size_t match_end) {
  return looks_ahead(secret(id)) ? match_end - kAhead : match_end;
}

}  // namespace tollgate::content
