#include "controls/content/scanner.h"

#include <fmt/format.h>
#include <hs/hs.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "controls/content/normal_form.h"

namespace tollgate::content {

namespace {

// Bytes of the other form that are kept from request to request.
constexpr std::size_t kKeptMax = std::size_t{64} << 10;

}  // namespace

Scanner::Scanner() = default;
Scanner::~Scanner() { hs_free_scratch(scratch_); }

FaultOr<void> Scanner::begin(std::shared_ptr<const Rules> rules) {
  count_ = 0;
  text_ = 0;
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
  FaultOr<void> read = scan(text);
  for (std::size_t i = 0; read && i < matches_; ++i) add(matched_[i].rule, matched_[i].extent);
  if (read && may_differ(text)) {
    for (const Tags tags : {Tags::kLeftOut, Tags::kRead}) {
      if (tags == Tags::kRead && !has_tags(text)) break;
      if (!normalise(text, tags, normal_)) break;
      read = scan(normal_);
      if (!read) break;
      for (std::size_t i = 0; i < matches_; ++i) {
        add(matched_[i].rule, original_of(text, tags, matched_[i].extent));
      }
    }
  }
  if (normal_.capacity() > kKeptMax) normal_ = {};
  ++text_;
  return read;
}

FaultOr<void> Scanner::scan(std::string_view form) {
  matches_ = 0;
  if (form.empty()) return {};
  if (form.size() > std::numeric_limits<unsigned>::max() || rules_ == nullptr) {
    return fault(FaultKind::kBroken, "a text cannot be inspected");
  }
  form_ = form;
  const int error = hs_scan(&rules_->database(), form.data(), static_cast<unsigned>(form.size()), 0,
                            scratch_, on_match, this);
  // It ends early where there is no room for more.
  if (error == HS_SUCCESS || error == HS_SCAN_TERMINATED) return {};
  return fault(FaultKind::kBroken, fmt::format("a text was not inspected (Vectorscan {})", error));
}

int Scanner::on_match(unsigned id, unsigned long long, unsigned long long to, unsigned,
                      void* context) {
  Scanner& scanner = *static_cast<Scanner*>(context);
  const Secret& secret = Rules::secret(id);
  const std::optional<Extent> found =
      match(secret, scanner.form_, Rules::anchor_end(id, static_cast<std::size_t>(to)));
  if (!found) return 0;
  scanner.matched_[scanner.matches_++] = {secret.rule, *found};
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
