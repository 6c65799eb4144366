// External guards: services that judge the texts of a request before it goes on, or of its answer
// before the caller has it (answer_guards.h).
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

// The most that asking the guards of a route can cost: about a request, and about its answer of
// `output` tokens at most.
Money guards_cost_at_most(const config::Config& config, const config::Route& route,
                          const dialects::Request& request, Tokens output);

// Whether a guard may refuse, so that nothing goes on that it has not judged.
bool may_refuse(const config::Guard& guard);

// How much text of a stream is judged next, where guards have judged so much of it: `section`
// bytes, later a quarter of all, so that asking about all of it again and again costs at most five
// times what asking once does.
std::size_t next_section(std::size_t judged, Bytes section);
// The section of a route's answers; where none of its guards refuses, what no answer reaches.
Bytes section_of(const config::Config& config, const config::Route& route);

enum class Judged : std::uint8_t { kRequest, kAnswer };

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
  // Text of an answer; one with more is not judged.
  static constexpr std::size_t kAnswerBytesMax = std::size_t{8} << 20;

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

  // What there is of an answer, and what is left to pay for asking about it. Borrowed until the
  // task is done.
  struct AnswerSoFar {
    std::span<const dialects::AnswerText> texts;
    bool is_whole = true;  // Nothing of it is still to come.
    // At the end of what those have judged that may refuse: the others, and hooks, whose verdict
    // may differ for a text that is complete.
    enum class Asked : std::uint8_t { kAll, kThatMayRefuse, kAtEnd } who = Asked::kAll;
    std::string_view asked;   // What was asked, as one text.
    bool is_readable = true;  // Else nobody can judge it.
    Money left;
  };
  // The same about an answer, with the guards for that.
  Task<Judgement> judge_answer(const Case& of, const AnswerSoFar& answer);

 private:
  struct Question;
  static bool is_asked(const config::Guard& guard, AnswerSoFar::Asked who);
  // Of what is asked about, and what may be spent on it.
  struct AskingTerms {
    Judged judged = Judged::kRequest;
    Money left;
  };
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

  static Judgement judge_tokens(const Case& of);
  Question question(const Case& of, const config::Guard& guard, dialects::GuardQuestion asked,
                    std::size_t bytes) const;
  Task<Judgement> ask_all(const Case& of, std::span<const Question> questions,
                          const AskingTerms& terms);
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
