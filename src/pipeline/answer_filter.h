// The content policy of a route, applied to what the model answers, before the caller has it.
//
// A whole answer is read to its end first. Pure but for the scanner, which is the loop's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "controls/content/scanner.h"
#include "dialects/answer.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

// What a rule found in an answer, as it goes on record.
struct AnswerFinding {
  std::string_view rule;
  std::string where;  // "choices[0].message.content:112+20"
  std::string_view action;
};

// What the policy said of an answer.
struct AnswerVerdict {
  std::vector<AnswerFinding> found;
  Inspected inspected = Inspected::kPassed;
  bool unread = false;  // It could not be inspected to its end.
};

// The rules that answers are read by: those of the configuration that the request is served under.
using SharedRules = std::shared_ptr<const content::Rules>;

inline bool inspects_answers(const config::Route& route) { return !route.content.response.empty(); }

// Internal to the filters: the route's place in the configuration, why an answer that could not be
// inspected does not pass, and what a policy that only observes makes of a refusal.
std::string rule_of(const config::Route& route);
std::unexpected<Refusal> refuse_uninspected(const config::Route& route);
Expected<void> observed_or(const config::Route& route, Expected<void> refused,
                           AnswerVerdict& verdict);

// Reads one text that is complete by the route's packs, and appends what it finds. A fault: it was
// not read to its end.
FaultOr<void> find_in(std::string_view text, const config::Route& route, content::Scanner& scanner,
                      const SharedRules& rules, std::vector<content::StreamMatch>& found);
AnswerFinding finding_of(const config::Route& route, std::string_view place,
                         const content::StreamMatch& match);
// What is done about a match: of a rule that is left out, nothing.
content::Action action_of(const config::Route& route, const content::StreamMatch& match);
void leave_out(const config::Route& route, std::vector<content::StreamMatch>& found);

// Reads the texts of a whole answer.
class WholeAnswer final : public dialects::AnswerSink {
 public:
  WholeAnswer(const config::Route& route, content::Scanner& scanner, const SharedRules& rules)
      : route_(route), scanner_(scanner), rules_(rules) {}

  void text(std::string_view place, std::string_view text) override;
  void piece(std::string_view place, std::string_view piece) override { text(place, piece); }
  void ended(std::string_view) override {}

  // Once all is read. Refuses with kContentRefused what the policy refuses, and what could not be
  // inspected. `verdict` is told what was found in either case.
  Expected<void> judge(AnswerVerdict& verdict);

 private:
  const config::Route& route_;
  content::Scanner& scanner_;
  const SharedRules& rules_;
  FaultOr<void> read_;
  std::vector<content::StreamMatch> matches_;
  AnswerVerdict found_;
  std::optional<Refusal> refusal_;  // For the first of it that is refused.
};

}  // namespace tollgate::pipeline
