// The wire forms of the mock's answers, in the words of each surface.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "dialects/surface.h"

namespace tollgate::mock {

struct ToolCall {
  std::string name;
  std::string arguments;    // JSON; of a custom tool its text.
  std::string serial = {};  // What its id ends with: clients take two of one id for one call.
  bool is_custom = false;
};

struct Usage {
  Tokens input = 0;
  Tokens output = 0;
  Tokens audio = 0;  // Part of the input; told where there is some.
  // The same, kept by the cache for five minutes and for an hour.
  Tokens cache_write_5m = 0;
  Tokens cache_write_1h = 0;
  std::string tier = {};  // By which it was served; told where it is not empty.
};

// What every form of an answer is made from.
struct Wire {
  dialects::Surface surface = dialects::Surface::kChatCompletions;
  std::string id;
  std::string model;
  bool usage = true;        // Report it at all…
  bool usage_asked = true;  // …and, in an OpenAI stream, was it asked for.
  Usage reported;
  std::string conversation = {};  // Of a response: that it is a turn of; may be empty.
};

// Texts of all choices, or one tool call, as a whole reply.
std::string whole_reply(const Wire& wire, const std::vector<std::string>& choices,
                        const ToolCall* call, std::string_view finish);
std::string embedding_reply(const Wire& wire, std::int64_t inputs);
std::string count_reply(const Wire& wire);
// One result for each input; none of them is flagged.
std::string moderation_reply(const Wire& wire, std::int64_t inputs);
// The documents in the order in which they came.
std::string ranking_reply(const Wire& wire, std::int64_t documents);

// The events of a stream, in order: opening, a piece for each token, closing.
std::string stream_opening(const Wire& wire, const ToolCall* call);
std::string stream_piece(const Wire& wire, std::int64_t choice, std::string_view piece);
std::string stream_arguments(const Wire& wire, std::string_view piece);
std::string stream_closing(const Wire& wire, std::int64_t choices, const ToolCall* call,
                           std::string_view finish);

std::string models_reply();

}  // namespace tollgate::mock
