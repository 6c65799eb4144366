#include "pipeline/stream_filter.h"

#include <algorithm>
#include <utility>

namespace tollgate::pipeline {

StreamFilter::StreamFilter(const config::Route& route, content::Scanner& scanner,
                           const SharedRules& rules, overload::BufferedBytes* buffered)
    : route_(route),
      scanner_(scanner),
      rules_(rules),
      refuses_(std::ranges::count(route.content.answer_actions, content::Action::kRefuse) != 0),
      reads_(content::reads_of(route.content.answer_actions)),
      scans_(reads_.anchors || reads_.tokens || !reads_.pii.empty()),
      reads_links_(content::holds_answers_to(route.content, content::Pack::kLinks)),
      reads_hidden_(content::holds_answers_to(route.content, content::Pack::kUnicode)),
      kept_bytes_(buffered) {
  if (rules_ == nullptr) {
    give_up();
    return;
  }
  if (content::holds_answers_to(route.content, content::Pack::kInjection)) {
    words_ = content::those_on_words(route.content.answer_actions);
  }
  if (content::holds_answers_to(route.content, content::Pack::kOwn)) {
    own_ = content::reading_of_own(*rules_, route.content.answer_actions);
  }
}

// A text that is complete needs no window: it is decided with the event that holds it.
void StreamFilter::text(std::string_view place, std::string_view text) {
  if (verdict_.unread) return;
  if (!find_in(text, route_, scanner_, rules_, found_)) return give_up();
  for (const content::StreamMatch& match : found_) {
    if (note(place, match) == content::Action::kRefuse) event_needs_.push_back({.text = kNever});
  }
  found_.clear();
}

void StreamFilter::piece(std::string_view place, std::string_view piece) {
  if (verdict_.unread) return;
  Text* const text = text_at(place);
  // What went on when it ended could be the beginning of a match.
  if (text == nullptr || text->was_undecided) return give_up();
  if (scans_) {
    text->scanner.read(piece, found_);
    text->encoded.read(piece, found_);
  }
  if (reads_links_) text->links.read(piece, found_);
  if (reads_hidden_) text->hidden.read(piece, found_);
  if (own_.width > 0 && !text->own.read(piece, own(), found_)) return give_up();
  if (!words_.empty()) text->all += piece;
  text->size += piece.size();
  text->turn = ++parts_[text->part].pieces;
  take_found(*text);
  event_needs_.push_back({last_, text->size});
  const std::size_t memory = text->scanner.memory() + text->encoded.memory() + text->own.memory() +
                             text->hidden.memory() + text->all.size();
  window_bytes_ += memory - std::exchange(text->memory, memory);
  if (window_bytes_ > kWindowBytesMax) give_up();
}

void StreamFilter::ended(std::string_view places) {
  for (const std::unique_ptr<Text>& text : texts_) {
    if (!text->place.starts_with(places)) continue;
    text->was_undecided = text->was_undecided || decided_of(*text) < text->size;
    if (scans_) {
      text->scanner.end(found_);
      text->encoded.end(found_);
    }
    text->links.end(found_);
    if (reads_hidden_) text->hidden.end(found_);
    if (!words_.empty()) read_words(*text);
    if (own_.width > 0 && !text->own.end(own(), found_)) return give_up();
    take_found(*text);
  }
}

// Each text once: one that goes on behind its end is told to be so.
void StreamFilter::read_words(Text& text) {
  const std::string all = std::exchange(text.all, {});
  if (all.empty()) return;
  FaultOr<void> read = scanner_.begin(rules_, words_, content::Layers::kNone);
  if (read) read = scanner_.read(all);
  if (!read) return give_up();
  for (const content::Finding& one : scanner_.found()) {
    found_.push_back({one.rule, {one.offset, one.offset + one.bytes}});
  }
}

StreamFilter::Text* StreamFilter::text_at(std::string_view place) {
  if (last_ < texts_.size() && texts_[last_]->place == place) return texts_[last_].get();
  const auto known = std::ranges::find(
      texts_, place, [](const auto& text) -> std::string_view { return text->place; });
  if (known == texts_.end()) {
    if (texts_.size() == kTextsMax) return nullptr;
    last_ = texts_.size();
    texts_.push_back(std::make_unique<Text>(place, reads_, route_.content.link_hosts));
    texts_.back()->part = part_of(place);
  } else {
    last_ = static_cast<std::size_t>(known - texts_.begin());
  }
  return texts_[last_].get();
}

std::size_t StreamFilter::part_of(std::string_view place) {
  const std::string_view part = place.substr(0, place.find('.'));
  const auto known = std::ranges::find(parts_, part, &Part::place);
  const auto number = static_cast<std::size_t>(known - parts_.begin());
  if (known == parts_.end()) parts_.push_back({std::string(part), 0});
  return number;
}

void StreamFilter::take_found(Text& text) {
  leave_out(route_, found_);
  for (const content::StreamMatch& match : found_) {
    if (note(text.place, match) != content::Action::kRefuse) continue;
    text.match = std::min(text.match, match.extent.begin);
    // That tells the caller how the answer ended, which is otherwise now.
    event_needs_.push_back({.text = kNever});
  }
  found_.clear();
}

content::Action StreamFilter::note(std::string_view place, const content::StreamMatch& match) {
  const content::Action action = action_of(route_, match);
  if (action == content::Action::kObserve) verdict_.inspected = Inspected::kObserved;
  if (action == content::Action::kRefuse && !refusal_) {
    refusal_ = content::refuse_answer(match.rule, place, rule_of(route_)).error();
  }
  if (verdict_.found.size() < content::Scanner::kFindingsMax) {
    verdict_.found.push_back(finding_of(route_, place, match));
  }
  return action;
}

std::size_t StreamFilter::decided_of(const Text& text) const {
  std::size_t decided = std::min(text.size, text.match);
  if (scans_) decided = std::min({decided, text.scanner.decided(), text.encoded.decided()});
  if (reads_links_) decided = std::min(decided, text.links.decided());
  if (reads_hidden_) decided = std::min(decided, text.hidden.decided());
  if (own_.width > 0) decided = std::min(decided, text.own.decided());
  return decided;
}

// It cannot be inspected to its end.
void StreamFilter::give_up() {
  verdict_.unread = true;
  if (refusal_) return;
  const Expected<void> passed = observed_or(route_, refuse_uninspected(route_), verdict_);
  if (!passed) refusal_ = passed.error();
}

bool StreamFilter::take(std::string_view bytes, std::size_t events, std::string& out) {
  const auto may_pass = [&] {
    return held_.empty() &&
           std::ranges::all_of(event_needs_, [&](const Need& need) { return is_decided(need); });
  };
  if (!refuses_ || (may_pass() && !refusal_)) {
    event_needs_.clear();
    if (refusal_) return false;  // It could not be inspected.
    out += bytes;
    handed_on_ = events;
    return true;
  }
  held_.push_back({bytes.size(), events, event_needs_.size()});
  needs_.insert(needs_.end(), event_needs_.begin(), event_needs_.end());
  event_needs_.clear();
  held_bytes_ += bytes;
  const bool has_room = kept_bytes_.keep(static_cast<Bytes>(held_bytes_.size()),
                                         overload::BufferedBytes::For::kAnswer);
  if (held_bytes_.size() - gone_bytes_ > kHeldBytesMax || !has_room) give_up();
  if (!verdict_.unread) release(out);
  return !refusal_;
}

bool StreamFilter::finish(std::string& out) {
  if (!verdict_.unread) {
    ended({});
    release(out);
  }
  return !refusal_;
}

// It is read on all the same: where it goes on as a match, that is found, and the stream ended.
bool StreamFilter::is_decided(const Need& need) {
  if (need.text == kNever) return false;
  Text& text = *texts_[need.text];
  if (need.bytes > decided_of(text) && parts_[text.part].pieces - text.turn >= kBehindMax)
    let_go(text);
  return need.bytes <= std::max(decided_of(text), std::min(text.let_go, text.match));
}

// As it stands it is judged once: it may wait for long.
void StreamFilter::let_go(Text& text) {
  if (std::exchange(text.judged, text.size) == text.size) return;
  if (!refuses_at_end(text)) text.let_go = text.size;
}

// What would be found of it if it ended here, by readers of which the true ones know nothing.
bool StreamFilter::refuses_at_end(const Text& text) {
  std::vector<content::StreamMatch> found;
  if (scans_) {
    content::StreamScanner(text.scanner).end(found);
    content::EncodedReader(text.encoded).end(found);
  }
  content::LinkReader(text.links).end(found);
  if (reads_hidden_) content::SmugglingStream(text.hidden).end(found);
  if (own_.width > 0 && !content::OwnStream(text.own).end(own(), found)) return true;
  leave_out(route_, found);
  return std::ranges::any_of(found, [&](const content::StreamMatch& match) {
    return action_of(route_, match) == content::Action::kRefuse;
  });
}

void StreamFilter::release(std::string& out) {
  while (!held_.empty()) {
    const Held& first = held_.front();
    const auto end = needs_.begin() + static_cast<std::ptrdiff_t>(first.needs);
    if (!std::all_of(needs_.begin(), end, [&](const Need& need) { return is_decided(need); })) {
      break;
    }
    out.append(held_bytes_, gone_bytes_, first.bytes);
    gone_bytes_ += first.bytes;
    handed_on_ = first.events;
    needs_.erase(needs_.begin(), end);
    held_.pop_front();
  }
  // What is left is moved seldom: as many bytes as have gone since.
  if (gone_bytes_ >= held_bytes_.size() - gone_bytes_) {
    held_bytes_.erase(0, std::exchange(gone_bytes_, 0));
    kept_bytes_.keep(static_cast<Bytes>(held_bytes_.size()), overload::BufferedBytes::For::kAnswer);
  }
}

}  // namespace tollgate::pipeline
