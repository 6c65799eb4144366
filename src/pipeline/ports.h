// The I/O that the life of a request needs, as ports: storage, net and admin implement them
// and include this header, never the reverse.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/arena.h"
#include "base/executor.h"
#include "base/fault.h"
#include "base/refusal.h"
#include "base/task.h"
#include "base/units.h"
#include "config/config.h"
#include "controls/audit/audit.h"
#include "controls/authentication/authentication.h"
#include "controls/authentication/client_certificate.h"
#include "controls/authentication/mtls.h"
#include "controls/authentication/session.h"
#include "controls/overload/buffered_bytes.h"

namespace tollgate::pipeline {

// ---- Time ---------------------------------------------------------------------------------

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual WallTime wall() const = 0;
};

// ---- The caller's side: net implements, one Exchange a request -----------------------------

struct Header {
  std::string_view name;   // As it came; compare without case.
  std::string_view value;  // Without surrounding white space.
};

struct RequestHead {
  std::string_view method;
  std::string_view target;  // As it came.
  std::span<const Header> headers;
  IpAddress client_ip;  // The caller's own, where proxies that are trusted stand between.
  const authentication::ClientCertificate* certificate = nullptr;  // Proven; null: none.
  authentication::KeptCertificate* kept = nullptr;  // Of the connection's; null: not kept.
  std::string_view listener;
  authorization::Exposure exposure = authorization::Exposure::kPublic;
  authentication::Transport transport = authentication::Transport::kPlain;  // Of the connection.

  std::string_view header(std::string_view name) const;  // The first of that name, or empty.
  // The same; nothing where two of that name differ.
  std::optional<std::string_view> only_header(std::string_view name) const;
};

struct ReplyHead {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string_view headers;  // Further lines, each "name: value\r\n"; no framing headers.
};

// Gives up a wait on the other side, from the same loop.
class Cancellable {
 public:
  virtual void cancel() = 0;

 protected:
  ~Cancellable() = default;
};

// Ends a request from outside while it is at work, on its loop: its key was revoked.
class Stop {
 public:
  void ask() {
    asked_ = true;
    if (wait_ != nullptr) wait_->cancel();
  }
  bool asked() const { return asked_; }
  // The wait to be given up; null: none.
  void watch(Cancellable* wait) {
    wait_ = wait;
    if (asked_ && wait_ != nullptr) wait_->cancel();
  }

 private:
  Cancellable* wait_ = nullptr;
  bool asked_ = false;
};

// One request and its reply. Lives on one loop, as long as its serve() runs. All that the
// request borrows (head, body) stays valid until the reply is complete.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const RequestHead& head() const = 0;
  virtual Arena& arena() = 0;  // Reset after the request.

  // The whole body, contiguous, with dialects::RequestReader::kPadding readable bytes behind
  // it. Refuses with kBodyTooLarge over `limit` (chunked too, before more is kept) and with
  // kInvalidRequest for broken framing, a cut or a body that is too slow. Once.
  virtual Task<Expected<std::string_view>> read_body(Bytes limit) = 0;

  // Further head lines of whatever reply this request gets; in its arena.
  virtual void add_headers(std::string_view lines) = 0;

  // A whole reply, head and body in one write. False: the caller is gone.
  virtual Task<bool> reply(const ReplyHead& head, std::string_view body) = 0;

  // A streamed reply: begin (kept back until the first write), write…, finish. A write waits
  // while the caller's buffers are full. False: the caller is gone or stalled too long.
  virtual void begin(const ReplyHead& head) = 0;
  virtual Task<bool> write(std::string_view piece) = 0;
  virtual Task<bool> finish() = 0;

  // While `wait` is set it is cancelled when the caller leaves. Null clears it. If the caller
  // is gone already, it is cancelled at once.
  virtual void on_caller_gone(Cancellable* wait) = 0;
  virtual bool caller_gone() const = 0;
  // Whether the process no longer waits for it: whatever is at work for it ends.
  virtual bool is_cut() const { return false; }

  // Whose request it is: what is kept of it in memory counts as that tenant's. Borrowed until the
  // reply is complete.
  virtual void belongs_to(std::string_view /*tenant*/) {}
};

// The answer where more bytes are not kept (controls/overload/buffered_bytes.h), and why.
Refusal no_room(overload::Lack lack);

// Serves exchanges: the pipeline, the admin API, the mock model. One a loop.
class Handler {
 public:
  virtual ~Handler() = default;
  // Runs to its end whatever happens to the caller, and completes the reply (reply, or begin
  // and finish) unless the caller is gone. `exchange` outlives the task.
  virtual Task<void> serve(Exchange& exchange) = 0;

  // The body of the answer to a request that is no HTTP we accept (never routed, closed after).
  // Appends to `out`; the status is 400. `head` holds what could be read of it.
  virtual void refuse_malformed(const RequestHead& head, std::string_view message,
                                std::string& headers, std::string& out) = 0;
};

// ---- The upstream's side: net implements, one pool a loop ----------------------------------

struct UpstreamRequest {
  const config::Upstream* upstream = nullptr;
  int endpoint = 0;
  std::string_view message;  // A whole HTTP/1.1 request, head and body; borrowed until released.
  std::optional<Duration> first_byte;  // Waited for that long at most, where it is less.
  // A reply of 200 has come once the first byte of its body is there, not its head alone, which
  // servers send before they have anything to say.
  bool awaits_body = false;
};

// One attempt. read() may be awaited once at a time.
class UpstreamCall : public Cancellable {
 public:
  virtual ~UpstreamCall() = default;
  virtual int status() const = 0;
  virtual std::string_view header(std::string_view name) const = 0;  // Or empty.

  // The next piece of the decoded body, borrowed until the next read; empty at its end. Faults:
  // kTimeout (between_chunks, total), kCancelled, kBroken (framing, or it ended too early).
  virtual Task<FaultOr<std::string_view>> read() = 0;

  // The whole of the rest, contiguous, with RequestReader::kPadding bytes behind it, borrowed
  // until release; over `limit` is kBroken.
  virtual Task<FaultOr<std::string_view>> read_whole(Bytes limit) = 0;

  // Whether any byte of the request has been sent.
  virtual bool sent() const = 0;

  // Gives the connection back: kept alive if its reply was read to the end, else closed.
  virtual void release() = 0;
};
struct ReleaseCall {
  void operator()(UpstreamCall* call) const { call->release(); }
};
using CallHandle = std::unique_ptr<UpstreamCall, ReleaseCall>;

// Who waits for a place at an upstream that has none: how the places that become free are shared.
struct Waiting {
  std::string_view flow;         // Who is served fairly beside others: a tenant, by priority.
  double weight = 1;             // Its share, beside those of others.
  Tokens tokens = 0;             // That it may take.
  Exchange* exchange = nullptr;  // Whose caller may leave meanwhile…
  Stop* stop = nullptr;          // …or whose key may end; null: nobody's.
  Instant until;                 // How long it waits at most.
  bool waited = false;           // Told by open_in_turn(): it had to.
  // Told by open_in_turn(): as places come up now it would have waited for so long, which is more
  // than it may, so it was not let wait. Nothing: it was.
  std::optional<Duration> expected;
};

// What a call tells of how much its upstream can do at once.
enum class LoadSample : std::uint8_t {
  kAnswered,
  kOverloaded,  // It took on more than it could.
  kNothing,     // Nothing was sent, or nobody waited for an answer.
};

class Upstreams {
 public:
  virtual ~Upstreams() = default;
  // A call for one request: no I/O yet. Null: the upstream has its concurrent_requests at work.
  virtual CallHandle open(const UpstreamRequest& request) = 0;
  // The same; where it has, and a queue, it waits there for its turn. Null: there was no place in
  // it, or none came up in time or would, or its caller left or was stopped. All but the exchange
  // outlives the task.
  virtual Task<CallHandle> open_in_turn(const UpstreamRequest& request, Waiting& waiting) = 0;
  // How a call of open_in_turn() ended: of the tokens that it waited for `used` were used, and the
  // others are given back.
  virtual void ended(const config::Upstream& upstream, const Waiting& waiting, Tokens used,
                     LoadSample sample) = 0;
  // Connects if need be, sends the request and reads the head of the reply (status and headers
  // are then there), and up to the first byte of its body where the request awaits that. A kept
  // connection that turns out closed before any byte of a reply is replaced once by a new one.
  virtual Task<FaultOr<void>> send(UpstreamCall& call) = 0;
};

// ---- Keys ----------------------------------------------------------------------------------

// Hears of keys that are revoked from now on, on the store's thread.
class KeyWatcher {
 public:
  virtual void revoked(std::string_view id) = 0;

 protected:
  ~KeyWatcher() = default;
};

// Keys, served from memory. Safe from any thread.
class KeyStore {
 public:
  virtual ~KeyStore() = default;
  // Nothing is waited for; what is found is copied into `arena`. Nothing: no such key.
  virtual std::optional<authentication::KeyFacts> find(std::string_view id, Arena& arena) const = 0;
  // The key was shown and is good: keeps when that was last, to the minute. `key` is of find().
  virtual void used(const authentication::KeyFacts& key, WallTime now) = 0;
  // Whether there are imported keys (imported_key.h), so that secrets of any shape may be one.
  virtual bool holds_imported() const = 0;
  // Whether keys may be believed: no revocation is older than a second and unknown here, or the
  // policy (store.on_fault.keys) takes them as they are known.
  virtual bool current() const = 0;
  // `watcher` hears of every revocation that find() tells from now on, until unwatch() returns.
  virtual void watch(KeyWatcher& watcher) = 0;
  virtual void unwatch(KeyWatcher& watcher) = 0;
};

// ---- Who asks, where no key of ours tells ---------------------------------------------------

// What a request shows of who asks, besides a key of ours and a certificate. Views of the request.
struct Presented {
  std::string_view token;             // Of the headers; empty: none.
  std::string_view cookies;           // The Cookie header, where it has a session's; else empty.
  authentication::CallOrigin origin;  // Which page a browser says that it calls for.
  IpAddress from;                     // Who asks,
  Exchange* exchange = nullptr;       // …and who leaves while it is asked about; null: nobody.
};

// Ties what is presented to an actor by asking others: issuers of tokens, stores of sessions. One a
// loop.
class Callers {
 public:
  virtual ~Callers() = default;
  // The actor of all that is presented. Views of the answer live in `arena`. What cannot be told
  // is a refusal, never nobody: kInvalidCredential, kExpiredCredential; kCredentialConflict where
  // two name different actors; kStoreUnavailable where who would know is out of reach. May wait;
  // goes on through `executor`, the loop's own. `presented` and `config` outlive the task.
  virtual Task<Expected<authentication::Identity>> identify(const Presented& presented,
                                                            const config::Config& config,
                                                            Arena& arena, Executor& executor,
                                                            WallTime wall) = 0;
};

// ---- Stores out of reach --------------------------------------------------------------------

class Outages {
 public:
  virtual ~Outages() = default;
  // Which stores cannot be asked now, so that what depends on them is served from what is known
  // here, as store.on_fault says: "money", "rates", "keys". Static texts. Any thread; reads memory
  // alone.
  virtual std::span<const std::string_view> now() const = 0;
};

// ---- The books -----------------------------------------------------------------------------

// One amount to take of one limit.
struct LimitCharge {
  const limits::Policy* policy = nullptr;  // Lives as long as the request's Config.
  std::string_view subject;
  std::int64_t amount = 0;
};
// One amount to hold on one budget.
struct BudgetCharge {
  const cost::Policy* policy = nullptr;
  std::string_view subject;
  Money amount;
};

// All that one attempt takes, at once or not at all.
struct Charges {
  std::span<const LimitCharge> limits;
  std::span<const BudgetCharge> budgets;
  // The input is held at a bound. That is only for where it decides nothing: unless all that counts
  // it has plenty left afterwards the hold is refused, with kRateLimited, and is to be made of a
  // count.
  bool at_a_bound = false;
  std::string_view tenant;  // Who asks: whose a key is that has a budget. Empty: nobody's.
};
inline bool leaves_plenty(std::int64_t left, std::int64_t of) { return left >= of / 2; }
inline bool counts_input(limits::Figure figure) {
  return figure == limits::Figure::kInputTokensPerMinute ||
         figure == limits::Figure::kTotalTokensPerMinute;
}

// What was taken and how things stand after it; the evidence lives in the request's arena.
struct Hold {
  std::span<const audit::LimitEvidence> limits;
  std::span<const audit::BudgetEvidence> budgets;
  std::string_view accounts;  // Of the budgets, packed by the ledger for the books.
  // Rules that would have refused: in observe mode, or budgets that allow and alert.
  std::span<const std::string_view> observed;
  void* slots = nullptr;  // The ledger's own, in the arena.
  bool open = false;      // CHECKed at settle: once.
};

// What was really used, to settle a hold with.
struct Used {
  Tokens input = 0;
  Tokens output = 0;
  Money cost;
  bool never_left = false;  // Nothing was sent to an upstream: requests are given back too.
};

// Who and what a settlement is booked for. Views: copied by the ledger.
struct Booking {
  std::string_view id;
  std::string_view tenant;
  std::string_view user;
  std::string_view key_id;
  std::string_view route;
  std::string_view model;
  Tokens cached_input = 0;
};

// Why a hold was refused, and what the rule that refused had left, in the request's arena; no
// evidence where the refusal is about no rule.
struct Shortfall {
  Refusal refusal;
  std::span<const audit::LimitEvidence> limits;
  std::span<const audit::BudgetEvidence> budgets;
  // All budgets that refused, in the order of the charges: what they say of a request that no
  // longer fits may be tried. Empty where only limits refused.
  std::span<const cost::Policy* const> exhausted;
};

// Holds and settles. Safe from any thread.
class Ledger {
 public:
  virtual ~Ledger() = default;
  // On every charge or on none. A refused hold has taken nothing. Refuses with kRateLimited,
  // kConcurrencyLimited, kBudgetExhausted (the rule in the refusal), kStoreUnavailable. May wait
  // for the store; the waiter goes on through `executor`, its own loop's.
  virtual Task<Expected<Hold, Shortfall>> hold(const Charges& charges, Arena& arena,
                                               Executor& executor, Instant now, WallTime wall) = 0;
  // Exactly once for each hold.
  virtual void settle(Hold& hold, const Charges& charges, const Used& used, const Booking& booking,
                      Instant now, WallTime wall) = 0;
};

// ---- The trail -----------------------------------------------------------------------------

class Trail {
 public:
  virtual ~Trail() = default;
  // Hands one record to the writer: `written` is its text by audit::write, `record` gives the
  // columns that queries use (copied). `held` is, for a decision that lets a request leave, the
  // most that it may cost: what is booked should the gateway die before the outcome is here.
  // A Fault means that it will not be kept (queue full, disk full, store read-only): nothing
  // may be forwarded. Settle with the Ledger before the outcome is appended, so that the two
  // become durable together. Any thread.
  virtual FaultOr<void> append(const audit::Record& record, audit::Phase phase, Money held,
                               std::string_view written) = 0;
  // Waits until the decision `id`, which was appended just now, survives the loss of power; goes
  // on through `executor`, the loop's own. A Fault means that it may not: nothing may be
  // forwarded, and the request ends with an outcome as any other. `id` outlives the task.
  virtual Task<FaultOr<void>> committed(std::string_view id, Executor& executor) = 0;
  // Whether records are being kept right now.
  virtual bool healthy() const = 0;
};

// ---- Measures ------------------------------------------------------------------------------

// What the metrics want to know of one ended request. Any thread.
class Meter {
 public:
  virtual ~Meter() = default;
  virtual void began() = 0;  // A request's head is here.
  virtual void ended(const audit::Record& record, Duration overhead) = 0;
  virtual void counted(std::string_view model, Tokens ours, Tokens provider) = 0;
};

}  // namespace tollgate::pipeline
