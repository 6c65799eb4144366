#include "dialects/restoring.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dialects/json_strict.h"
#include "dialects/raw_strings.h"
#include "dialects/sse.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

constexpr std::string_view kBegin = "[REDACTED:";
// Fields whose texts stay as they are, with all that is in them, but in the input of a tool.
constexpr std::array<std::string_view, 4> kLeft{"thinking", "signature", "logprobs",
                                                "encrypted_content"};
constexpr std::string_view kInput = "input";
// Arguments of a call, which are JSON to who reads them.
constexpr std::array<std::string_view, 2> kArguments{"arguments", "partial_json"};

bool is_among(std::string_view key, std::span<const std::string_view> keys) {
  return std::ranges::find(keys, key) != keys.end();
}

// What stands between the quotation marks.
std::string escaped(std::string_view text) {
  std::string made;
  append_json_string(text, made);
  return made.substr(1, made.size() - 2);
}

// A part of some bytes to be replaced.
struct Edit {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string by;
};

std::string edited(std::string_view bytes, std::span<const Edit> edits) {
  std::string made;
  std::size_t at = 0;
  for (const Edit& edit : edits) {
    made += bytes.substr(at, edit.begin - at);
    made += edit.by;
    at = edit.end;
  }
  made += bytes.substr(at);
  return made;
}

// A string of an event, in the order in which they stand there.
struct Place {
  std::string at;  // "choices[0].delta.content"
  bool is_left = false;
};

// The events of a response are of the text that their type and numbers tell: "output_text 0 1 ".
std::string text_of_response(dom::element root, std::string_view ending) {
  constexpr std::string_view kPrefix = "response.";
  std::string_view type;
  if (root.at_key("type").get(type) != simdjson::SUCCESS || !type.starts_with(kPrefix) ||
      !type.ends_with(ending))
    return {};
  type.remove_prefix(kPrefix.size());
  type.remove_suffix(ending.size());
  std::string made(type);
  for (const std::string_view key : {"output_index", "content_index", "summary_index"}) {
    std::int64_t index = -1;
    (void)root.at_key(key).get(index);
    made += ' ' + std::to_string(index);
  }
  return made + ' ';
}

// The places of all strings of an event. Items of lists are known by their `index`, where they have
// one: it is the same from event to event.
class Places {
 public:
  std::vector<Place> of(dom::element root) {
    std::int64_t index = 0;
    if (root.at_key("index").get(index) == simdjson::SUCCESS) path_ = std::to_string(index);
    path_ += text_of_response(root, ".delta");
    walk(root, Where::kElsewhere);
    return std::move(places_);
  }

  // Of texts that have ended with the event: all that begin like that.
  static std::vector<std::string> ended(dom::element root) {
    std::vector<std::string> made;
    std::string_view type;
    std::int64_t index = 0;
    (void)root.at_key("type").get(type);
    if (type == "content_block_stop" && root.at_key("index").get(index) == simdjson::SUCCESS) {
      made.push_back(std::to_string(index) + ".");
    }
    if (type.starts_with("response.") && !type.ends_with(".delta")) {
      if (std::string text = text_of_response(root, ".done"); !text.empty()) {
        made.push_back(std::move(text));
      }
      made.emplace_back(".");  // Texts of such an event are whole.
    }
    dom::array choices;
    if (root.at_key("choices").get(choices) != simdjson::SUCCESS) return made;
    std::int64_t position = 0;
    for (const dom::element choice : choices) {
      dom::element reason;
      const std::int64_t at = index_of(choice, position++);
      if (choice.at_key("finish_reason").get(reason) == simdjson::SUCCESS && !reason.is_null()) {
        made.push_back(".choices[" + std::to_string(at) + "].");
      }
    }
    return made;
  }

 private:
  static std::int64_t index_of(dom::element item, std::int64_t otherwise) {
    std::int64_t index = 0;
    return item.at_key("index").get(index) == simdjson::SUCCESS ? index : otherwise;
  }

  enum class Where : std::uint8_t { kElsewhere, kLeft, kInput };
  static Where inside(std::string_view key, Where where) {
    if (where != Where::kElsewhere) return where;
    if (key == kInput) return Where::kInput;
    return is_among(key, dialects::kLeft) ? Where::kLeft : where;
  }

  void walk(dom::element value, Where where) {
    const std::size_t before = path_.size();
    if (value.is_object()) {
      for (const dom::key_value_pair field : dom::object(value)) {
        path_ += '.';
        path_ += field.key;
        walk(field.value, inside(field.key, where));
        path_.resize(before);
      }
    } else if (value.is_array()) {
      std::int64_t position = 0;
      for (const dom::element item : dom::array(value)) {
        path_ += '[' + std::to_string(index_of(item, position++)) + ']';
        walk(item, where);
        path_.resize(before);
      }
    } else if (value.is_string()) {
      places_.push_back({path_, where == Where::kLeft});
    }
  }

  std::string path_;
  std::vector<Place> places_;
};

}  // namespace

struct Restoring::State {
  struct Event {
    std::string bytes;
    std::vector<Edit> edits;
  };
  // A part of a text, where it stands.
  struct Piece {
    std::size_t event = 0;  // From the first of the stream on.
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  // The end of a text that may be the beginning of a mask.
  struct Pending {
    std::string text;
    std::vector<Piece> pieces;
  };

  std::unordered_map<std::string_view, std::string_view> values;
  std::size_t longest = 0;  // Of the masks.
  SseSplitter splitter;
  dom::parser parser;
  std::deque<Event> events;
  std::size_t first = 0;                                // The number of the first of them.
  std::size_t held = 0;                                 // Their bytes.
  std::map<std::string, Pending, std::less<>> pending;  // By the place of the text.

  // Where the mask ends that begins `text`; 0: there is none. `may_begin` is told whether there
  // could be one with more behind it.
  std::size_t mask_at(std::string_view text, bool& may_begin) const;
  std::string value_of(std::string_view mask, std::string_view key) const;
  void find_in(std::string_view body, const RawString& string, std::vector<Edit>& edits) const;

  void take(const SseEvent& event);
  void read_piece(const std::string& place, std::string_view key, const Piece& piece);
  void replace(const Pending& text, std::size_t begin, std::size_t end, std::string by);
  void release(std::string& out);
};

std::size_t Restoring::State::mask_at(std::string_view text, bool& may_begin) const {
  may_begin = false;
  const std::size_t end = text.substr(0, longest).find(']');
  if (end == std::string_view::npos) {
    may_begin = text.size() < longest && (kBegin.starts_with(text) || text.starts_with(kBegin));
    return 0;
  }
  return values.contains(text.substr(0, end + 1)) ? end + 1 : 0;
}

std::string Restoring::State::value_of(std::string_view mask, std::string_view key) const {
  const std::string once = escaped(values.at(mask));
  return is_among(key, kArguments) ? escaped(once) : once;
}

void Restoring::State::find_in(std::string_view body, const RawString& string,
                               std::vector<Edit>& edits) const {
  const std::string_view text = body.substr(string.begin, string.end - string.begin);
  for (std::size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at)) {
    bool may_begin = false;
    const std::size_t size = mask_at(text.substr(at), may_begin);
    if (size > 0) {
      edits.push_back({string.begin + at, string.begin + at + size,
                       value_of(text.substr(at, size), string.key)});
    }
    at += std::max<std::size_t>(size, 1);
  }
}

Restoring::Restoring(std::span<const Masked> masked) {
  if (masked.empty()) return;
  state_ = std::make_unique<State>();
  for (const Masked& one : masked) {
    state_->values.emplace(one.mask, one.value);
    state_->longest = std::max(state_->longest, one.mask.size());
  }
  state_->splitter.clear();
}
Restoring::~Restoring() = default;

void Restoring::restore(std::string& body) const {
  if (state_ == nullptr || body.find(kBegin) == std::string::npos) return;
  std::vector<Edit> edits;
  RawStrings strings(body);
  RawString string;
  while (strings.next(string)) {
    const bool is_of_tool = strings.is_within(kInput);
    // Names there are the tool's own.
    if (is_of_tool) string.key = {};
    const bool is_left = !is_of_tool && std::ranges::any_of(kLeft, [&](std::string_view key) {
      return string.key == key || strings.is_within(key);
    });
    if (!is_left) state_->find_in(body, string, edits);
  }
  if (!edits.empty()) body = edited(body, edits);
}

// Streams ----------------------------------------------------------------------------------

void Restoring::pass(std::string& bytes) {
  if (state_ == nullptr) return;
  State& state = *state_;
  state.splitter.append(bytes);
  bytes.clear();
  // A line feed that belongs to an event that has gone on.
  if (state.splitter.trailing_lf()) {
    state.events.empty() ? bytes += '\n' : state.events.back().bytes += '\n';
  }
  while (const std::optional<SseEvent> event = state.splitter.next()) {
    state.take(*event);
    if (state.splitter.trailing_lf()) state.events.back().bytes += '\n';
  }
  if (state.held > kHeldBytesMax) state.pending.clear();
  state.release(bytes);
}

void Restoring::finish(std::string& bytes) {
  if (state_ == nullptr) return;
  pass(bytes);
  state_->pending.clear();
  state_->release(bytes);
}

void Restoring::State::take(const SseEvent& event) {
  const std::size_t number = first + events.size();
  events.push_back({std::string(event.raw), {}});
  held += event.raw.size();
  // Of several lines of data it is not known where they stand; no provider sends such.
  const bool is_line = !event.data.empty() && event.data.data() >= event.raw.data() &&
                       event.data.data() < event.raw.data() + event.raw.size();
  dom::element root;
  if (!is_line || parser.parse(event.data.data(), event.data.size(), false).get(root) ||
      !root.is_object()) {
    return;
  }
  const std::vector<Place> places = Places().of(root);
  const auto offset = static_cast<std::size_t>(event.data.data() - event.raw.data());
  RawStrings strings(event.data);
  RawString string;
  const bool brings_arguments = text_of_response(root, "_arguments.delta").size() > 0;
  for (const Place& place : places) {
    if (!strings.next(string)) break;
    if (place.is_left) continue;
    const bool is_arguments = brings_arguments && string.key == "delta";
    read_piece(place.at, is_arguments ? kArguments.front() : string.key,
               {number, offset + string.begin, offset + string.end});
  }
  for (const std::string& ended : Places::ended(root)) {
    std::erase_if(pending, [&](const auto& one) { return one.first.starts_with(ended); });
  }
}

// What waits of the text, and the piece behind it.
void Restoring::State::read_piece(const std::string& place, std::string_view key,
                                  const Piece& piece) {
  Pending text;
  if (const auto known = pending.find(place); known != pending.end()) {
    text = std::move(known->second);
    pending.erase(known);
  }
  text.text.append(events[piece.event - first].bytes, piece.begin, piece.end - piece.begin);
  text.pieces.push_back(piece);
  const std::string_view all = text.text;
  for (std::size_t at = all.find('['); at != std::string_view::npos; at = all.find('[', at)) {
    bool may_begin = false;
    const std::size_t size = mask_at(all.substr(at), may_begin);
    if (size > 0) replace(text, at, at + size, value_of(all.substr(at, size), key));
    if (may_begin) {
      Pending rest{text.text.substr(at), {}};
      std::size_t before = 0;
      for (const Piece& part : text.pieces) {
        const std::size_t bytes = part.end - part.begin;
        const std::size_t skipped = at > before ? std::min(bytes, at - before) : 0;
        if (skipped < bytes) rest.pieces.push_back({part.event, part.begin + skipped, part.end});
        before += bytes;
      }
      pending.emplace(place, std::move(rest));
      return;
    }
    at += std::max<std::size_t>(size, 1);
  }
}

void Restoring::State::replace(const Pending& text, std::size_t begin, std::size_t end,
                               std::string by) {
  std::size_t before = 0;
  for (const Piece& part : text.pieces) {
    const std::size_t bytes = part.end - part.begin;
    const std::size_t from = std::max(begin, before);
    const std::size_t to = std::min(end, before + bytes);
    if (from < to) {
      events[part.event - first].edits.push_back(
          {part.begin + from - before, part.begin + to - before, std::exchange(by, {})});
    }
    before += bytes;
  }
}

void Restoring::State::release(std::string& out) {
  std::size_t until = first + events.size();
  for (const auto& [place, text] : pending) {
    if (!text.pieces.empty()) until = std::min(until, text.pieces.front().event);
  }
  for (; first < until; ++first) {
    Event& event = events.front();
    held -= std::min(held, event.bytes.size());
    // Texts of an event are read one after the other, what waited of one after all of it.
    std::ranges::sort(event.edits, {}, &Edit::begin);
    event.edits.empty() ? out += event.bytes : out += edited(event.bytes, event.edits);
    events.pop_front();
  }
}

}  // namespace tollgate::dialects
