// A stream of an upstream as it is relayed: read, held to the cap that was paid for, to the content
// policy of its route and until its guards have judged it, and ended where it repeats itself.
// Internal to the pipeline.
//
// Pure. One stream's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/fault.h"
#include "dialects/reply.h"
#include "pipeline/answer_guards.h"
#include "pipeline/counting.h"
#include "pipeline/plan.h"
#include "pipeline/stream_filter.h"
#include "pipeline/tool_rules.h"
#include "pipeline/watched_output.h"

namespace tollgate::pipeline {

// How a stream stands after each of its pieces.
enum class Flow : std::uint8_t {
  kGoesOn,
  kFinished,
  kCapReached,
  kRepeats,
  kRefused,
  kBroken,
  kIsDue,  // The guards are to be asked before it goes on.
};

// Near the cap it goes line by line, so that the event that crosses it is held back and all before
// it is handed on: a clean ending fits only what the caller has seen. Where a filter or guards
// decide what goes on it goes event by event.
class MeteredStream {
 public:
  // Borrows all; without a filter and guards all goes on as it comes. What waits counts in
  // `buffered`; null: nowhere.
  MeteredStream(dialects::StreamReader& stream, OutputCount& passed, const Plan& plan,
                StreamFilter* filter, AnswerGuards* guards, ToolWatch& tools,
                overload::BufferedBytes* buffered)
      : stream_(stream),
        passed_(passed),
        plan_(plan),
        filter_(filter),
        guards_(guards),
        tools_(tools),
        answer_(filter, guards),
        is_watched_(watches_output(*plan.route)),
        watched_(passed),
        kept_bytes_(buffered) {}

  // Appends to `out` what goes on to the caller. After kIsDue the rest of the piece is still to be
  // read: release() and go_on(), or the end.
  Flow feed(std::string_view piece, std::string& out);
  Flow go_on(std::string& out);
  // The guards let pass what has been read, or end it there.
  void release(std::string& out);
  void refuse(Refusal refusal) { refusal_ = std::move(refusal); }
  // Nothing more comes, for the reason that `flow` tells: what the filter holds is decided. What
  // waits for the guards does so until release().
  Flow finish(Flow flow, std::string& out);
  // Whether anything waits for the guards.
  bool waits() const { return !waiting_.empty(); }
  // Why it is ended, of kRefused.
  Refusal refusal() const { return refusal_ ? *refusal_ : filter_->refusal(); }
  // Whether the caller has, or is sure to get, some of it; `has_bytes`: there are bytes for it.
  bool has_handed_on(bool has_bytes) const { return goes_by_event() ? handed_on_ > 0 : has_bytes; }

  // Whether it repeats itself, where the route asks.
  bool repeats() const { return watched_.repeats(); }

  std::optional<Fault> broken;

 private:
  std::string_view next_of(std::string_view piece) const;
  bool goes_by_event() const {
    return filter_ != nullptr || guards_ != nullptr || tools_.may_hold();
  }
  // Whether what goes by events may have to wait before it goes on.
  bool may_wait() const { return (guards_ != nullptr && guards_->holds()) || tools_.may_hold(); }
  bool take_event(std::string& out);
  bool is_due() const;
  Flow refuse_call();
  void has_passed(std::size_t events, std::string& out);

  dialects::StreamReader& stream_;
  OutputCount& passed_;
  const Plan& plan_;
  StreamFilter* const filter_;
  AnswerGuards* const guards_;
  ToolWatch& tools_;
  BothSinks answer_;
  const bool is_watched_;
  WatchedOutput watched_;
  std::string_view rest_;          // Of the piece.
  bool is_near_ = false;           // The cap could be crossed in it.
  std::string event_;              // As it was read, where it goes by events.
  Bytes unread_ = 0;               // At most so much is in an event that is not complete.
  std::string waiting_;            // Of what the filter lets pass, what the guards have to judge…
  std::size_t passed_events_ = 0;  // …up to this event.
  overload::BufferedBytes::Share kept_bytes_;  // Of what waits.
  std::size_t handed_on_ = 0;
  std::optional<Refusal> refusal_;  // Of the guards, or for a call.
};

}  // namespace tollgate::pipeline
