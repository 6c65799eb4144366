// A model server that makes its answers up: OpenAI and Anthropic wire forms, whole and
// streamed, with true token counts (o200k_base) and faults on demand.
//
// Part of the product: the demo and the tests run against it, and an operator can try a
// configuration without a provider. It answers any model name and any credential. The text is
// made of words that are one token each, so the output has exactly as many tokens as it says.
// A number in the last message asks for that many tokens ("Write 200 words"), the word "slowly"
// for 50 of them a second; `Call NAME with {…}` asks for a call of that tool (asked_call.h), and a
// request that offers tools and asks for none gets one of the first, unless a tool has answered.
//
//   POST /v1/chat/completions /v1/completions /v1/embeddings /v1/messages, GET /v1/models
//   /v1/conversations  kept in memory; responses are turns of them (conversations.h)
//   POST /mcp          an MCP server of two tools
//   GET  /mock/stats   what it has served, as JSON
//
// One MockModel a loop; the statistics are shared.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "dialects/request.h"
#include "mock/conversations.h"
#include "net/net.h"
#include "pipeline/ports.h"
#include "tokens/vocabulary.h"

namespace tollgate::mock {

// How it misbehaves.
enum class Fail : std::uint8_t {
  kNever,
  kStatus500,  // Answers 500.
  kStatus429,  // Answers 429 with Retry-After.
  kStatus401,  // Answers 401, as for a wrong provider key.
  kSilent,     // Takes the request and never answers.
  kCut,        // Breaks off in the middle of the reply.
  kGarbage,    // Answers 200 with something that is no JSON and no event.
  kLieLow,     // Reports a usage of 1 and 1.
  kLieHigh,    // Reports a thousand times the usage.
  kOverrun,    // Ignores the output cap: makes ten times as much.
  kLeak,  // Says a cloud's key that no account has, a few letters a chunk; has a poisoned MCP tool.
};
std::optional<Fail> fail_named(std::string_view name);  // "never", "500", "silent", "lie-low"…
std::vector<std::string_view> fail_names();

struct Policy {
  std::int64_t tokens_per_second = 0;  // 0: as fast as it goes.
  bool reports_usage = true;
  Fail fail = Fail::kNever;
};

struct Stats {
  std::atomic<std::int64_t> requests = 0;
  std::atomic<std::int64_t> streams = 0;
  std::atomic<std::int64_t> cancelled = 0;  // The other side left before the end.
  std::atomic<std::int64_t> input_tokens = 0;
  std::atomic<std::int64_t> output_tokens = 0;  // Really handed out.
  std::atomic<std::int64_t> hooks = 0;          // Signed messages that were posted to /mock/hook.
  Conversations conversations;                  // What it keeps, besides.
};

class MockModel final : public pipeline::Handler {
 public:
  // All outlive the mock.
  MockModel(net::Loop& loop, const tokens::Vocabulary& vocabulary, const Policy& policy,
            Stats& stats);

  Task<void> serve(pipeline::Exchange& exchange) override;
  void refuse_malformed(const pipeline::RequestHead& head, std::string_view message,
                        std::string& headers, std::string& out) override;

 private:
  struct Answer;

  Answer answer_to(const dialects::Request& request);
  static dialects::MediaTokens media_of(const dialects::Request& request);
  Tokens input_of(const dialects::Request& request);
  static std::string reply_without_output(const Answer& answer);
  Task<void> send_whole(pipeline::Exchange& exchange, const Answer& answer);
  Task<void> send_transcript(pipeline::Exchange& exchange, const dialects::Request& request);
  Task<void> stream_transcript(pipeline::Exchange& exchange, std::int64_t seconds);
  Task<void> send_sound(pipeline::Exchange& exchange, std::int64_t characters,
                        std::string_view format);
  Task<void> send_stream(pipeline::Exchange& exchange, const Answer& answer);
  std::string_view word(std::size_t number) const;
  Task<void> pace(const Answer& answer, Tokens made);
  Task<void> reply_json(pipeline::Exchange& exchange, int status, std::string body);
  Task<void> serve_mcp(pipeline::Exchange& exchange);
  Task<void> serve_conversations(pipeline::Exchange& exchange, std::string_view path);
  // Takes the turn into the conversation that it is of; false: there is none.
  bool take_turn(const dialects::Request& request, std::string_view body, Answer& answer);
  Task<bool> misbehave(pipeline::Exchange& exchange);

  net::Loop& loop_;
  const Policy policy_;
  Stats& stats_;
  tokens::Counter counter_;
  dialects::RequestReader reader_;
  std::uint64_t serial_ = 0;
};

}  // namespace tollgate::mock
