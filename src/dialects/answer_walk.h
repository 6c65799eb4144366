// Goes through replies and events for their texts (answer.h). Internal to dialects.
//
// Linear in what is walked. One thread; reused.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/answer.h"
#include "dialects/surface.h"

namespace tollgate::dialects {

class AnswerWalk {
 public:
  void start(AnswerSink& sink) { sink_ = &sink; }
  // Forgets the stream before.
  void clear() {
    told_.clear();
    told_bytes_ = 0;
    cut_.clear();
  }

  // A whole reply.
  void reply(Surface surface, simdjson::dom::object reply);
  // An event of a stream.
  void event(Surface surface, simdjson::dom::object event);

 private:
  enum class Kind : std::uint8_t { kTexts, kPieces };
  void walk(simdjson::dom::element value, Kind kind);
  // But for fields that are the provider's `own`.
  void walk_fields(simdjson::dom::object object, Kind kind, std::span<const std::string_view> own);
  void walk_items(simdjson::dom::array array, Kind kind);
  void tell(std::string_view text, Kind kind);
  bool is_told(std::string_view text, Kind kind);
  void tell_name(std::string_view name);
  // Arguments of a call: JSON, as an object or within a string.
  void tell_json(simdjson::dom::element value);
  void tell_json(std::string_view text, Kind kind);
  void walk_field(std::string_view key, simdjson::dom::element value, Kind kind);
  void end(const std::string& places);
  void choices(simdjson::dom::element value, Kind kind);
  void choice(simdjson::dom::object choice, Kind kind);
  void message(simdjson::dom::element value, Kind kind);
  void blocks(simdjson::dom::element value);
  void block(simdjson::dom::object block, Kind kind);
  void anthropic_event(std::string_view type, simdjson::dom::object event);
  void block_delta(simdjson::dom::object delta);
  void response(simdjson::dom::object response);
  void response_items(simdjson::dom::element output);
  void response_item(simdjson::dom::element item, Kind kind);
  void response_part(simdjson::dom::element part, Kind kind);
  void response_event(std::string_view type, simdjson::dom::object event);
  void transcript_event(std::string_view type, simdjson::dom::object event);

  // Appends to the place; returns its size before.
  std::size_t enter(std::string_view key);
  std::size_t enter(std::int64_t index);
  void leave(std::size_t size) { place_.resize(size); }

  AnswerSink* sink_ = nullptr;
  std::string place_;
  std::string json_;
  std::vector<std::string> ended_;  // Told when all of the event is.
  // The escape that a piece of JSON ended in, by its place.
  std::map<std::string, std::string, std::less<>> cut_;
  // Of a streamed response or transcript, by their places: what comes again is not told again.
  struct Told {
    std::string text;
    bool in_pieces = false;  // To its end.
  };
  std::map<std::string, Told, std::less<>> told_;
  std::size_t told_bytes_ = 0;
  bool repeats_ = false;  // Such a stream is being walked.
};

}  // namespace tollgate::dialects
