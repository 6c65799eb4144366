#include "pipeline/metered_stream.h"

namespace tollgate::pipeline {

// At most one event, but where lines end with CR alone: then what came together stays together.
std::string_view MeteredStream::next_of(std::string_view piece, bool near) const {
  std::size_t end = std::string_view::npos;
  if (near) {
    end = piece.find_first_of("\r\n");
  } else if (filter_ != nullptr) {
    end = piece.find("\n\n");
    if (end != std::string_view::npos) ++end;
  }
  return piece.substr(0, end == std::string_view::npos ? end : end + 1);
}

Flow MeteredStream::feed(std::string_view piece, std::string& out) {
  // A token is a byte at least, and text in JSON is no shorter than text.
  unread_ += std::ssize(piece);
  const bool near = passed_.exceeds(plan_.output_cap_total - unread_);
  if (piece.ends_with("\n\n")) unread_ = 0;
  while (!piece.empty()) {
    const std::string_view next = next_of(piece, near);
    piece.remove_prefix(next.size());
    event_.clear();
    std::string& read = filter_ == nullptr ? out : event_;
    const std::size_t before = read.size();
    dialects::OutputSink& output =
        is_watched_ ? static_cast<dialects::OutputSink&>(watched_) : passed_;
    const FaultOr<dialects::StreamState> state = stream_.feed(next, read, output, filter_);
    if (!state) {
      broken = state.error();
      return Flow::kBroken;
    }
    if (passed_.exceeds(plan_.output_cap_total)) {
      read.resize(before);
      stream_.take_back_last_event();
      return Flow::kCapReached;
    }
    if (filter_ != nullptr && !event_.empty()) {
      const bool goes_on = filter_->take(event_, stream_.events(), out);
      stream_.handed_on(filter_->handed_on());
      if (!goes_on) return Flow::kRefused;
    }
    if (*state == dialects::StreamState::kFinished) return Flow::kFinished;
    if (watched_.repeats() && plan_.route->prompt.mode == Mode::kEnforce) return Flow::kRepeats;
  }
  return Flow::kGoesOn;
}

Flow MeteredStream::finish(Flow flow, std::string& out) {
  if (filter_ == nullptr || flow == Flow::kRefused) return flow;
  const bool passes = filter_->finish(out);
  stream_.handed_on(filter_->handed_on());
  return passes ? flow : Flow::kRefused;
}

}  // namespace tollgate::pipeline
