// The rules by which gateways share limits in Redis: one script a question, one key a script.
//
// A RATE is a bucket. `level` is what nobody has; each gateway has units in hand, and a debt: what
// it has used and time has not earned back yet. At every moment, but for a unit by rounding,
//
//   level + sum over gateways (in hand + debt) <= limit
//
// as far as gateways could tell; what they let through while Redis was away counts once they do.
// So in any window W all of them together use at most limit + rate * W. The level earns with time,
// up to where this holds. What Redis knows of the others is what they told last, which is never
// less than what they have by now; what a gateway had in hand when its time ended counts as used
// then. What was taken and not used is claimed, and taken back by the rule of limits::settle: not
// more than all together had used when it was taken, less what time has earned back and what has
// been taken back since.
//
// CONCURRENCY is a sum: each gateway has slots, and together never more than the limit.
//
// A key that is not there is a full bucket; unless data was lost. Then nobody gets anything for as
// long as something may be in hand of before, in which time every gateway that is alive tells of
// what it has used; from then on the bucket has what that leaves. Debts are earned back side by
// side, those of three gateways three times as fast as they should be. So each gateway also tells
// how the bucket stood when it heard of it last: nobody got anything later but for who heard of it
// later. Until the bucket opens its `level` is the worst of that, as units below a full one. What a
// gateway used that died shortly before is forgotten with it.
//
// All times are of Redis' clock. Where it goes back nothing is earned until it has caught up, at
// most for a window. Where it leaps ahead the gateways find it out by clocks of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "base/units.h"
#include "controls/limits/limits.h"
#include "redis/client.h"
#include "storage/rate_lender.h"

namespace tollgate::storage {

// Under this name the gateways share a limit. Subjects may be any bytes; the braces keep the key
// of one subject on one node of a cluster.
std::string rate_key(const RateId& id);

struct RateQuestion {
  std::string_view gateway;     // One start of one gateway.
  std::int64_t connection = 0;  // What it had on an earlier one it has forgotten.
  limits::Figure figure{};
  std::int64_t limit = 0;
  RateReport report;
  std::int64_t least = 0;
  std::int64_t all = 0;
  std::int64_t ahead = 0;
  Duration ttl{};             // So long what is in hand counts.
  std::int64_t lost_since{};  // Microseconds of Redis' clock; 0: never.
};
void add_question(redis::Client& client, std::string_view key, const RateQuestion& question);

// All of an answer that the store tells; not what the gateway knows itself.
FaultOr<RateAnswer> read_answer(const redis::Client& client, const redis::Reply& reply);

// The data have an epoch: a random name that is made where there is none. Who knew another one
// says so, and from then on all know that data were lost before this one. Who sees that the clock
// of Redis has leapt ahead says so, too: what was in hand has ended there before its time, and
// rates have earned what they should not, which is as good as lost.
enum class StoreClock : std::uint8_t { kSteady, kLeapt };
void add_epoch(redis::Client& client, std::string_view known, std::string_view fresh,
               StoreClock clock = StoreClock::kSteady);
struct Epoch {
  std::string name;
  std::int64_t lost_since = 0;  // 0: nothing was lost.
  std::int64_t now_us = 0;      // Of Redis' clock.
};
FaultOr<Epoch> read_epoch(const redis::Client& client, const redis::Reply& reply);

// Says that `gateway` is alive, or leaves; the answer is how many are.
enum class Presence : std::uint8_t { kAlive, kLeaves };
void add_presence(redis::Client& client, std::string_view gateway, Presence presence, Duration ttl);
FaultOr<std::int64_t> read_presence(const redis::Client& client, const redis::Reply& reply);

}  // namespace tollgate::storage
