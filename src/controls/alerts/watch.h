// What is an alert, by the rules of the operator: from facts that are gathered off the request path
// to what is told and done.
//
// Somebody feeds it a few times a second: what callers spent and were refused, how attempts at
// upstreams went, what stores and the trail say of themselves. Of one subject a rule tells again
// only after its `cooldown`; where something is to be done, that is an alert all the same, a silent
// one.
//
// At most kSubjectsMax subjects of all rules are known at once; who was not seen for longest makes
// room. What is usual for them, and what was told, survives a restart by snapshot().
//
// Pure, no clock: the caller passes the time. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controls/alerts/policy.h"
#include "controls/alerts/tally.h"
#include "controls/alerts/usual.h"

namespace tollgate::alerts {

// Something that is to be told, and done about. Of its own.
struct Alert {
  std::size_t number = 0;  // Of the rule.
  std::string rule;        // "alerts[0]"
  Condition when{};
  limits::Scope scope{};  // Of the subject; of others kGlobal…
  std::string subject;    // …and what it is about: an upstream, a store, a model.
  std::string tenant;     // Of the subject, where it is of one.
  std::string message;    // One sentence, with the figures.
  WallTime at{};
  // It was told within the `cooldown` of its rule: nobody is told again, what is to be done is
  // done.
  bool silent = false;
};

// What the gateway says of itself.
struct Health {
  std::span<const std::string_view> stores_out;
  double trail_filled = 0;  // Of its queue, 0 to 1.
  bool trail_healthy = true;
};

class Watch final : private Tally::Reader {
 public:
  static constexpr std::size_t kSubjectsMax = 16'384;
  static constexpr std::size_t kToldMax = 65'536;
  static constexpr std::size_t kBurstParts = 30;
  static constexpr Tokens kDriftTokensMin = 10'000;

  // From here on the rules are these. What was learned by a rule of the same place, scope and
  // window stays.
  void replace(const std::vector<Rule>& rules);

  // Empties `tally` into what is known; then judge() tells.
  void take(Tally& tally, WallTime now);
  // By which judge() has judged: those of the last replace().
  const std::vector<Rule>& rules() const { return rules_; }
  // A budget has reached `share` of its limit in a window that began then; above 1: it is passed.
  struct Reached {
    limits::Scope scope{};
    std::string subject;
    std::string tenant;  // Of who asked.
    double share = 0;
    Money spent;
    Money limit;
    std::string budget;  // "tenants.acme.budget"
    WallTime window_start{};
  };
  void budget_reached(const Reached& reached, WallTime now);
  // What is an alert now, since the last time.
  std::vector<Alert> judge(const Health& health, WallTime now);

  // What was learned and told, for restore() of a later start. False: these bytes are not whole or
  // of another version; nothing of them was taken.
  std::string snapshot() const;
  bool restore(std::string_view bytes, WallTime now);

  std::size_t subjects() const { return subjects_.size(); }

 private:
  struct Subject {
    std::size_t number = 0;  // Of the rule.
    std::string name;
    std::string tenant;
    std::string key;
    Usual usual;                // Of kSpendVelocity…
    Ring<kBurstParts> refused;  // …and of kRefusals.
    bool touched = false;
  };
  using Subjects = std::list<Subject>;  // Seen last first.
  // Of attempts that failed and that did not, or of tokens by the provider's count and by ours.
  struct Pair {
    explicit Pair(Duration over) : first(over.count() / kBurstParts), second(first) {}
    Ring<kBurstParts> first;
    Ring<kBurstParts> second;
  };

  void caller(const Who& who, const Deed& deed) override;
  void upstream(std::string_view name, const Attempts& attempts) override;
  void model(std::string_view name, const Counted& counted) override;
  void authentication_failures(std::int64_t count) override;

  Subject& subject_of(std::size_t number, std::string_view name, std::string_view tenant);
  void add_pair(Condition condition, std::string_view name, double first, double second);
  void judge_pairs(std::size_t number, std::vector<Alert>& found, WallTime now);
  void judge_subjects(std::vector<Alert>& found, WallTime now);
  void judge_gateway(std::size_t number, const Health& health, std::vector<Alert>& found,
                     WallTime now);
  // Silent, or not at all where nothing is to be done, if it was told within the cooldown. `about`
  // tells apart what is of one subject.
  void tell(std::vector<Alert>& found, std::size_t number, limits::Scope scope,
            std::string_view subject, std::string_view tenant, std::string message, WallTime now,
            std::string_view about = {});
  bool was_told(const std::string& key, Duration cooldown, WallTime now);

  std::vector<Rule> rules_;
  Subjects subjects_;
  std::unordered_map<std::string, Subjects::iterator> index_;
  std::vector<Subject*> touched_;
  using Pairs = std::map<std::string, Pair, std::less<>>;
  std::vector<Pairs> pairs_;                           // By rule and name: upstreams, models.
  std::map<std::string, WallTime, std::less<>> told_;  // By rule and subject: until when.
  std::map<std::string, WallTime, std::less<>> out_;   // Stores, since when.
  std::vector<Alert> reached_;
  std::string name_;  // Used again.
  std::string key_;
  WallTime now_{};
};

}  // namespace tollgate::alerts
