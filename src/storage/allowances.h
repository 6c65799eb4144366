// What each account of a budget still has, kept by the store for all of its gateways.
//
// A gateway leases slices. What is leased is durable as taken until it is given back, so that
// holds can be served from memory: a gateway that dies takes along at most what it had leased,
// and no two gateways can spend the same money. What the books prove to be spent is part of what
// is leased; the rest of a dead gateway's lease comes back when it starts again.
//
//   limit = free + sum over gateways of (spent + leased and not spent)
//
// Every change is an entry that moves an amount from one part of an allowance to another (free,
// leased and spent of each gateway, unproven), and no entry is ever changed: what the entries say
// is how the account stands. What is spent is posted with the account's next entry, so that a
// busy account has a few entries a second and not one a request; each request is in the trail.
//
// Everything here happens in one transaction of the caller, in which nobody else changes them: what
// was read once is known from there on. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fault.h"
#include "base/money.h"
#include "controls/cost/cost.h"
#include "controls/limits/limits.h"
#include "storage/accounts.h"
#include "storage/database.h"
#include "storage/gateway_name.h"

namespace tollgate::storage {

// One account that needs more than it has leased. Borrows the account's texts.
struct LeaseAsk {
  AccountId account;
  Money limit;  // By the configuration of whoever asks.
  Money least;  // With less than this nobody is helped, so nothing is leased. 0: only to know.
  Money all;    // So much all that wait need together; at least `least`.
  Money ahead;  // More than that, so that the next need not ask; shrinks with what is free.
};

struct Lease {
  Money leased;   // By this gateway in this window, in all; what it spent is part of it.
  Money spent;    // Of that, by the books.
  Money taken;    // By all gateways.
  Money granted;  // Of what is leased, what came with this answer.
};

class Allowances {
 public:
  // `gateway` names whose leases they are. `database` outlives it. For one transaction.
  Allowances(Database& database, std::string_view gateway)
      : database_(database),
        gateway_(gateway),
        leased_part_("leased/" + gateway_),
        spent_part_("spent/" + gateway_) {}

  // Reads many accounts at once, so that what follows need not ask for each: a server may be far.
  FaultOr<void> look_up(std::span<const AccountId> accounts);

  FaultOr<Lease> lease(const LeaseAsk& ask, WallTime now);

  // This gateway has leased so much in all, which the store may have lost: at least that is leased.
  FaultOr<void> say_leased(const AccountId& account, Money leased, WallTime now);

  // Of what is leased only `keep` stays leased, at least what is spent.
  FaultOr<void> give_back(const AccountId& account, Money keep, WallTime now);

  // What a request cost that is settled is another amount, by so much more, or less.
  FaultOr<void> adjust(const AccountId& account, Money amount, WallTime now);

  // Something that was held on the account is spent, by the books. More than was leased, by a
  // budget that lets through, is taken all the same: it is spent.
  FaultOr<void> spend(const AccountId& account, Money spent, WallTime now);

  // From here on what this gateway has leased and not spent is leased by `to`.
  FaultOr<void> hand_over(std::string_view to, WallTime now);

  // Ends the leases of an earlier start of this gateway, once what it held is in the books. What is
  // leased and not spent is given back; where the books may lack some of it, it may have been
  // spent, and stays taken. How much that was.
  enum class Books : std::uint8_t { kWhole, kMayLack };
  FaultOr<Money> end_leases(Books books, WallTime now);

  // What end_leases() of `ended` has left unproven since then is leased by this gateway again,
  // once: its journal has turned up.
  FaultOr<void> revive(std::string_view ended, WallTime since, WallTime now);

  // By the books `spent` was spent of what the account counts in its window. How much more that is
  // than was counted, because the rule was not in force all the time. In the Snapshot of the sums:
  // what is settled meanwhile goes from what is leased into the books.
  FaultOr<Money> uncounted(const AccountId& account, Money spent);
  // Takes that too, in a transaction later on: less what others have raised the account by behind
  // entry `seen`, which was the last one in the Snapshot.
  FaultOr<void> raise(const AccountId& account, Money uncounted, std::int64_t seen, WallTime now);
  FaultOr<std::int64_t> last_entry();
  // Both in one transaction.
  FaultOr<void> raise(const AccountId& account, Money spent, WallTime now);

 private:
  // How an account stands now.
  struct Standing {
    Money taken;
    Money leased;   // By this gateway…
    Money spent;    // …and what of it,
    Money posted;   // and of that, what entries say.
    Money unspent;  // Of what all gateways have leased.
  };
  FaultOr<std::vector<std::string>> find_open();
  FaultOr<Standing*> standing_of(const AccountId& account);
  FaultOr<void> write_lease(const AccountId& account, Standing& standing, Money leased,
                            Money spent);
  // Moves `amount` into what is taken, or out of it where it is below 0.
  FaultOr<void> take(const AccountId& account, Money amount);
  struct Move {
    std::string_view kind;
    std::string_view from;
    std::string_view to;
    Money amount;  // None below 0; nothing is moved where it is 0.
  };
  FaultOr<void> enter(const AccountId& account, const Move& move, WallTime now);
  // Enters what was spent since it was entered last.
  FaultOr<void> post(const AccountId& account, Standing& standing, WallTime now);
  FaultOr<void> look_up_raised(std::int64_t seen);

  Database& database_;
  const std::string gateway_;
  const std::string leased_part_;
  const std::string spent_part_;
  std::unordered_map<std::string, Standing> known_;  // By packed account.
  // By how much accounts were raised behind an entry.
  std::unordered_map<std::string, Money> raised_;
  std::optional<std::int64_t> raised_behind_;
};

// How much is leased where `free` is left: all that is needed, and ahead of it at most a quarter
// of the rest, so that slices shrink to one request's worth near the end.
Money slice(Money free, const LeaseAsk& ask);

}  // namespace tollgate::storage
