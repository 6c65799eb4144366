#include "controls/content/scanner.h"

#include <fmt/format.h>
#include <hs/hs.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/json_escapes.h"
#include "controls/content/normal_form.h"
#include "controls/content/pii.h"
#include "controls/content/rot13.h"
#include "controls/content/secrets.h"

namespace tollgate::content {

namespace {

// Bytes of room that is not given back.
constexpr std::size_t kKeptMax = std::size_t{64} << 10;

// The normal form of a text, and where what each byte of it stands for ends.
class WithEnds final : public NormalSink {
 public:
  void put(Extent original, std::string_view becomes, bool stays) override {
    for (std::size_t i = 0; i < becomes.size(); ++i) {
      ends.push_back(stays ? original.begin + i + 1 : original.end);
    }
    made += becomes;
  }
  std::string made;
  std::vector<std::size_t> ends;
};

const Secret* private_key_of(std::string_view rule) {
  const auto found = std::ranges::find(secrets(), rule, &Secret::rule);
  return found != secrets().end() && found->gap == Gap::kLineBreak ? &*found : nullptr;
}

// Where a private key ends that goes on at `at`, in a text as it came: a line of it may hold what
// nobody sees, or escapes.
std::size_t end_of_key(const Secret& key, std::string_view text, std::size_t at) {
  constexpr std::size_t kNear = 256;  // More than stands between two lines.
  constexpr std::string_view kBegun = "-----END ";
  const std::string_view before = text.substr(0, at);
  if (before.ends_with("-----")) return at;
  // A form may have ended within its last line.
  if (before.ends_with(kBegun)) at -= kBegun.size();
  for (std::size_t reach = std::size_t{8} << 10;; reach *= 2) {
    const std::string_view part = text.substr(at, reach);
    WithEnds read;
    normalise(part, Tags::kLeftOut, MoreText::kNone, read);
    const std::size_t end = end_of_block(key, read.made, 0);
    const std::size_t size = read.made.size();
    const std::size_t mark =
        std::min({read.made.find("-----BEGIN "), read.made.find("-----END "), size});
    const bool may_be_more = end + kNear > size || (mark + kNear > size && reach < kBlockMax);
    if (part.size() == text.size() - at || !may_be_more) {
      return at + (end == 0 ? 0 : read.ends[end - 1]);
    }
  }
}

}  // namespace

Scanner::Scanner() = default;
Scanner::~Scanner() { hs_free_scratch(scratch_); }

FaultOr<void> Scanner::begin(std::shared_ptr<const Rules> rules, std::span<const Action> actions,
                             Layers layers, std::size_t room) {
  CHECK(actions.size() == rules->all().size());
  actions_ = actions;
  layers_ = layers;
  reads_ = Reads::kWindows;
  room_ = room;
  found_.clear();
  text_ = 0;
  known_ = 0;
  remembers_ = false;
  too_deep_.reset();
  const auto asks = [](std::span<const Action> some) {
    return std::ranges::any_of(some, [](Action action) { return action != Action::kNone; });
  };
  has_pii_ = asks(actions.subspan(first_pii_rule(), pii_kinds().size()));
  const std::span<const Action> own = actions.subspan(all_rules().size());
  has_words_ = asks(of_words(actions));
  for (std::size_t rule = all_rules().size(); rule < actions.size(); ++rule) {
    const bool is_words = rules->all()[rule].reading == Reading::kWords;
    if (actions[rule] == Action::kNone) continue;
    has_words_ = has_words_ || is_words;
    // What a window has around what differs is as much as it takes, but for a match without an end.
    if (rules->own(rule).width().value_or(kReach) >= kReach / 2) reads_ = Reads::kWhole;
  }
  has_unicode_ = asks(actions.subspan(first_smuggling_rule(), kSmugglingCount));
  has_others_ = asks(actions.first(first_smuggling_rule())) || asks(own);
  if (rules == rules_) return {};
  rules_ = nullptr;
  scanned_.forget();
  acted_.clear();
  if (const int error = hs_alloc_scratch(&rules->database(), &scratch_); error != HS_SUCCESS) {
    return fault(FaultKind::kBroken,
                 fmt::format("no room to inspect texts (Vectorscan {})", error));
  }
  rules_ = std::move(rules);
  return {};
}

void Scanner::remember(std::string_view owner) {
  const std::uint32_t actions = number_of_actions();
  context_.assign(reinterpret_cast<const char*>(&actions), sizeof actions);
  context_ += static_cast<char>(layers_);
  context_ += room_ == kMaskedMax ? 'm' : 'f';
  context_ += owner;
  remembers_ = true;
}

std::uint32_t Scanner::number_of_actions() {
  const auto is_same = [&](const std::vector<Action>& some) {
    return std::ranges::equal(some, actions_);
  };
  const auto known = std::ranges::find_if(acted_, is_same);
  if (known != acted_.end()) return static_cast<std::uint32_t>(known - acted_.begin());
  if (acted_.size() == kActionsMax) {
    scanned_.forget();
    acted_.clear();
  }
  acted_.emplace_back(actions_.begin(), actions_.end());
  return static_cast<std::uint32_t>(acted_.size() - 1);
}

std::optional<ScannedTexts::Tag> Scanner::tag_of(std::string_view text, ReadAs as) {
  if (!remembers_ || text.size() < ScannedTexts::kTextBytesMin) return std::nullopt;
  context_ += static_cast<char>(as);
  const std::optional<ScannedTexts::Tag> tag = scanned_.tag(context_, text);
  context_.pop_back();
  return tag;
}

FaultOr<void> Scanner::read(std::string_view text, ReadAs as) {
  const std::optional<ScannedTexts::Tag> tag = tag_of(text, as);
  FaultOr<void> read;
  if (const ScannedTexts::Found* const known = tag ? scanned_.find(*tag) : nullptr) {
    ++known_;
    for (const ScannedTexts::Match& match : std::span(known->matches).first(known->count)) {
      add({match.rule, match.action, {match.begin, match.end}});
    }
  } else {
    in_text_.count = 0;
    read = read_anew(text, as);
    if (tag && read && !forms_.is_too_deep()) scanned_.keep(*tag, in_text_);
  }
  ++text_;
  return read;
}

FaultOr<void> Scanner::read_anew(std::string_view text, ReadAs as) {
  forms_.begin(text, has_words_, layers_, reads_);
  smuggled_ = {};
  if (as == ReadAs::kJson && has_unicode_ && text.contains("\\u")) scan_escaped(text);
  FaultOr<void> read;
  of_form_.clear();
  while (const std::optional<Forms::Seen> form = forms_.next()) {
    read = scan(*form);
    if (!read) break;
    matched_.lead([&](std::span<Extent> extents) { forms_.lead_to_layer(*form, extents); });
    for (const Match& match : matched_.all()) of_form_.keep(match, room_);
    if (!form->is_last) continue;
    // For all windows at once, as it is one more pass.
    of_form_.lead([&](std::span<Extent> extents) { forms_.lead_back(*form, extents); });
    for (Match match : of_form_.all()) {
      const Secret* const key = match.action == Action::kRedact
                                    ? private_key_of(rules_->all()[match.rule].name)
                                    : nullptr;
      if (key != nullptr) match.extent.end = end_of_key(*key, text, match.extent.end);
      add(match);
    }
    of_form_.clear();
  }
  if (forms_.is_too_deep() && !too_deep_) too_deep_ = text_;
  return read;
}

FaultOr<void> Scanner::scan(const Forms::Seen& form) {
  matched_.clear();
  if (form.text.size() > std::numeric_limits<unsigned>::max() || rules_ == nullptr) {
    return fault(FaultKind::kBroken, "a text cannot be inspected");
  }
  form_ = form;
  edges_.reset();
  if (form.text.empty()) return {};
  if (has_others_) {
    may_be_turned_ = may_be_backwards_ = false;
    FaultOr<void> scanned = scan_database(form);
    if (scanned && may_be_turned_) scanned = scan_turned(form);
    if (scanned && may_be_backwards_) scanned = scan_backwards(form);
    if (!scanned) return scanned;
  }
  if (has_pii_ && form.is_exact) scan_numbers(form.text);
  // What is written as an escape hides nothing, and the other forms are without what hides.
  if (has_unicode_ && form.form == Form::kAsIs && form.layer == 0 && form.may_hide) {
    scan_characters(form.text);
  }
  return {};
}

void Scanner::scan_numbers(std::string_view text) {
  PiiPass pass(text, actions_.subspan(first_pii_rule(), pii_kinds().size()));
  while (const std::optional<PiiMatch> match = pass.next()) {
    if (!keep(first_pii_rule() + match->kind, match->extent)) return;
  }
}

void Scanner::scan_characters(std::string_view text) {
  SmugglingPass pass(text);
  while (const std::optional<Smuggled> smuggled = pass.next()) {
    const auto kind = static_cast<std::size_t>(smuggled->kind);
    const std::size_t rule = first_smuggling_rule() + kind;
    if (actions_[rule] == Action::kNone || std::exchange(smuggled_[kind], true)) continue;
    if (!keep(rule, smuggled->extent)) return;
  }
}

// What stands there as it is is found again, in the same place.
void Scanner::scan_escaped(std::string_view json) {
  unescaped_.clear();
  unescaped_ += json.substr(append_plain_json(json, unescaped_));
  matched_.clear();
  form_ = {};
  form_.text = unescaped_;
  scan_characters(unescaped_);
  for (Match match : matched_.all()) {
    match.extent = {origin_in_json(json, match.extent.begin),
                    origin_in_json(json, match.extent.end)};
    add(match);
  }
  if (unescaped_.capacity() > kKeptMax) unescaped_ = {};
}

FaultOr<void> Scanner::scan_database(const Forms::Seen& form) {
  candidates_.clear();
  const int error = hs_scan(&rules_->database(), form.text.data(),
                            static_cast<unsigned>(form.text.size()), 0, scratch_, on_match, this);
  // It ends early where there is no room for more.
  if (error == HS_SUCCESS) scan_own(form.text);
  if (error == HS_SUCCESS || error == HS_SCAN_TERMINATED) return {};
  return fault(FaultKind::kBroken, fmt::format("a text was not inspected (Vectorscan {})", error));
}

// Each letter stands where it stood.
FaultOr<void> Scanner::scan_turned(const Forms::Seen& form) {
  turn(form.text, turned_);
  form_.text = turned_;
  FaultOr<void> scanned = scan_database(form_);
  form_ = form;
  if (turned_.capacity() > kKeptMax) turned_ = {};
  return scanned;
}

// As a whole, and each word by itself.
FaultOr<void> Scanner::scan_backwards(const Forms::Seen& form) {
  of_turned_ = matched_;
  matched_.clear();
  turn_around(form.text, turned_);
  form_.text = turned_;
  const bool is_cut = form.is_cut_before || form.is_cut_behind;
  if (is_cut) {
    const Forms::Edges edges = edges_ ? *edges_ : forms_.edges(form);
    edges_ = Forms::Edges{.before = edges.behind, .behind = edges.before};
  }
  std::swap(form_.is_cut_before, form_.is_cut_behind);
  FaultOr<void> scanned = scan_database(form_);
  if (is_cut) std::swap(edges_->before, edges_->behind);
  matched_.lead([&](std::span<Extent> extents) {
    for (Extent& extent : extents) {
      extent = {form.text.size() - extent.end, form.text.size() - extent.begin};
    }
  });
  for (const Match& match : of_turned_.all()) matched_.keep(match, room_);
  if (scanned) {
    form_ = form;
    turn_words_around(form.text, turned_);
    form_.text = turned_;
    scanned = scan_database(form_);
  }
  form_ = form;
  if (turned_.capacity() > kKeptMax) turned_ = {};
  return scanned;
}

// What the database only saw as possible.
void Scanner::scan_own(std::string_view text) {
  for (const std::size_t rule : candidates_) {
    own_extents_.resize(room_);
    const std::size_t count = rules_->own(rule).find(text, own_extents_);
    for (const Extent& extent : std::span(own_extents_).first(count)) {
      if (!keep(rule, extent)) return;
    }
  }
}

int Scanner::on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned,
                      void* context) {
  Scanner& scanner = *static_cast<Scanner*>(context);
  const Rules::Expression& expression = scanner.rules_->expression(id);
  if (expression.turning != Rules::Turning::kNone) {
    const bool is_read =
        scanner.has_words_ && scanner.form_.is_words && scanner.layers_ == Layers::kAll;
    const bool is_rot13 = expression.turning == Rules::Turning::kRot13;
    bool& may_be = is_rot13 ? scanner.may_be_turned_ : scanner.may_be_backwards_;
    may_be = may_be || is_read;
    return 0;
  }
  if (scanner.actions_[expression.rule] == Action::kNone) return 0;
  const Forms::Seen& form = scanner.form_;
  const bool reads_words = scanner.rules_->all()[expression.rule].reading == Reading::kWords;
  if (!(reads_words ? form.is_words : form.is_exact)) return 0;
  std::optional<Extent> found;
  if (expression.secret != nullptr) {
    const Secret& secret = *expression.secret;
    found = match(secret, form.text, Rules::anchor_end(secret, static_cast<std::size_t>(to)));
    // What is masked has to be all of it.
    if (found && scanner.actions_[expression.rule] == Action::kRedact) {
      found->end = end_of_block(secret, form.text, found->end);
    }
  } else if (expression.own != nullptr) {
    if (expression.is_whole) {
      found = Extent{static_cast<std::size_t>(from), static_cast<std::size_t>(to)};
    } else {
      scanner.candidates_.push_back(expression.rule);
    }
  } else {
    found = Extent{static_cast<std::size_t>(from), static_cast<std::size_t>(to)};
    const Pattern& pattern = *expression.pattern;
    const bool is_one = (pattern.check == nullptr || pattern.check(form.text, *found)) &&
                        (pattern.followed_by.empty() ||
                         has_word_behind(form.text, found->end, pattern.followed_by));
    if (!is_one) found.reset();
  }
  return !found || scanner.keep(expression.rule, *found) ? 0 : 1;
}

// At the edge of a part, it may be one by the cut alone; if it is not, it was seen elsewhere.
bool Scanner::is_of_cut(const Extent& extent) {
  const std::size_t behind = form_.text.size() - extent.begin;
  const bool is_at_beginning = form_.is_cut_before && extent.end <= kCutEdge;
  const bool is_at_end = form_.is_cut_behind && behind <= kCutEdge;
  if (!is_at_beginning && !is_at_end) return false;
  if (!edges_) edges_ = forms_.edges(form_);
  return (is_at_beginning && extent.end <= edges_->before) ||
         (is_at_end && behind <= edges_->behind);
}

bool Scanner::keep(std::size_t rule, const Extent& extent) {
  return is_of_cut(extent) ||
         matched_.keep({static_cast<std::uint16_t>(rule), actions_[rule], extent}, room_);
}

// Where there is none, the weakest of the weak makes one.
bool Scanner::Matches::has_place_for(const Match& made) {
  if (made.action >= Action::kRedact) return true;
  std::size_t all = 0;
  for (const std::size_t count : weak_) all += count;
  const auto number = static_cast<std::size_t>(made.action);
  if (all >= kFindingsMax) {
    const auto weakest = std::ranges::find_if(weak_, [](std::size_t count) { return count > 0; });
    const auto weaker = static_cast<std::size_t>(weakest - weak_.begin());
    if (weaker >= number) return false;
    --*weakest;
    matches_.erase(std::ranges::find(matches_, static_cast<Action>(weaker), &Match::action));
  }
  ++weak_[number];
  return true;
}

bool Scanner::Matches::keep(const Match& made, std::size_t room) {
  if (room > kFindingsMax && !has_place_for(made)) return true;
  // A pattern may end in several places.
  for (Match& other : matches_) {
    if (other.rule != made.rule || other.extent.end <= made.extent.begin ||
        made.extent.end <= other.extent.begin) {
      continue;
    }
    other.extent = {std::min(other.extent.begin, made.extent.begin),
                    std::max(other.extent.end, made.extent.end)};
    return true;
  }
  if (matches_.size() < room) {
    matches_.push_back(made);
    return true;
  }
  const auto weakest = std::ranges::min_element(matches_, {}, &Match::action);
  if (weakest->action < made.action) *weakest = made;
  // What cannot all be masked is refused.
  return std::ranges::min(matches_, {}, &Match::action).action < Action::kRedact;
}

// What is seen in two forms, or by two rows of a kind, is one. Each may show a part of it that the
// other does not, and what is masked has to be all of it.
void Scanner::add(const Match& match) {
  in_text_.add({match.rule, match.action, static_cast<std::uint32_t>(match.extent.begin),
                static_cast<std::uint32_t>(match.extent.end)});
  const std::string_view rule = rules_->all()[match.rule].name;
  const Extent& extent = match.extent;
  const auto known = std::ranges::find_if(found_, [&](const Finding& other) {
    return other.text == text_ && other.rule == rule && other.offset < extent.end &&
           extent.begin < other.offset + other.bytes;
  });
  if (known != found_.end()) {
    if (match.action != Action::kRedact) return;
    const std::size_t end = std::max(known->offset + known->bytes, extent.end);
    known->offset = std::min(known->offset, extent.begin);
    known->bytes = end - known->offset;
    return;
  }
  const Finding made{rule, text_, extent.begin, extent.end - extent.begin, match.action};
  if (found_.size() < room_) {
    found_.push_back(made);
    return;
  }
  // The weakest makes room; the order stays.
  const auto weakest = std::ranges::min_element(found_, {}, &Finding::action);
  if (weakest->action >= made.action) return;
  std::copy(weakest + 1, found_.end(), weakest);
  found_.back() = made;
}

}  // namespace tollgate::content
