// What was decided, and how it ended: one record a request, told in two phases.
//
// The decision is written before the first byte goes upstream, the outcome at the end; the two
// share `id`, which is the reply's x-request-id. A refused request has both in one moment.
// The record holds no text of prompts or answers unless the policy says so, and no secret.
//
// Pure: writing a record is text into a string. A Record borrows (arena of its request).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/money.h"
#include "base/units.h"
#include "controls/anomalies/features.h"
#include "controls/anomalies/signs.h"
#include "controls/authentication/authentication.h"
#include "controls/cost/cost.h"
#include "controls/limits/limits.h"

namespace tollgate::audit {

enum class Content : std::uint8_t { kNone, kHash };  // `full` comes with the content policy.

// What a decision can survive by the time its request is forwarded.
enum class Survives : std::uint8_t {
  kKill,       // The end of the process at any instruction; costs nothing.
  kPowerLoss,  // That of the machine: forwarding waits for the disk.
};

// What the operator writes under `audit`.
struct Policy {
  Content content = Content::kNone;
  Duration keep = std::chrono::hours(24 * 400);
  Bytes queue_bytes = 64 << 20;  // Most that may wait for the store; full refuses requests.
  Survives survives = Survives::kKill;
};

enum class Phase : std::uint8_t { kDecision, kOutcome, kChange };
std::string_view name_of(Phase phase);
enum class Outcome : std::uint8_t { kAllowed, kRefused, kDowngraded, kCut };
std::string_view name_of(Outcome outcome);
enum class UsageSource : std::uint8_t { kNone, kProvider, kCounted };

// Evidence: the figures of the decision, as they stood after it.
struct LimitEvidence {
  limits::Scope scope{};
  std::string_view subject;
  limits::Figure figure{};
  std::int64_t limit = 0;
  std::int64_t held = 0;  // By this request.
  std::int64_t remaining = 0;
};
struct BudgetEvidence {
  limits::Scope scope{};
  std::string_view subject;
  cost::Window window{};
  Money limit;
  Money held;  // By this request; by the others, where it was refused.
  Money spent;
  std::string_view rule;  // With the subject and the start of the window: the account.
  WallTime window_start{};
  WallTime window_end{};  // Told where it is one, as the clocks of `zone` read then.
  cost::TimeZone zone;
  Money free;  // Beyond what all have spent and hold; not in the text.
};
struct Attempt {
  std::string_view upstream;
  int status = 0;  // 0: no reply.
  Duration duration{};
  std::int64_t calls = 1;  // That ended alike, and took so long together.
};

// What a rule found in a text: never the text.
struct ContentFinding {
  std::string_view rule;    // "secrets.aws_access_key"
  std::string_view where;   // "messages[3].content:112+20", first byte and number of bytes.
  std::string_view action;  // "refuse", "redact", "flag" or "observe".
};

// How unlike its caller a request is, by the signs that say so.
struct AnomalyEvidence {
  int score = 0;  // 0: nothing is told.
  anomalies::Signs signs;
  std::string_view
      action;  // "alert", "slow_down", "refuse", "observe"; empty: below the threshold.
};

// Calls of a tool that the provider ran, and that are paid each.
struct PaidCalls {
  std::string_view tool;  // "web_search"
  std::int64_t calls = 0;
  Money cost;  // Of them together.
};

// What a route that keeps answers (controls/answers) made of a request, as metrics tell of it.
enum class Reuse : std::uint8_t { kNone, kMiss, kStored, kHit };

// A tool as metrics tell of it.
struct ToolCount {
  std::string_view tool;     // As the configuration names it, or "other".
  std::string_view outcome;  // "offered", "removed", "called" or "refused".
};

struct Record {
  std::string_view id;  // "req_…", sortable by time.
  WallTime time{};
  std::string_view config_version;
  std::string_view listener;
  IpAddress client_ip;
  std::string_view client_request_id;  // As the caller sent it; recorded, never used as a key.
  const authentication::Identity* actor = nullptr;  // Null: nobody was established.
  std::string_view route;
  std::string_view surface;
  std::string_view model_asked;
  std::string_view model_served;
  std::string_view upstream;
  // A request that failed before its caller had any of an answer may be attempted anew: a record of
  // its own for each attempt.
  int attempt = 1;               // Which one this is.
  std::string_view follows;      // The id of the one before; empty of the first.
  std::string_view followed_by;  // Known at the end: that of the one after it; or empty.

  Outcome outcome = Outcome::kAllowed;
  std::string_view code;  // The reason's code, "rate_limited"; empty when allowed.
  std::string_view rule;
  std::string_view message;                    // What the caller was told.
  std::span<const std::string_view> observed;  // Rules that would have refused.
  std::span<const std::string_view> degraded;  // Stores that it was decided without.

  std::span<const LimitEvidence> limits;
  std::span<const BudgetEvidence> budgets;
  std::string_view accounts;  // The same for the books, as the ledger packed it; not in the text.
  Bytes prompt_bytes = 0;
  Tokens input_tokens_counted = 0;
  bool input_is_bound = false;
  Tokens input_margin = 0;  // Held beyond that, by what the provider was seen to count.
  std::int64_t images = 0;
  std::span<const std::string_view> media_domains;  // Hosts that images are fetched from; some.
  Duration audio{};                                 // Of all recordings together.
  std::string_view unit;            // What else is paid beside tokens, "images"; empty: nothing…
  std::int64_t units_held = 0;      // …and how many at most.
  std::int64_t tool_calls_cap = 0;  // Of tools that the provider runs, where they are paid.
  Tokens output_tokens_cap = 0;
  std::uint64_t fingerprint = 0;  // Of the body; 0: none.
  // Of what the caller wrote last; null: not looked at. Told without its sketches, but for the
  // simhash where there is a fingerprint.
  const anomalies::Features* features = nullptr;
  AnomalyEvidence anomaly;
  std::span<const ContentFinding> content;
  std::span<const std::string_view> tools_offered;
  std::span<const std::string_view> tools_removed;  // Of them, before it left.
  std::span<const std::string_view> tools_refused;  // For which the request or its answer was.
  std::string_view mcp_method;  // "tools/call", or GET or DELETE of a session; empty: no MCP.
  std::string_view mcp_name;    // Of the tool, the prompt or the resource.

  // Known at the end only.
  Tokens input = 0;
  Tokens cached_input = 0;
  Tokens audio_input = 0;
  Tokens image_input = 0;     // Where it is paid apart.
  Tokens cache_write_5m = 0;  // Input that the provider's cache was given, by lifetime.
  Tokens cache_write_1h = 0;
  Tokens output = 0;
  Tokens reasoning = 0;
  Tokens audio_output = 0;
  std::string_view service_tier;                   // It was paid at; empty: the usual one.
  std::int64_t units = 0;                          // Of `unit`.
  std::span<const ContentFinding> content_after;   // What was found once the decision was made.
  std::span<const std::string_view> tools_called;  // In the answer.
  std::span<const PaidCalls> paid_calls;
  std::span<const ToolCount> tool_counts;  // Not in the text.
  std::optional<Tokens> input_reported;    // By the provider, whatever is charged.
  UsageSource usage_source = UsageSource::kNone;
  Money cost;
  Money guard_cost;  // Part of it.
  std::string_view price_version;
  std::span<const Attempt> attempts;
  bool mcp_failed = false;        // The server answered with an error.
  std::int64_t mcp_withheld = 0;  // Entries of a list that the caller may not use, and messages.
  // Servers whose entries are not in a list, as they could not be asked.
  std::span<const std::string_view> mcp_absent;
  Duration queued{};
  Duration first_byte{};
  Duration total{};

  int client_retries = 0;          // As the caller's SDK says: which retry it is; 0: none.
  std::string_view answered_from;  // "cache", "in_flight" or "idempotency_key": an answer that was
                                   // made before; empty: none.
  Reuse reuse = Reuse::kNone;      // Not in the text.
  Money saved;                     // What making the answer had cost more; not in the text.
};

// A change by those who administer: a record of its own phase, with no request behind it.
struct ChangeRecord {
  std::string_view id;  // "chg_…", sortable by time.
  WallTime time{};
  std::string_view actor_kind;  // "admin_token"
  std::string_view subject;
  std::string_view credential_id;
  std::string_view role;
  std::optional<IpAddress> client_ip;
  std::string_view action;  // "key.create"
  std::string_view object;
  std::string_view tenant;
  // JSON objects on one line; empty: it was not there before, or is not after.
  std::string_view before;
  std::string_view after;
};

// Appends the record of one phase, decision or outcome, as a JSON object without its `sequence`,
// `previous_hash` and `hash`: the store's writer knows those and adds them by seal().
//
// What is not known is left out; money and durations (seconds) are exact decimals. The decision
// leaves out what only the end knows; the outcome names the request again and tells the end,
// without the evidence. No text breaks the record or a terminal: strings are cut to
// kTextBytesMax (the message to four times that), invalid UTF-8 is replaced, and controls,
// bidirectional and invisible characters are escaped (CWE-117).
inline constexpr std::size_t kTextBytesMax = 256;
inline constexpr std::size_t kPriceBytesMax = 4
                                              << 10;  // Of a version of prices, which is never cut.
void write(const Record& record, Phase phase, std::string& out);

// The same of a change. `before` and `after` are written as they are but for characters that are
// not seen as they are, and by told_by_hash() where they are longer than kChangeTextBytesMax.
inline constexpr std::size_t kChangeTextBytesMax = 64 << 10;
void write(const ChangeRecord& change, std::string& out);

// What is too long to be told: {"sha256":"…","bytes":70000} of the text as it is.
std::string told_by_hash(std::string_view text);

// The text with the characters escaped that break lines or hide: for a terminal.
std::string visible(std::string_view text);

// Completes a record written by write(): inserts sequence before `time`, and appends
// previous_hash and hash, the SHA-256 (hex) of the bytes of the object without the hash member.
// Appends to `out`. `previous` and the result are 32 bytes.
using Hash = std::array<std::uint8_t, 32>;
Hash seal(std::string_view written, std::uint64_t sequence, const Hash& previous, std::string& out);

// Whether `sealed` carries a hash that is true and a previous_hash equal to `previous`.
// Sets `own` to the record's own hash if so.
bool verify(std::string_view sealed, const Hash& previous, Hash& own);

// A fast hash of bytes under a secret `key`, for telling bodies and subjects apart: not
// predictable without the key, but no signature. Never 0.
std::uint64_t fingerprint(std::string_view bytes, std::uint64_t key);

}  // namespace tollgate::audit
