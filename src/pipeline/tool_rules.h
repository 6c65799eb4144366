// The tools of a request and of its answer, held to the route's policy (controls/tools). Internal
// to the pipeline.
//
// Pure.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "controls/tools/answer_calls.h"
#include "dialects/calls.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

// What the caller may use on the route. Lives as long as the configuration and `arena`.
tools::Scope tool_scope(const config::Config& config, const config::Route& route,
                        const authentication::Identity& caller);

// Refuses as tools::check() does; what is to be removed, and what the model will be told of, is
// said in `plan`. `record` is told the tool at fault.
struct ToolVerdict {
  std::span<const std::string_view> observed;
};
Expected<ToolVerdict> check_tools(const Facts& facts, Plan& plan, Arena& arena,
                                  audit::Record& record);

// The calls of one answer. Borrows the scope and what was offered.
class ToolWatch final : public dialects::CallSink {
 public:
  ToolWatch(const tools::Scope& scope, std::span<const tools::Offered> offered)
      : scope_(scope),
        may_hold_(!offered.empty() && scope.policy.arguments == tools::Arguments::kValidate &&
                  scope.policy.mode == Mode::kEnforce),
        calls_(scope_, offered) {}
  ToolWatch(const ToolWatch&) = delete;

  void call(const dialects::CallPiece& piece) override {
    static_assert(tools::Piece::kAnyPlace == dialects::CallPiece::kAnyPlace);
    calls_.piece(
        {piece.choice, piece.index, piece.type, piece.name, piece.arguments, piece.is_again});
  }
  void unreadable() override { calls_.unreadable(); }
  void ended(std::int64_t choice, dialects::CallEnd end) override {
    calls_.ended(choice, end == dialects::CallEnd::kCut ? tools::End::kCut : tools::End::kComplete);
  }
  bool stops() const override { return calls_.refusal().has_value(); }

  // Whether it may hold anything at all.
  bool may_hold() const { return may_hold_; }
  bool holds() const { return calls_.holds(); }
  void finish() { calls_.finish(); }
  // More waits for a call to be whole than may wait.
  void give_up() { calls_.give_up(); }
  const std::optional<Refusal>& refusal() const { return calls_.refusal(); }
  const tools::AnswerCalls& calls() const { return calls_; }

 private:
  const tools::Scope scope_;
  const bool may_hold_;
  tools::AnswerCalls calls_;
};

// What was called, and what may not be, in the outcome.
void tell_of_calls(const ToolWatch& tools, Arena& arena, audit::Record& record);

}  // namespace tollgate::pipeline
