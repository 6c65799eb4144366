// What the caller of a streamed response (OpenAI's Responses API) has seen of it, and the ending
// that fits that. Internal to dialects.
//
// SDKs put the response together from its events, and take what the last one holds for the whole
// of it: an ending has to repeat the texts that went before. As in StreamEnding an event counts
// once it has reached the caller.
//
// Linear in the stream; keeps its texts, up to kKeptMax. One thread; reused from stream to stream.
//
// Source: OpenAI API reference, streaming events of the Responses API.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/reply.h"

namespace tollgate::dialects {

class ResponseSnapshot {
 public:
  // Of longer answers the ending tells no output, and an SDK keeps what it has put together.
  static constexpr std::size_t kKeptMax = std::size_t{1} << 20;

  // `model` as in StreamReader::start().
  void start(std::string_view model);
  // The event number `event`, from 1, is `type`.
  void note(std::size_t event, std::string_view type, simdjson::dom::object told);
  // As StreamEnding's.
  void handed_on(std::size_t events);
  void take_back(std::size_t event);
  void end(Ending ending, const Usage& counted, std::string& out);
  void fail(std::string_view error_json, std::string& out);

 private:
  // What an event changes.
  struct Change {
    enum class Kind : std::uint8_t {
      kNone,      // Only its number counts.
      kCreated,   // `text`: the fields of the response that stay the same.
      kItem,      // A new item; `text`: its fields that stay the same.
      kItemDone,  // `text`: the item.
      kPart,      // `text`: the type of the part.
      kPiece,     // Of the text of a part.
      kFinished,
    };
    std::size_t event = 0;
    Kind kind = Kind::kNone;
    bool is_summary = false;
    bool is_call = false;
    std::int64_t item = 0;
    std::int64_t part = 0;
    std::int64_t sequence = -1;
    std::string text;
    std::string id;  // Of a new item.
  };
  struct Part {
    std::string type;
    std::string text;
  };
  struct Item {
    std::string id;
    std::string fields;  // `"id":"…","type":"message"`
    std::string done;    // Empty: it is open.
    bool is_call = false;
    std::map<std::int64_t, Part> content;
    std::map<std::int64_t, Part> summary;
  };

  void apply(Change& change);
  void keep(std::string& into, std::string_view text);
  void begin_event(std::string_view type, std::string& out);
  void write_response(std::string_view status, std::string_view reason, const Usage* usage,
                      std::string& out) const;
  void write_item(const Item& item, std::string& out) const;
  void end_item(std::int64_t at, Item& item, std::string& out);
  // Where a part stands, as its events say it.
  struct Place {
    std::string_view item_id;
    std::int64_t item = 0;
    std::string_view key;  // "content_index", "summary_index".
    std::int64_t part = 0;
  };
  static void write_place(const Place& place, std::string& out);
  void end_part(std::string_view text_event, std::string_view part_event, const Place& place,
                const Part& part, std::string& out);

  std::string_view asked_model_;
  std::deque<Change> unseen_;
  std::map<std::int64_t, Item> items_;
  std::string fields_;  // Of the response.
  std::int64_t sequence_ = -1;
  std::size_t kept_ = 0;
  bool is_whole_ = true;  // No text was left out.
  bool created_ = false;
  bool finished_ = false;
};

}  // namespace tollgate::dialects
