// What one request gathers on its way, from its head to its end. Internal to the pipeline.
#pragma once

#include <algorithm>
#include <type_traits>

#include "pipeline/kept_response.h"
#include "pipeline/mcp.h"
#include "pipeline/pipeline.h"
#include "pipeline/redaction.h"
#include "pipeline/reuse.h"

namespace tollgate::pipeline {

// Both, in the arena.
template <class T>
std::span<const T> joined(std::span<const T> a, std::span<const std::type_identity_t<T>> b,
                          Arena& arena) {
  const auto made = arena.make<T>(a.size() + b.size());
  std::ranges::copy(b, std::ranges::copy(a, made.begin()).out);
  return made;
}

// Who asks is looked up again where the body came later than this after the head.
inline constexpr Duration kIdentityFresh = std::chrono::milliseconds(100);

struct Pipeline::Life {
  Life(Pipeline& pipeline, Exchange& exchange)
      : pipeline(pipeline),
        exchange(exchange),
        config(pipeline.services_.config.get()),  // One configuration throughout.
        began(pipeline.services_.clock.now()),
        wall(pipeline.services_.clock.wall()),
        written(pipeline.services_.buffered),
        next(pipeline.at_work_) {
    if (next != nullptr) next->previous = this;
    pipeline.at_work_ = this;
  }
  Life(const Life&) = delete;
  ~Life() {
    (previous != nullptr ? previous->next : pipeline.at_work_) = next;
    if (next != nullptr) next->previous = previous;
  }

  Pipeline& pipeline;

  Exchange& exchange;
  std::shared_ptr<const config::Config> config;
  Instant began;
  WallTime wall;
  audit::Record record;
  std::string_view page;  // Of another host, which calls by a script; empty: none that may.
  authentication::Identity caller;
  std::span<const std::string_view> observed;  // Rules that would have refused to ask who it is.
  authorization::Target target;
  dialects::Dialect dialect = dialects::Dialect::kOpenAi;
  std::optional<dialects::Surface> surface;
  std::string_view model_named;  // Of GET /v1/models/{id}; borrowed from the target.
  KeptAsk kept;                  // Borrowed from the target.
  Bytes body_max = 0;
  std::string_view body;      // As it came, once it is here.
  dialects::Request request;  // Borrows the reader: read() sees to it that it is its own.
  std::uint64_t read = 0;     // Which read of the pipeline's that was; 0: none yet.
  dialects::Delivery delivery = dialects::Delivery::kWhole;
  bool usage_asked = false;
  std::uint64_t headroom = 0;  // Its key; 0: not looked for yet.
  std::uint64_t actor = 0;     // As anomalies know it; 0: not looked at.
  std::uint64_t watched_route = 0;
  bool unusual = false;  // Refused for that.
  InputFigure input = InputFigure::kCounted;
  int place = -1;            // Of the upstream, where it is sent; -1: none may be asked now.
  std::uint64_t tried = 0;   // Places of the upstream that failed before, a bit each.
  Terms terms;               // On which it was decided at last.
  std::string_view instead;  // Why another model serves than was asked; empty: none does.
  int attempt = 1;
  audit::Record undecided;               // As it was before the first decision.
  std::span<const LimitCharge> counted;  // Requests that are counted already.
  std::span<const std::string_view> models_tried;
  Duration upstream_time{};
  std::shared_ptr<const alerts::InForce> answers;  // That it was decided by; null: none.
  const alerts::Answer* answer = nullptr;  // Of them, whose terms it is decided on; null: none.
  std::optional<Money> answer_held;        // What its downgrade holds at most: none is dearer.
  std::span<LimitCharge> slowed;           // What they have it take besides.
  Redaction redaction;
  std::span<const std::string_view> tools_offered;  // Before any of them was left out…
  std::span<const std::string_view> tools_removed;  // …and those that were.
  McpError mcp;                                     // How a refusal of an MCP request is told.
  Stop stop;
  std::optional<Instant> deadline;                // Of an answer that is of use to the caller.
  overload::BufferedBytes::RequestShare written;  // The message for the upstream.
  Reuse reuse;
  bool known = false;       // Who asks, as somebody who may be let in.
  bool decided = false;     // The decision that lets it leave is on record.
  bool unrecorded = false;  // An answer that is only counted (strangers.h).

  Life* previous = nullptr;  // Of those at work.
  Life* next = nullptr;
};

}  // namespace tollgate::pipeline
