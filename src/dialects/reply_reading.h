// What whole replies and streamed ones have in common: usage objects and output texts.
//
// Internal to dialects. Nothing here trusts the upstream: what has not the type it should have
// is told as JSON where it could be output, and is absent where it should be a number.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dialects/reply.h"

namespace tollgate::dialects {

// Tells output to a sink and remembers whether there was any.
class Teller {
 public:
  void start(OutputSink& sink) { sink_ = &sink; }

  void text(std::int64_t choice, std::string_view piece) {
    if (!piece.empty()) sink_->text(choice, piece);
  }
  // A string as it is, anything else but null as its JSON.
  void any(std::int64_t choice, simdjson::dom::element value);
  // A message or a delta of OpenAI's chat: all its fields but the role are output.
  void chat_message(std::int64_t choice, simdjson::dom::object message);
  // A block of Anthropic's messages, whole or as content_block_start has it.
  void anthropic_block(simdjson::dom::object block);

 private:
  void tool_calls(std::int64_t choice, simdjson::dom::element calls);
  void strings(std::int64_t choice, simdjson::dom::element call);

  OutputSink* sink_ = nullptr;
  std::string scratch_;
};

// A whole number of tokens in range: nothing where the field is absent or null.
struct TokenField {
  std::optional<Tokens> tokens;
  bool broken = false;  // There, but not a number of tokens.
};
TokenField read_tokens(simdjson::dom::object object, std::string_view field);

// Nothing where usage is not complete or not plausible.
std::optional<Usage> read_openai_usage(Surface surface, simdjson::dom::element usage);

// By which tier an answer says that it was served.
void read_tier(simdjson::dom::element told, Usage& usage);

// Of a response, which has its usage and its tier in it.
std::optional<Usage> read_response_usage(simdjson::dom::object response);

// Anthropic tells usage in parts; later ones replace earlier ones.
struct AnthropicUsage {
  std::optional<Tokens> input;
  std::optional<Tokens> output;
  Tokens cache_read = 0;
  Tokens cache_creation = 0;
  // Part of that, for the shorter of two lifetimes. What grows later may have no lifetime told.
  std::optional<Tokens> cache_creation_5m;
  std::optional<ServiceTier> tier;
  bool other_tier = false;
  Tokens thinking = 0;

  // Ignores a part with a broken number as a whole.
  void merge(simdjson::dom::element part);
  std::optional<Usage> total() const;
  EarlyUsage early() const;
};

}  // namespace tollgate::dialects
