// The content policy of a route, applied to messages of the Model Context Protocol: to what a
// caller says to a server, and to each message that the server says, before it is passed on.
//
// A message is whole before it passes, so its texts are read in all forms, of either side, and
// rules that read whole sentences may refuse, too. What may not pass is a call, an answer, a
// notification, or an entry of a list: a tool whose description holds an injection is not listed.
//
// Pure but for the scanner, which is the loop's and is used between two waits only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "controls/content/scanner.h"
#include "dialects/mcp_texts.h"
#include "pipeline/answer_filter.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

class McpInspection final : public dialects::McpTextSink {
 public:
  enum class Of : std::uint8_t { kRequest, kAnswer };

  // Borrows all.
  McpInspection(const config::Route& route, content::Scanner& scanner, const SharedRules& rules,
                Of of)
      : route_(route), scanner_(scanner), rules_(rules), of_(of) {}

  // Whether the route asks for it.
  static bool inspects(const config::Route& route, Of of);

  void begin() override;
  void text(std::string_view place, std::string_view text, dialects::McpText kind) override;
  bool passes() override;

  // Why the last that did not pass did not: kContentRefused.
  const std::optional<Refusal>& refusal() const { return refusal_; }
  // What was found so far, at most Scanner::kFindingsMax, and whether it would have been refused.
  const AnswerVerdict& verdict() const { return verdict_; }
  std::span<const audit::ContentFinding> told(Arena& arena) const;

 private:
  void tell(std::string_view rule, std::string_view place, const content::Extent& extent,
            content::Action action);
  std::string_view place_of(std::size_t text) const;
  void judge_unread();

  const config::Route& route_;
  content::Scanner& scanner_;
  const SharedRules& rules_;
  const Of of_;
  AnswerVerdict verdict_;
  std::optional<Refusal> refusal_;
  // Of what was begun last:
  FaultOr<void> read_;
  std::size_t texts_ = 0;  // That the scanner read.
  std::vector<std::pair<std::size_t, std::string>>
      places_;  // Of those in which it found something.
  std::vector<content::StreamMatch> links_;
  std::optional<std::string> too_deep_;
  bool refused_ = false;
};

}  // namespace tollgate::pipeline
