// A stream of an upstream as it is relayed: read, held to the cap that was paid for and to the
// content policy of its route, and ended where it repeats itself. Internal to the pipeline.
//
// Pure. One stream's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "dialects/reply.h"
#include "pipeline/counting.h"
#include "pipeline/plan.h"
#include "pipeline/stream_filter.h"
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
};

// Near the cap it goes line by line, so that the event that crosses it is held back and all before
// it is handed on: a clean ending fits only what the caller has seen. Where a filter decides what
// goes on it goes event by event.
class MeteredStream {
 public:
  // Borrows all; without a filter all goes on as it comes.
  MeteredStream(dialects::StreamReader& stream, OutputCount& passed, const Plan& plan,
                StreamFilter* filter)
      : stream_(stream),
        passed_(passed),
        plan_(plan),
        filter_(filter),
        is_watched_(watches_output(*plan.route)),
        watched_(passed) {}

  // Appends to `out` what goes on to the caller.
  Flow feed(std::string_view piece, std::string& out);
  // Nothing more comes, for the reason that `flow` tells: what the filter holds is decided.
  Flow finish(Flow flow, std::string& out);

  // Whether it repeats itself, where the route asks.
  bool repeats() const { return watched_.repeats(); }

  std::optional<Fault> broken;

 private:
  std::string_view next_of(std::string_view piece, bool near) const;

  dialects::StreamReader& stream_;
  OutputCount& passed_;
  const Plan& plan_;
  StreamFilter* const filter_;
  const bool is_watched_;
  WatchedOutput watched_;
  std::string event_;  // As it was read, where there is a filter.
  Bytes unread_ = 0;   // At most so much is in an event that is not complete.
};

}  // namespace tollgate::pipeline
