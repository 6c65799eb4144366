#include "pipeline/metered_stream.h"

namespace tollgate::pipeline {

// At most one event, but where lines end with CR alone: then what came together stays together.
std::string_view MeteredStream::next_of(std::string_view piece) const {
  std::size_t end = std::string_view::npos;
  if (is_near_) {
    end = piece.find_first_of("\r\n");
  } else if (goes_by_event()) {
    end = piece.find("\n\n");
    if (end != std::string_view::npos) ++end;
  }
  return piece.substr(0, end == std::string_view::npos ? end : end + 1);
}

Flow MeteredStream::feed(std::string_view piece, std::string& out) {
  // A token is a byte at least, and text in JSON is no shorter than text.
  unread_ += std::ssize(piece);
  is_near_ = passed_.exceeds(plan_.output_cap_total - unread_);
  if (piece.ends_with("\n\n")) unread_ = 0;
  rest_ = piece;
  return go_on(out);
}

Flow MeteredStream::go_on(std::string& out) {
  while (!rest_.empty()) {
    const std::string_view next = next_of(rest_);
    rest_.remove_prefix(next.size());
    event_.clear();
    std::string& read = goes_by_event() ? event_ : out;
    const std::size_t before = read.size();
    dialects::OutputSink& output =
        is_watched_ ? static_cast<dialects::OutputSink&>(watched_) : passed_;
    const FaultOr<dialects::StreamState> state =
        stream_.feed(next, read, output, answer_.get(), &tools_);
    if (!state) {
      broken = state.error();
      return Flow::kBroken;
    }
    if (passed_.exceeds(plan_.output_cap_total)) {
      read.resize(before);
      stream_.take_back_last_event();
      return Flow::kCapReached;
    }
    if (tools_.refusal()) return refuse_call();
    if (!event_.empty() && !take_event(out)) return Flow::kRefused;
    if (tools_.holds() && waiting_.size() > AnswerGuards::kHeldBytesMax) {
      tools_.give_up();
      return refuse_call();
    }
    if (!kept_bytes_.keep(static_cast<Bytes>(waiting_.size()),
                          overload::BufferedBytes::For::kAnswer)) {
      broken = Fault{FaultKind::kNoRoom, "as many bytes are kept as may be"};
      return Flow::kBroken;
    }
    if (*state == dialects::StreamState::kFinished) return Flow::kFinished;
    if (watched_.repeats() && plan_.route->prompt.mode == Mode::kEnforce) return Flow::kRepeats;
    if (guards_ != nullptr && is_due()) return Flow::kIsDue;
  }
  return Flow::kGoesOn;
}

// What the output ends with is judged with all of it.
bool MeteredStream::is_due() const {
  const bool has_ended = stream_.output_ended() && waiting_.size() < AnswerGuards::kHeldBytesMax;
  return !has_ended && guards_->is_due(waiting_.size());
}

Flow MeteredStream::refuse_call() {
  refusal_ = tools_.refusal();
  return Flow::kRefused;
}

bool MeteredStream::take_event(std::string& out) {
  std::string& passed = may_wait() ? waiting_ : out;
  if (filter_ == nullptr) {
    passed += event_;
    has_passed(stream_.events(), out);
    return true;
  }
  const bool goes_on = filter_->take(event_, stream_.events(), passed);
  has_passed(filter_->handed_on(), out);
  return goes_on;
}

void MeteredStream::has_passed(std::size_t events, std::string& out) {
  passed_events_ = events;
  const bool is_held = guards_ != nullptr && guards_->holds();
  // Before the first verdict what has no text waits as well, so that a refusal can be told as one.
  const bool may_begin = handed_on_ > 0 || waiting_.size() >= AnswerGuards::kHeldBytesMax;
  // How it ended waits for the last verdict.
  const bool may_go = may_begin && !stream_.output_ended();
  if (!is_held || (guards_->is_all_judged() && may_go)) release(out);
}

void MeteredStream::release(std::string& out) {
  if (tools_.holds()) return;  // A call that is not whole.
  out += waiting_;
  waiting_.clear();
  kept_bytes_.drop();
  handed_on_ = passed_events_;
  stream_.handed_on(handed_on_);
}

Flow MeteredStream::finish(Flow flow, std::string& out) {
  if (flow == Flow::kRefused) return flow;
  if (flow == Flow::kFinished) {
    // A call that nothing said the end of is whole now. One that is cut never goes on.
    tools_.finish();
    if (tools_.refusal()) return refuse_call();
    if (tools_.may_hold()) has_passed(passed_events_, out);
  }
  if (filter_ == nullptr) return flow;
  const bool passes = filter_->finish(may_wait() ? waiting_ : out);
  has_passed(filter_->handed_on(), out);
  return passes ? flow : Flow::kRefused;
}

}  // namespace tollgate::pipeline
