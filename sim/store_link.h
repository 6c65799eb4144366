// A gateway's way to its store, in the two shapes that there are.
//
// own_link.h: the store is a SQLite file in the gateway's own process; everything between the
// ledger and the file is the shipped code. shared_link.h: the store is elsewhere, behind the
// simulated network; the ledger and what the store does are the shipped code, the messages are not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sim/chance.h"
#include "sim/journal_model.h"
#include "sim/settings.h"
#include "sim/story.h"
#include "storage/lender.h"
#include "storage/memory_ledger.h"

namespace tollgate::sim {

// Where a process or the store dies in what it does next.
enum class Crash : std::uint8_t { kNone, kBeforeCommit, kAfterCommit };

class StoreLink {
 public:
  virtual ~StoreLink() = default;

  // Takes up what an earlier start left: what it held is booked, then its leases are given back.
  // Everything may fail or be cut short, and is begun anew then. False: not yet.
  virtual bool recover() = 0;
  // Whether some of it goes on beside new requests, so that more is taken than is spent and held.
  virtual bool recovering() const { return false; }
  // From here on `ledger` borrows over this link.
  virtual void serve(storage::MemoryLedger& ledger) = 0;

  // Writes or sends what waits. False: the gateway died of it, as `crash` asks.
  virtual bool work(Crash crash) = 0;
  // Up to where the journal survives the loss of power.
  virtual std::uint64_t durable() const = 0;
  // Whether decisions are taken, so that requests may leave.
  virtual bool healthy() const = 0;
  // Whether nothing waits, here or on its way.
  virtual bool idle() const = 0;

  // The gateway dies: who waits for an answer gets none. True: there was somebody.
  virtual bool abandon() = 0;
  // A new configuration is about to serve. False: the store cannot be asked, and it is refused.
  virtual bool count_budgets(const Settings& settings) = 0;
  // At rest, on shutdown: what is leased and not spent is given back. False: the store is away.
  virtual bool return_leases() = 0;
};

// Turns a Fault where none may be into a Violation.
template <class T>
T must(FaultOr<T> value, std::string_view what) {
  if (!value) throw Violation{std::string(what) + ": " + value.error().message};
  if constexpr (!std::is_void_v<T>) return std::move(*value);
}

}  // namespace tollgate::sim
