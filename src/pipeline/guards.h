// External guards: services that judge the texts of a request before it goes on.
//
// A guard is asked once the request is held for and its decision is on record, so that what asking
// costs is paid from the same hold and no attempt goes unrecorded. A verdict is kept for a while
// by the guard, the tenant and a keyed hash of all that was asked: nobody learns from the time of
// an answer what another tenant sent. What a guard that is slow, down or not understood means is
// for its `on_failure` to say; nothing passes by accident.
//
// One loop's.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/refusal.h"
#include "config/config.h"
#include "controls/audit/audit.h"
#include "dialects/request.h"
#include "pipeline/buffers.h"
#include "pipeline/forward.h"
#include "pipeline/ports.h"
#include "tokens/keyed_hash.h"

namespace tollgate::pipeline {

// The most that asking the guards of a route about a request can cost.
Money guards_cost_at_most(const config::Config& config, const config::Route& route,
                          const dialects::Request& request);

struct Judgement {
  std::optional<Refusal> refusal;
  Money cost;
  Duration waited{};
  // In the arena of the request.
  std::span<const audit::ContentFinding> findings;
  std::span<const audit::Attempt> attempts;
  std::span<const std::string_view> observed;  // Rules that would have refused.
};

class Guards {
 public:
  static constexpr std::size_t kVerdictsMax = 1024;

  Guards(const Clock& clock, Upstreams& upstreams, BufferPool& buffers)
      : clock_(clock), upstreams_(upstreams), buffers_(buffers) {}

  // All but `request` outlives the task: that is read before the first wait.
  struct Case {
    const config::Config& config;
    const config::Route& route;
    const dialects::Request& request;
    std::string_view tenant;
    std::string_view id;  // Of the request.
    Exchange& exchange;
    Stop& stop;
    std::uint64_t turn;  // Endpoints take turns.
  };
  // Asks the guards of the route one after another, until one refuses or the caller is gone.
  Task<Judgement> judge(const Case& of);

 private:
  struct Question;
  struct Kept {
    tokens::Hash128 key;
    Instant until{};
    dialects::GuardVerdict verdict;
  };
  struct Answer {
    FaultOr<dialects::GuardVerdict> verdict;
    int status = 0;
    Duration waited{};
    bool sent = false;
  };

  Question question(const Case& of, const config::Guard& guard) const;
  Task<Answer> ask(const Case& of, const config::Guard& guard, const Question& question);
  const dialects::GuardVerdict* known(const Question& question) const;
  void keep(const config::Guard& guard, const Question& question,
            const dialects::GuardVerdict& verdict);

  const Clock& clock_;
  Upstreams& upstreams_;
  BufferPool& buffers_;
  std::vector<Kept> kept_;  // By hash; empty until there is one.
};

}  // namespace tollgate::pipeline
