// The events of a streamed response (OpenAI's Responses API): which text of it each one is of.
// Internal to dialects.
//
// Source: OpenAI API reference, streaming events of the Responses API.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tollgate::dialects {

// Whether it is the last event: response.completed, .incomplete or .failed.
bool is_last_of_response(std::string_view type);

// Whether every reader takes the event for the same: its type is there, as the stream names it, and
// no field is there twice or beside another that could be meant. Else the reason.
std::optional<std::string_view> why_unsound(std::string_view named, simdjson::dom::object event);

// The text that an event brings, or the part that it begins or ends.
struct ResponsePlace {
  std::int64_t item = 0;   // "output_index".
  std::string_view list;   // "content" or "summary", of which…
  std::int64_t part = 0;   // …this one; empty: the text is the item's own.
  std::string_view field;  // "text", "arguments"…; empty where it is a part.
  bool is_delta = false;   // A piece of it comes under "delta"; else all of it under `field`.
};

// Nothing for an event that is of no text that is known here.
std::optional<ResponsePlace> place_of_response_event(std::string_view type,
                                                     simdjson::dom::object event);

// {"type":"output_text","text":…,"annotations":[]}
void write_part(std::string_view type, std::string_view text, std::string& out);

}  // namespace tollgate::dialects
