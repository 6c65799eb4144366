// The calls of tools that a provider ran, counted as an answer is read. Internal to dialects.
//
// A stream tells an item when it begins and when it is done, and all of them at its end: each is
// counted once. What a provider reports of a tool stands instead of what was seen of it.
//
// Linear in what is read; its memory is bounded by the items that a stream may have. Reused.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <map>
#include <optional>

#include "dialects/paid_tools.h"

namespace tollgate::dialects {

class PaidCalls {
 public:
  void start();

  // An item of a response, at its place in the output.
  void item(std::int64_t place, simdjson::dom::object item);
  void response_event(simdjson::dom::object event);
  // All items of a response once more, of which some that were not finished may be missing.
  void response_ended(simdjson::dom::object response);

  // Of Anthropic's messages.
  void block(simdjson::dom::object block);
  void usage(simdjson::dom::element usage);
  void message_event(simdjson::dom::object event);

  ToolCalls total() const;

 private:
  std::map<std::int64_t, std::optional<PaidTool>> items_;  // Nothing: it is not paid.
  ToolCalls ended_;
  ToolCalls blocks_;
  std::array<std::optional<std::int32_t>, kPaidToolCount> reported_{};
};

}  // namespace tollgate::dialects
