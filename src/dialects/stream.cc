// Streams: each complete event is read, told, and handed on or held back.
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "dialects/answer_walk.h"
#include "dialects/call_reading.h"
#include "dialects/json_strict.h"
#include "dialects/paid_calls.h"
#include "dialects/reply.h"
#include "dialects/reply_reading.h"
#include "dialects/response_events.h"
#include "dialects/response_output.h"
#include "dialects/sse.h"
#include "dialects/stream_ending.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

constexpr std::int64_t kChoiceIndexMax = 1 << 20;
constexpr std::size_t kOpenBlocksMax = 64;
constexpr std::int64_t kOutputItemsMax = 1 << 16;
constexpr std::size_t kTranscriptBytesMax = std::size_t{8} << 20;
constexpr std::size_t kParserMax =
    static_cast<std::size_t>(StreamReader::kEventBytesMax) + simdjson::SIMDJSON_PADDING;
// Memory of a parser that has seen a longer event is given back before the next stream.
constexpr std::size_t kParserKeptMax = std::size_t{64} << 10;

enum class Passing : std::uint8_t { kHandOn, kHoldBack };

std::unexpected<Fault> broken(std::string_view what) {
  return fault(FaultKind::kBroken, fmt::format("The upstream's stream {}.", what));
}

void remember(std::string& into, dom::element value) {
  std::string_view text;
  if (into.empty() && value.get(text) == simdjson::SUCCESS) into = text;
}

}  // namespace

struct StreamReader::State {
  using Kind = StreamChange::Kind;

  Surface surface = Surface::kChatCompletions;
  bool usage_asked = false;
  SseSplitter events;
  dom::parser parser{kParserMax};
  Teller teller;
  AnswerWalk walk;
  AnswerSink* answer = nullptr;
  CallReading calls;
  PaidCalls paid;

  std::optional<Usage> usage;
  std::optional<Usage> running;  // OpenAI: told beside choices, the whole only if [DONE] follows.
  Usage tier;                    // The same: only by which tier it is served, as told last.
  AnthropicUsage parts;
  ResponseOutput response;
  StreamState state = StreamState::kOpen;
  Passing passing = Passing::kHandOn;  // Of the last event.
  bool begun = false;
  bool failed = false;
  Holding holding = Holding::kNo;
  std::size_t read = 0;  // Events.
  StreamEnding ending;

  std::vector<Progress> choices;  // OpenAI: by index.
  std::int64_t choices_open = 0;
  std::vector<std::int64_t> blocks;  // Anthropic: the open ones.
  bool message_ending = false;       // message_delta with a stop reason has passed.
  std::size_t transcript_bytes = 0;

  void note(StreamChange::Kind kind, std::int64_t index = 0) {
    ending.note({.event = read, .kind = kind, .index = index});
  }
  void has_begun() {
    if (!std::exchange(begun, true)) note(Kind::kBegun);
  }
  FaultOr<Passing> read_event(const SseEvent& event);
  FaultOr<Passing> read_chunk(dom::object chunk);
  FaultOr<Passing> read_choice(dom::element element);
  FaultOr<Passing> read_anthropic(dom::object event);
  FaultOr<Passing> read_response(dom::object event);
  FaultOr<Passing> read_transcript(dom::object event);
  FaultOr<Passing> read_block_start(dom::object event);
  void read_block_delta(dom::object event);
  void read_message_start(dom::object event);
  void read_message_delta(dom::object event);
};

// Events -----------------------------------------------------------------------------------

FaultOr<Passing> StreamReader::State::read_event(const SseEvent& event) {
  if (holding == Holding::kNo) ending.handed_on(read);
  ++read;
  if (event.type == "error") failed = true;
  if (event.data.empty()) return Passing::kHandOn;
  const bool anthropic = dialect_of(surface) == Dialect::kAnthropic;
  if (!anthropic && event.data == "[DONE]") {
    if (!usage) usage = running;
    state = StreamState::kFinished;
    note(Kind::kFinished);
    if (answer != nullptr) answer->ended({});
    return Passing::kHandOn;
  }
  dom::element root;
  const simdjson::error_code error =
      parser.parse(event.data.data(), event.data.size(), false).get(root);
  if (error != simdjson::SUCCESS)
    return broken(fmt::format("has an event that is not JSON: {}", simdjson::error_message(error)));
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return broken("has an event that is no object");
  if (surface == Surface::kResponses || reads_sound(surface)) {
    if (const auto why = why_unsound(event.type, object)) return broken(*why);
  }
  if (answer != nullptr) {
    if (has_field_twice(root)) return broken("has a field twice in an event");
    walk.event(surface, object);
  }
  if (surface == Surface::kResponses) return read_response(object);
  if (reads_sound(surface)) return read_transcript(object);
  return anthropic ? read_anthropic(object) : read_chunk(object);
}

FaultOr<Passing> StreamReader::State::read_chunk(dom::object chunk) {
  dom::element told_usage;
  bool has_usage = false;
  bool has_choices = false;
  std::size_t choices_told = 0;
  for (const dom::key_value_pair field : chunk) {
    if (field.key == "id") {
      remember(ending.identity.id, field.value);
    } else if (field.key == "model") {
      remember(ending.identity.model, field.value);
    } else if (field.key == "created") {
      std::int64_t created = 0;
      if (field.value.get(created) == simdjson::SUCCESS) ending.identity.created = created;
    } else if (field.key == "error") {
      failed = failed || !field.value.is_null();
    } else if (field.key == "service_tier" && !field.value.is_null()) {
      read_tier(field.value, tier);
    } else if (field.key == "usage") {
      told_usage = field.value;
      has_usage = !field.value.is_null();
    } else if (field.key == "choices" && !field.value.is_null()) {
      dom::array array;
      if (field.value.get(array) != simdjson::SUCCESS)
        return broken("has choices that are no list");
      if (std::exchange(has_choices, true)) return broken("has two lists of choices");
      for (const dom::element choice : array) {
        ++choices_told;
        if (const FaultOr<Passing> read = read_choice(choice); !read) return read;
      }
    }
  }
  if (choices_told > 0) has_begun();
  // Usage beside choices, or before some, is not yet the whole: of many choices, one may end
  // before another begins.
  if (choices_told > 0) {
    usage.reset();
    running.reset();
  }
  if (!has_usage) return Passing::kHandOn;
  std::optional<Usage>& told = choices_told > 0 ? running : usage;
  told = read_openai_usage(surface, told_usage);
  if (told) {
    told->tier = tier.tier;
    told->other_tier = tier.other_tier;
  }
  const bool only_usage = has_choices && choices_told == 0;
  if (only_usage && !usage_asked) return Passing::kHoldBack;
  if (only_usage) note(Kind::kUsage);
  return Passing::kHandOn;
}

FaultOr<Passing> StreamReader::State::read_choice(dom::element element) {
  dom::object choice;
  if (element.get(choice) != simdjson::SUCCESS) return broken("has a choice that is no object");
  std::int64_t index = 0;
  dom::element told;
  if (choice.at_key("index").get(told) == simdjson::SUCCESS &&
      (told.type() != dom::element_type::INT64 || told.get(index) != simdjson::SUCCESS ||
       index < 0 || index > kChoiceIndexMax))
    return broken("has a choice with an index out of range");
  const auto at = static_cast<std::size_t>(index);
  if (at >= choices.size()) choices.resize(at + 1, Progress::kUnseen);
  if (choices[at] == Progress::kUnseen) {
    choices[at] = Progress::kOpen;
    ++choices_open;
    note(Kind::kChoiceSeen, index);
  }
  calls.chat_choice(choice);
  for (const dom::key_value_pair field : choice) {
    dom::object delta;
    if (field.key == "text") {
      teller.any(index, field.value);
    } else if (field.key == "delta" && field.value.get(delta) == simdjson::SUCCESS) {
      teller.chat_message(index, delta);
      calls.chat_message(index, delta, CallReading::Form::kDelta);
    } else if (field.key == "finish_reason" && !field.value.is_null() &&
               choices[at] == Progress::kOpen) {
      choices[at] = Progress::kFinished;
      note(Kind::kChoiceFinished, index);
      --choices_open;
    }
  }
  // What it says beside that is told by now.
  for (const dom::key_value_pair field : choice) {
    if (field.key == "finish_reason") calls.chat_ended(index, field.value);
  }
  return Passing::kHandOn;
}

FaultOr<Passing> StreamReader::State::read_response(dom::object event) {
  std::string_view type;
  if (event.at_key("type").get(type) != simdjson::SUCCESS) type = "error";
  std::int64_t at = 0;
  dom::element told;
  if (event.at_key("output_index").get(told) == simdjson::SUCCESS &&
      (told.get(at) != simdjson::SUCCESS || at < 0 || at > kOutputItemsMax))
    return broken("has an item with an index out of range");
  ending.response().note(read, type, event);
  response.event(type, event, teller);
  calls.response_event(type, event);
  paid.response_event(event);
  if (type == "error" || type == "response.failed") failed = true;
  has_begun();
  if (!is_last_of_response(type)) return Passing::kHandOn;
  dom::object last;
  if (event.at_key("response").get(last) == simdjson::SUCCESS) {
    usage = read_response_usage(last);
    calls.response_ended(last);
    paid.response_ended(last);
  }
  state = StreamState::kFinished;
  note(Kind::kFinished);
  if (answer != nullptr) answer->ended({});
  return Passing::kHandOn;
}

// It is paid by the length of the recording: nothing of it is counted, so its own length is held to
// a bound.
FaultOr<Passing> StreamReader::State::read_transcript(dom::object event) {
  std::string_view type;
  const bool has_type = event.at_key("type").get(type) == simdjson::SUCCESS;
  if (!has_type || type == "error") {
    failed = true;
    return Passing::kHandOn;
  }
  if (!type.starts_with("transcript.text.")) return broken("has an event of no transcript");
  std::string_view text;
  for (const std::string_view key : {"delta", "text"}) {
    dom::element told;
    if (event.at_key(key).get(told) != simdjson::SUCCESS) continue;
    if (told.get(text) != simdjson::SUCCESS) return broken("has a text that is no string");
    transcript_bytes += text.size();
  }
  if (transcript_bytes > kTranscriptBytesMax) return broken("has a transcript that is too long");
  has_begun();
  if (type != "transcript.text.done") return Passing::kHandOn;
  state = StreamState::kFinished;
  note(Kind::kFinished);
  return Passing::kHandOn;
}

FaultOr<Passing> StreamReader::State::read_anthropic(dom::object event) {
  calls.anthropic_event(event);
  paid.message_event(event);
  std::string_view type;
  if (event.at_key("type").get(type) != simdjson::SUCCESS) return Passing::kHandOn;
  if (type == "content_block_delta") {
    has_begun();
    read_block_delta(event);
  } else if (type == "content_block_start") {
    has_begun();
    return read_block_start(event);
  } else if (type == "content_block_stop") {
    std::int64_t index = 0;
    if (event.at_key("index").get(index) == simdjson::SUCCESS) {
      std::erase(blocks, index);
      note(Kind::kBlockClosed, index);
    }
  } else if (type == "message_start") {
    has_begun();
    note(Kind::kMessageStarted);
    read_message_start(event);
  } else if (type == "message_delta") {
    read_message_delta(event);
  } else if (type == "message_stop") {
    state = StreamState::kFinished;
    note(Kind::kFinished);
  } else if (type == "error") {
    failed = true;
  }
  return Passing::kHandOn;
}

FaultOr<Passing> StreamReader::State::read_block_start(dom::object event) {
  std::int64_t index = 0;
  if (event.at_key("index").get(index) != simdjson::SUCCESS || index < 0)
    return broken("opens a block without an index");
  if (blocks.size() >= kOpenBlocksMax) return broken("has too many blocks open at once");
  blocks.push_back(index);
  note(Kind::kBlockOpened, index);
  dom::object block;
  if (event.at_key("content_block").get(block) == simdjson::SUCCESS) teller.anthropic_block(block);
  return Passing::kHandOn;
}

void StreamReader::State::read_block_delta(dom::object event) {
  dom::object delta;
  if (event.at_key("delta").get(delta) != simdjson::SUCCESS) return;
  for (const dom::key_value_pair field : delta) {
    const bool marker = field.key == "type" || field.key == "signature" || field.key == "citation";
    if (!marker) teller.any(0, field.value);
  }
}

void StreamReader::State::read_message_start(dom::object event) {
  dom::object message;
  if (event.at_key("message").get(message) != simdjson::SUCCESS) return;
  for (const dom::key_value_pair field : message) {
    if (field.key == "id") remember(ending.identity.id, field.value);
    if (field.key == "model") remember(ending.identity.model, field.value);
    if (field.key == "usage") parts.merge(field.value);
  }
}

void StreamReader::State::read_message_delta(dom::object event) {
  for (const dom::key_value_pair field : event) {
    if (field.key == "usage") {
      parts.merge(field.value);
    } else if (dom::object delta;
               field.key == "delta" && field.value.get(delta) == simdjson::SUCCESS) {
      dom::element reason;
      const bool ends =
          delta.at_key("stop_reason").get(reason) == simdjson::SUCCESS && !reason.is_null();
      if (ends && !message_ending) note(Kind::kMessageEnding);
      std::string_view told;
      if (ends && reason.get(told) == simdjson::SUCCESS) calls.anthropic_ended(told);
      message_ending = message_ending || ends;
    }
  }
  // Output in message_start is only a beginning: what counts is told with the stop reason.
  if (message_ending) usage = parts.total();
}

// The reader -------------------------------------------------------------------------------

StreamReader::StreamReader() : state_(std::make_unique<State>()) {}
StreamReader::~StreamReader() = default;
StreamReader::StreamReader(StreamReader&&) noexcept = default;

void StreamReader::start(Surface surface, bool usage_asked, std::string_view model,
                         Holding holding) {
  State& state = *state_;
  state.surface = surface;
  state.usage_asked = usage_asked;
  state.holding = holding;
  state.read = 0;
  state.events.clear();
  if (state.parser.capacity() > kParserKeptMax) state.parser = dom::parser(kParserMax);
  state.ending.start(surface, usage_asked, model);
  state.usage.reset();
  state.running.reset();
  state.tier = {};
  state.parts = {};
  state.response.start();
  state.paid.start();
  state.walk.clear();
  state.state = StreamState::kOpen;
  state.passing = Passing::kHandOn;
  state.begun = state.failed = state.message_ending = false;
  state.choices.clear();
  state.choices_open = 0;
  state.blocks.clear();
  state.transcript_bytes = 0;
}

FaultOr<StreamState> StreamReader::feed(std::string_view piece, std::string& out, OutputSink& sink,
                                        AnswerSink* answer, CallSink* calls) {
  State& state = *state_;
  state.calls.start(calls);
  state.answer = answer;
  if (answer != nullptr) state.walk.start(*answer);
  state.teller.start(sink);
  state.events.append(piece);
  for (;;) {
    if (state.events.trailing_lf() && state.passing == Passing::kHandOn) out.push_back('\n');
    if (state.state == StreamState::kFinished) return StreamState::kFinished;
    const std::optional<SseEvent> event = state.events.next();
    if (!event) break;
    if (std::ssize(event->raw) > kEventBytesMax) return broken("has an event that is too long");
    const FaultOr<Passing> passing = state.read_event(*event);
    if (!passing) {
      state.ending.take_back(state.read);
      return std::unexpected(passing.error());
    }
    if (calls != nullptr && calls->stops()) {
      state.ending.take_back(state.read);
      return StreamState::kOpen;
    }
    state.passing = *passing;
    if (*passing == Passing::kHandOn) out += event->raw;
  }
  if (std::cmp_greater(state.events.pending(), kEventBytesMax))
    return broken("has an event that is too long");
  return StreamState::kOpen;
}

void StreamReader::take_back_last_event() { state_->ending.take_back(state_->read); }

std::size_t StreamReader::events() const { return state_->read; }
void StreamReader::handed_on(std::size_t events) { state_->ending.handed_on(events); }

const std::optional<Usage>& StreamReader::usage() const { return state_->usage; }
EarlyUsage StreamReader::early_usage() const {
  if (dialect_of(state_->surface) != Dialect::kAnthropic) return {.usage = state_->tier};
  return state_->parts.early();
}

ToolCalls StreamReader::tool_calls() const { return state_->paid.total(); }
bool StreamReader::begun() const { return state_->begun; }

bool StreamReader::output_ended() const {
  return !state_->choices.empty() && state_->choices_open == 0;
}
bool StreamReader::failed() const { return state_->failed; }

void StreamReader::end(Ending ending, const Usage& counted, std::string& out) {
  State& state = *state_;
  if (state.holding == Holding::kNo) state.ending.handed_on(state.read);
  state.ending.end(ending, counted, out);
}

void StreamReader::fail(std::string_view error_json, std::string& out) {
  State& state = *state_;
  if (state.holding == Holding::kNo) state.ending.handed_on(state.read);
  state.ending.fail(error_json, out);
}

}  // namespace tollgate::dialects
