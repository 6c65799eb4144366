#include "controls/content/stream_scanner.h"

#include <algorithm>
#include <array>
#include <utility>

#include "controls/content/rules.h"

namespace tollgate::content {

StreamReads reads_of(std::span<const Action> actions) {
  StreamReads reads;
  const std::span<const Rule> rules = all_rules();
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (actions[i] == Action::kNone) continue;
    if (rules[i].pack == Pack::kSecrets) reads.anchors = true;
    if (rules[i].pack == Pack::kSpecialTokens) reads.tokens = true;
    if (rules[i].pack != Pack::kPii) continue;
    reads.anchors = true;
    reads.pii = actions.subspan(first_pii_rule(), pii_kinds().size());
  }
  return reads;
}

namespace {

// A window is cut where that frees so much.
constexpr std::size_t kCutAt = 1024;
// Matches that are remembered, so that what two forms show is one.
constexpr std::size_t kKnownMax = 16;

// What follows from the table of secrets.
struct Table {
  // Bytes before the end of an anchor that a look at it may need.
  std::size_t behind = 0;
  // Of those with a part before the anchor the longest of each alphabet.
  std::vector<const Secret*> growing;

  Table() {
    std::array<const Secret*, kAlphabetCount> longest{};
    for (const Secret& secret : anchored()) {
      // An escape before the first of them takes two characters more to tell.
      behind = std::max(behind, secret.anchor.size() + secret.before.most + 4);
      const Secret*& one = longest[static_cast<std::size_t>(secret.before.alphabet)];
      if (secret.before.most > (one == nullptr ? 0 : one->before.most)) one = &secret;
    }
    std::ranges::copy_if(longest, std::back_inserter(growing),
                         [](const Secret* secret) { return secret != nullptr; });
  }
};

const Table& table() {
  static const Table made;
  return made;
}

}  // namespace

// Takes the pieces of a normal form.
class StreamScanner::Normal final : public NormalSink {
 public:
  // `begin` is where the text that is read begins in all of it.
  Normal(Form& form, std::size_t begin) : form_(form), begin_(begin) {}

  void put(Extent original, std::string_view becomes, bool stays) override {
    form_.window += becomes;
    for (std::size_t i = 0; i < becomes.size(); ++i) {
      const std::size_t at = begin_ + original.begin + i;
      form_.origins.push_back(stays ? Origin{at, at + 1}
                                    : Origin{begin_ + original.begin, begin_ + original.end});
    }
  }

 private:
  Form& form_;
  const std::size_t begin_;
};

StreamScanner::StreamScanner(const StreamReads& reads) : reads_(reads) {
  if (reads_.anchors) behind_ = table().behind;
  if (!reads_.pii.empty()) behind_ = std::max(behind_, PiiPass::kBehind);
  if (reads_.tokens) behind_ = std::max(behind_, Pattern::kBehind);
}

void StreamScanner::read(std::string_view piece, std::vector<StreamMatch>& found) {
  if (!normal_ && may_differ(piece)) begin_normal();
  // A pair of escapes may be cut.
  if (normal_ && !tags_ && has_tags(carried_.empty() ? piece : carried_ + std::string(piece))) {
    tags_ = normal_;
  }
  const std::size_t from = as_it_is_.window.size();
  as_it_is_.window += piece;
  size_ += piece.size();
  scan(as_it_is_, from, found);
  std::size_t undecided_at = undecided(as_it_is_);
  decided_ = as_it_is_.base + undecided_at;
  forget(as_it_is_, undecided_at);
  if (!normal_) return;
  read_normal(piece, MoreText::kMayCome, found);
  for (std::optional<Form>* form : {&normal_, &tags_}) {
    if (!*form) continue;
    undecided_at = undecided(**form);
    const bool is_end = undecided_at == (*form)->window.size();
    const std::size_t original =
        is_end ? size_ - carried_.size() : (*form)->origins[undecided_at].begin;
    decided_ = std::min(decided_, original);
    forget(**form, undecided_at);
  }
}

void StreamScanner::end(std::vector<StreamMatch>& found) {
  if (normal_) read_normal({}, MoreText::kNone, found);
  for (Form* form : {&as_it_is_, normal_ ? &*normal_ : nullptr, tags_ ? &*tags_ : nullptr}) {
    if (form == nullptr) continue;
    for (const Open& open : std::exchange(form->open, {})) {
      const Secret& secret = anchored()[open.secret];
      const auto extent = match(secret, form->window, open.anchor_end - form->base);
      if (extent) add(*form, secret.rule, *extent, found);
    }
    tell_tokens(*form, MoreText::kNone, found);
    form->begun.clear();
    if (!reads_.pii.empty()) scan_numbers(*form, MoreText::kNone, found);
  }
  decided_ = size_;
}

// Up to here both forms are the same.
void StreamScanner::begin_normal() {
  normal_ = as_it_is_;
  normal_->origins.reserve(normal_->window.size());
  for (std::size_t i = 0; i < normal_->window.size(); ++i) {
    normal_->origins.push_back({normal_->base + i, normal_->base + i + 1});
  }
}

void StreamScanner::read_normal(std::string_view piece, MoreText more,
                                std::vector<StreamMatch>& found) {
  const std::size_t begin = size_ - piece.size() - carried_.size();
  carried_ += piece;
  std::size_t done = 0;
  for (const Tags tags : {Tags::kLeftOut, Tags::kRead}) {
    std::optional<Form>& form = tags == Tags::kRead ? tags_ : normal_;
    if (!form) continue;
    const std::size_t from = form->window.size();
    Normal sink(*form, begin);
    done = normalise(carried_, tags, more, sink);
    scan(*form, from, found);
  }
  carried_.erase(0, done);
}

// What is in the window from `from` on is new.
void StreamScanner::scan(Form& form, std::size_t from, std::vector<StreamMatch>& found) {
  if (reads_.anchors) scan_anchors(form, from, found);
  if (reads_.tokens) scan_tokens(form, from, found);
  if (!reads_.pii.empty()) scan_numbers(form, MoreText::kMayCome, found);
}

void StreamScanner::scan_anchors(Form& form, std::size_t from, std::vector<StreamMatch>& found) {
  const Anchors& exact = Anchors::exact();
  const Anchors& any_case = Anchors::of_any_case();
  if (!form.open.empty()) go_on(form, found);
  for (std::size_t at = from; at < form.window.size(); ++at) {
    const char c = form.window[at];
    form.exact = exact.next(form.exact, c);
    form.any_case = any_case.next(form.any_case, c);
    for (const std::uint16_t secret : exact.ended(form.exact)) {
      look_at(form, secret, at + 1, found);
    }
    for (const std::uint16_t secret : any_case.ended(form.any_case)) {
      look_at(form, secret, at + 1, found);
    }
  }
}

void StreamScanner::scan_tokens(Form& form, std::size_t from, std::vector<StreamMatch>& found) {
  const PatternMachine& machine = PatternMachine::of_special_tokens();
  for (std::size_t at = from; at < form.window.size(); ++at) {
    const char c = form.window[at];
    if (!form.begun.empty()) {
      for (Begun& one : form.begun) one.state = machine.next(one.state, c);
      std::erase_if(form.begun,
                    [](const Begun& one) { return one.state == PatternMachine::kDead; });
    }
    if (const PatternMachine::State state = machine.begin(c); state != PatternMachine::kDead) {
      form.begun.push_back({form.base + at, state});
    }
    for (const Begun& one : form.begun) {
      for (const std::uint16_t pattern : machine.ended(one.state)) {
        form.ended.push_back({pattern, {one.begin, form.base + at + 1}});
      }
    }
  }
  tell_tokens(form, MoreText::kMayCome, found);
}

// A check may look at the character behind.
void StreamScanner::tell_tokens(Form& form, MoreText more, std::vector<StreamMatch>& found) {
  std::erase_if(form.ended, [&](const Ended& one) {
    const Pattern& pattern = special_tokens()[one.pattern];
    const Extent extent{one.extent.begin - form.base, one.extent.end - form.base};
    const bool is_last = extent.end == form.window.size();
    if (pattern.check != nullptr && is_last && more == MoreText::kMayCome) return false;
    if (pattern.check == nullptr || pattern.check(form.window, extent)) {
      add(form, pattern.rule, extent, found);
    }
    return true;
  });
}

void StreamScanner::scan_numbers(Form& form, MoreText more, std::vector<StreamMatch>& found) {
  PiiPass pass(form.window, reads_.pii, form.numbers, more);
  while (const std::optional<PiiMatch> match = pass.next()) {
    add(form, pii_kinds()[match->kind].rule, match->extent, found);
  }
  form.numbers = pass.place();
  form.numbers_undecided = form.base + pass.undecided();
}

void StreamScanner::look_at(Form& form, std::uint16_t secret, std::size_t anchor_end,
                            std::vector<StreamMatch>& found) {
  const Look told = look(anchored()[secret], form.window, anchor_end);
  if (told.answer == Look::Answer::kMatch) {
    add(form, anchored()[secret].rule, told.extent, found);
  } else if (told.answer == Look::Answer::kOpen) {
    form.open.push_back({secret, form.base + told.extent.begin, form.base + anchor_end,
                         form.base + told.run, form.base + told.extent.end});
  }
}

// Each character is looked at once for each secret that it may be of, until it is known what that
// is.
void StreamScanner::go_on(Form& form, std::vector<StreamMatch>& found) {
  const std::size_t end = form.base + form.window.size();
  std::vector<Open> open = std::exchange(form.open, {});
  for (Open& one : open) {
    const Secret& secret = anchored()[one.secret];
    const bool has_begun = one.run < one.at;
    while (has_begun && one.at < end && one.at - one.run <= secret.after.most &&
           contains(secret.after.alphabet, form.window[one.at - form.base])) {
      ++one.at;
    }
    if (one.at - one.run > secret.after.most) continue;
    if (has_begun && one.at == end) {
      form.open.push_back(one);
    } else {
      look_at(form, one.secret, one.anchor_end - form.base, found);
    }
  }
}

void StreamScanner::add(const Form& form, std::string_view rule, const Extent& in_window,
                        std::vector<StreamMatch>& found) {
  Extent extent{form.base + in_window.begin, form.base + in_window.end};
  if (!form.origins.empty()) {
    extent = {form.origins[in_window.begin].begin, form.origins[in_window.end - 1].end};
  }
  const bool is_known = std::ranges::any_of(known_, [&](const StreamMatch& other) {
    return other.rule == rule && other.extent.begin < extent.end && extent.begin < other.extent.end;
  });
  if (is_known) return;
  found.push_back({rule, extent});
  if (known_.size() == kKnownMax) known_.erase(known_.begin());
  known_.push_back(found.back());
}

// Where in the window a match could begin that is not known yet; its end: nowhere.
std::size_t StreamScanner::undecided(const Form& form) const {
  const std::string_view text = form.window;
  std::size_t begin = text.size();
  if (!reads_.pii.empty()) begin = std::min(begin, form.numbers_undecided - form.base);
  for (const Begun& one : form.begun) begin = std::min(begin, one.begin - form.base);
  for (const Ended& one : form.ended) begin = std::min(begin, one.extent.begin - form.base);
  if (!reads_.anchors) return begin;
  for (const Open& open : form.open) begin = std::min(begin, open.begin - form.base);
  // Of what is assigned only the value counts, which has not begun before its name has ended.
  const Anchors& anchors = Anchors::exact();
  for (Anchors::State state = form.exact; state != Anchors::kStart;
       state = anchors.shorter(state)) {
    for (const std::uint16_t secret : anchors.begun(state)) {
      const auto at = secret_begin(anchored()[secret], text, text.size() - anchors.depth(state));
      if (at) begin = std::min(begin, *at);
    }
  }
  for (const Secret* secret : table().growing) {
    const auto at = secret_begin(*secret, text, text.size(), Before::kGrows);
    if (at) begin = std::min(begin, *at);
  }
  return begin;
}

void StreamScanner::forget(Form& form, std::size_t undecided) const {
  std::size_t kept = undecided;
  for (const Open& open : form.open) kept = std::min(kept, open.anchor_end - form.base);
  if (!reads_.pii.empty()) kept = std::min(kept, form.numbers.at);
  if (kept < kCutAt + behind_) return;
  kept -= behind_;
  form.window.erase(0, kept);
  if (!form.origins.empty()) {
    form.origins.erase(form.origins.begin(),
                       form.origins.begin() + static_cast<std::ptrdiff_t>(kept));
  }
  form.base += kept;
  for (std::size_t* place : {&form.numbers.at, &form.numbers.done, &form.numbers.line_done}) {
    *place -= std::min(*place, kept);
  }
}

std::size_t StreamScanner::memory() const {
  std::size_t bytes = carried_.capacity();
  for (const Form* form : {&as_it_is_, normal_ ? &*normal_ : nullptr, tags_ ? &*tags_ : nullptr}) {
    if (form == nullptr) continue;
    bytes += form->window.capacity() + form->origins.capacity() * sizeof(Origin) +
             form->open.capacity() * sizeof(Open) + form->begun.capacity() * sizeof(Begun) +
             form->ended.capacity() * sizeof(Ended);
  }
  return bytes;
}

}  // namespace tollgate::content
