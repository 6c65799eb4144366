// Who is next where more want a place than there are: start-time fair queueing by tokens.
//
// Each flow (a tenant) has a clock of its own that goes on with the tokens of what it is let in
// for, divided by its weight; next is the flow whose clock is behind all others. One that was idle
// does not save up: it begins at the clock of who was served last. So flows that always have
// something waiting get tokens by their weights, however often each asks, and an idle one's first
// request is never far behind. What was let in for more than it used is given back.
//
// One thread at a time. Linear in the flows that wait, at most kFlowsMax.
// Source: P. Goyal, H. Vin, H. Cheng, "Start-time Fair Queueing" (SIGCOMM 1996).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/units.h"

namespace tollgate::overload {

class FairQueue {
 public:
  using Id = std::uint64_t;
  // Flows that are told apart; those beyond share one.
  static constexpr std::size_t kFlowsMax = 4096;

  struct Place {
    std::string_view flow;
    double weight = 1;
    Tokens tokens = 0;
  };

  // Joins the end of its flow. Where `length_max` wait already the flow with the most of them, by
  // weight, gives way with its last: that one, perhaps `id` itself, is returned.
  std::optional<Id> join(Id id, const Place& place, std::int64_t length_max);
  // Takes the next; nothing: nobody waits.
  std::optional<Id> next();
  // Leaves without having been served. False: it does not wait. Ids have to grow from join to join.
  bool leave(Id id);
  // About how many would be served before one that joined now, as long as nobody else joins.
  std::int64_t ahead_of(const Place& place) const;
  // It was let in for so many tokens more than it used.
  void give_back(std::string_view flow, double weight, Tokens unused);

  std::int64_t waiting() const { return waiting_; }
  // Tokens of all that wait.
  Tokens tokens_waiting() const { return tokens_; }

 private:
  struct Entry {
    Id id = 0;
    Tokens tokens = 0;
    bool left = false;  // Taken out when it comes to an end of its flow.
  };
  struct Flow {
    double weight = 1;
    double clock = 0;  // When its next would start…
    double floor =
        0;  // …and never before it came, however little it uses of what it was let in for.
    std::int64_t waiting = 0;
    Tokens tokens = 0;  // Of those that wait.
    std::deque<Entry> entries;
  };
  using Flows = std::map<std::string, Flow, std::less<>>;

  Flows::iterator find(std::string_view name);
  static void drop_left(Flow& flow);
  void took(Flow& flow, Id id, Tokens tokens);
  Flow& flow_of(std::string_view name);
  void forget_idle();
  Id give_way();

  Flows flows_;
  std::unordered_map<Id, Flow*> where_;  // Of all that wait.
  double now_ = 0;                       // The clock of who was served last.
  std::int64_t waiting_ = 0;
  Tokens tokens_ = 0;
};

}  // namespace tollgate::overload
