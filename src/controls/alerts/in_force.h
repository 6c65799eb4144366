// What is done about callers by itself, as it is in force: found by who asks, in memory.
//
// A table never changes: each loop is handed the next one whole, so a request reads it without a
// lock and keeps the one that it was decided by. It is empty but for the hours after an alert.
//
// Pure. const is safe from any thread.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "controls/alerts/policy.h"
#include "controls/alerts/tally.h"
#include "controls/alerts/watch.h"

namespace tollgate::alerts {

struct Answer {
  std::string id;    // "ans_" and 16 hexadecimal digits: of its rule, scope and subject.
  std::string rule;  // "alerts[0]"
  limits::Scope scope{};
  std::string subject;
  std::string tenant;  // Whose it is; empty: nobody's in particular.
  Action action = Action::kNone;
  Tokens cap_output_tokens = 0;
  std::string downgrade_to;
  WallTime since{};
  WallTime until{};     // The epoch: until it is released.
  std::string message;  // Of the alert.

  bool over(WallTime now) const { return until != WallTime{} && until <= now; }
  friend bool operator==(const Answer&, const Answer&) = default;
};
// What `rule` says is done about the subject of `alert`. Nothing: it says nothing.
std::optional<Answer> answer_to(const Rule& rule, const Alert& alert);

// As JSON on one line, and back; nothing where it is none.
std::string written(const Answer& answer);

// What somebody has released: a silent alert does not bring it back, the next that is told does.
class Releases {
 public:
  // What was in force, and what is now. What is gone before its time was released.
  void follow(const std::vector<Answer>& before, const std::vector<Answer>& after, WallTime now);
  // Whether `answer` to such an alert is to be given, where none of its id is in `in_force`.
  bool lets(const Answer& answer, const Alert& alert, const std::vector<Answer>& in_force);

 private:
  std::set<std::string, std::less<>> ids_;
};

class InForce {
 public:
  static constexpr std::size_t kAnswersMax = 4096;

  explicit InForce(std::vector<Answer> answers);

  bool empty() const { return answers_.empty(); }
  const std::vector<Answer>& all() const { return answers_; }

  // Refuses with kAnomalyRefused what is frozen in any of these scopes.
  Expected<void> check(const Who& who, std::span<const limits::Scope> scopes, WallTime now) const;

  // What holds for a request besides that.
  struct Terms {
    const Answer* cap = nullptr;        // The lowest.
    const Answer* downgrade = nullptr;  // The first.
    std::vector<const limits::Policy*> limits;
    std::vector<std::string_view> subjects;  // Of these limits.
  };
  Terms terms_for(const Who& who, WallTime now) const;

 private:
  // All of one subject stand together.
  template <class Visit>
  void each_of(const Who& who, limits::Scope scope, WallTime now, Visit visit) const;

  std::vector<Answer> answers_;                        // By scope and subject.
  std::vector<std::unique_ptr<limits::Policy>> slow_;  // Of each of them, or null.
};

}  // namespace tollgate::alerts
