#include "controls/content/scanner.h"

#include <fmt/format.h>
#include <hs/hs.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace tollgate::content {

Scanner::Scanner() = default;
Scanner::~Scanner() { hs_free_scratch(scratch_); }

FaultOr<void> Scanner::begin(std::shared_ptr<const Rules> rules, std::span<const Pack> packs,
                             Layers layers) {
  layers_ = layers;
  count_ = 0;
  text_ = 0;
  too_deep_.reset();
  has_secrets_ = std::ranges::find(packs, Pack::kSecrets) != packs.end();
  has_unicode_ = std::ranges::find(packs, Pack::kUnicode) != packs.end();
  if (rules == rules_) return {};
  rules_ = nullptr;
  if (const int error = hs_alloc_scratch(&rules->database(), &scratch_); error != HS_SUCCESS) {
    return fault(FaultKind::kBroken,
                 fmt::format("no room to inspect texts (Vectorscan {})", error));
  }
  rules_ = std::move(rules);
  return {};
}

FaultOr<void> Scanner::read(std::string_view text) {
  forms_.begin(text, Rules::kHasWords, layers_);
  smuggled_ = {};
  FaultOr<void> read;
  while (const std::optional<Forms::Seen> form = forms_.next()) {
    read = scan(*form);
    if (!read) break;
    forms_.lead_back(*form, std::span(extents_).first(matches_));
    for (std::size_t i = 0; i < matches_; ++i) add(matched_[i], extents_[i]);
  }
  if (forms_.is_too_deep() && !too_deep_) too_deep_ = text_;
  ++text_;
  return read;
}

FaultOr<void> Scanner::scan(const Forms::Seen& form) {
  matches_ = 0;
  if (form.text.size() > std::numeric_limits<unsigned>::max() || rules_ == nullptr) {
    return fault(FaultKind::kBroken, "a text cannot be inspected");
  }
  form_ = form;
  if (form.text.empty()) return {};
  if (has_secrets_) {
    if (FaultOr<void> scanned = scan_database(form); !scanned) return scanned;
  }
  // What is written as an escape hides nothing, and the other forms are without what hides.
  if (!has_unicode_ || form.form != Form::kAsIs || form.layer > 0 || !form.may_hide) return {};
  SmugglingPass pass(form.text);
  while (matches_ < matched_.size()) {
    const std::optional<Smuggled> smuggled = pass.next();
    if (!smuggled) break;
    const auto kind = static_cast<std::size_t>(smuggled->kind);
    if (std::exchange(smuggled_[kind], true)) continue;
    extents_[matches_] = smuggled->extent;
    matched_[matches_++] = smuggling_rules()[kind];
  }
  return {};
}

FaultOr<void> Scanner::scan_database(const Forms::Seen& form) {
  const int error = hs_scan(&rules_->database(), form.text.data(),
                            static_cast<unsigned>(form.text.size()), 0, scratch_, on_match, this);
  // It ends early where there is no room for more.
  if (error == HS_SUCCESS || error == HS_SCAN_TERMINATED) return {};
  return fault(FaultKind::kBroken, fmt::format("a text was not inspected (Vectorscan {})", error));
}

int Scanner::on_match(unsigned id, unsigned long long, unsigned long long to, unsigned,
                      void* context) {
  Scanner& scanner = *static_cast<Scanner*>(context);
  const bool reads_words = Rules::reading(id) == Reading::kWords;
  if (!(reads_words ? scanner.form_.is_words : scanner.form_.is_exact)) return 0;
  const Secret& secret = Rules::secret(id);
  const std::optional<Extent> found =
      match(secret, scanner.form_.text, Rules::anchor_end(id, static_cast<std::size_t>(to)));
  if (!found) return 0;
  scanner.extents_[scanner.matches_] = *found;
  scanner.matched_[scanner.matches_++] = secret.rule;
  return scanner.matches_ == scanner.matched_.size() ? 1 : 0;
}

// What is seen in two forms, or by two rows of a kind, is one.
void Scanner::add(std::string_view rule, const Extent& extent) {
  const bool is_known = std::ranges::any_of(found(), [&](const Finding& other) {
    return other.text == text_ && other.rule == rule && other.offset < extent.end &&
           extent.begin < other.offset + other.bytes;
  });
  if (is_known || count_ == kFindingsMax) return;
  found_[count_++] = {rule, text_, extent.begin, extent.end - extent.begin};
}

}  // namespace tollgate::content
