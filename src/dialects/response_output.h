// What of a response (OpenAI's Responses API) the model brought forth, told once. Internal to
// dialects.
//
// A stream tells each text piece by piece, then whole, then within its part, its item and the
// response. The pieces are told; of what comes again only what is more than them, for an upstream
// that sends no pieces.
//
// Linear in the stream. One thread; reused from stream to stream.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <tuple>

#include "dialects/reply_reading.h"

namespace tollgate::dialects {

class ResponseOutput {
 public:
  // Of a response that came whole: an item of its output.
  static void item(simdjson::dom::object item, Teller& teller);

  void start();
  // Of a stream.
  void event(std::string_view type, simdjson::dom::object event, Teller& teller);

 private:
  // Item, list and part; -1: of the item itself.
  using Place = std::tuple<std::int64_t, std::string_view, std::int64_t>;

  void whole_item(std::int64_t at, simdjson::dom::object item, Teller& teller);

  std::map<Place, std::size_t> texts_;         // Bytes told of each…
  std::map<std::int64_t, std::size_t> items_;  // …and of all of an item.
};

}  // namespace tollgate::dialects
