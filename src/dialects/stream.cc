// Streams: each complete event is read, told, and handed on or held back.
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "dialects/json_strict.h"
#include "dialects/reply.h"
#include "dialects/reply_reading.h"
#include "dialects/sse.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

constexpr std::int64_t kChoiceIndexMax = 1 << 20;
constexpr std::size_t kOpenBlocksMax = 64;
constexpr std::size_t kParserMax =
    static_cast<std::size_t>(StreamReader::kEventBytesMax) + simdjson::SIMDJSON_PADDING;
// Memory of a parser that has seen a longer event is given back before the next stream.
constexpr std::size_t kParserKeptMax = std::size_t{64} << 10;

enum class Progress : std::uint8_t { kUnseen, kOpen, kFinished };

enum class Passing : std::uint8_t { kHandOn, kHoldBack };

// The identity that every chunk of a stream repeats.
struct Identity {
  std::string id;
  std::string model;
  std::int64_t created = 0;
};

std::unexpected<Fault> broken(std::string_view what) {
  return fault(FaultKind::kBroken, fmt::format("The upstream's stream {}.", what));
}

void remember(std::string& into, dom::element value) {
  std::string_view text;
  if (into.empty() && value.get(text) == simdjson::SUCCESS) into = text;
}

}  // namespace

struct StreamReader::State {
  Surface surface = Surface::kChatCompletions;
  bool usage_asked = false;
  SseSplitter events;
  dom::parser parser{kParserMax};
  Teller teller;

  Identity identity;
  std::optional<Usage> usage;
  std::optional<Usage> running;  // OpenAI: told beside choices, the whole only if [DONE] follows.
  AnthropicUsage parts;
  StreamState state = StreamState::kOpen;
  Passing passing = Passing::kHandOn;  // Of the last event.
  bool begun = false;
  bool failed = false;
  bool usage_handed_on = false;

  std::vector<Progress> choices;  // OpenAI: by index.
  std::int64_t choices_open = 0;
  std::vector<std::int64_t> blocks;  // Anthropic: the open ones.
  bool message_started = false;
  bool message_ending = false;  // message_delta with a stop reason has passed.

  std::string_view asked_model;  // For an ending before the upstream has named its own.

  // How things stood before the last event, to take it back.
  struct Before {
    StreamState state = StreamState::kOpen;
    bool begun = false;
    bool usage_handed_on = false;
    bool message_started = false;
    bool message_ending = false;
    std::size_t blocks = 0;
  };
  Before before;
  std::vector<std::size_t> just_finished;  // Choices, by the last event.

  std::string_view model() const {
    return identity.model.empty() ? asked_model : std::string_view(identity.model);
  }

  FaultOr<Passing> read_event(const SseEvent& event);
  FaultOr<Passing> read_chunk(dom::object chunk);
  FaultOr<Passing> read_choice(dom::element element);
  FaultOr<Passing> read_anthropic(dom::object event);
  FaultOr<Passing> read_block_start(dom::object event);
  void read_block_delta(dom::object event);
  void read_message_start(dom::object event);
  void read_message_delta(dom::object event);

  void write_choice(std::int64_t index, std::string_view reason, std::string& out) const;
  void write_usage_chunk(const Usage& counted, std::string& out) const;
  void begin_chunk(JsonWriter& json) const;
  void write_message_start(const Usage& counted, std::string& out) const;
  void end_openai(Ending ending, const Usage& counted, std::string& out);
  void end_anthropic(Ending ending, const Usage& counted, std::string& out);
};

// Events -----------------------------------------------------------------------------------

FaultOr<Passing> StreamReader::State::read_event(const SseEvent& event) {
  before = {state, begun, usage_handed_on, message_started, message_ending, blocks.size()};
  just_finished.clear();
  if (event.type == "error") failed = true;
  if (event.data.empty()) return Passing::kHandOn;
  const bool anthropic = dialect_of(surface) == Dialect::kAnthropic;
  if (!anthropic && event.data == "[DONE]") {
    if (!usage) usage = running;
    state = StreamState::kFinished;
    return Passing::kHandOn;
  }
  dom::element root;
  const simdjson::error_code error =
      parser.parse(event.data.data(), event.data.size(), false).get(root);
  if (error != simdjson::SUCCESS)
    return broken(fmt::format("has an event that is not JSON: {}", simdjson::error_message(error)));
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return broken("has an event that is no object");
  return anthropic ? read_anthropic(object) : read_chunk(object);
}

FaultOr<Passing> StreamReader::State::read_chunk(dom::object chunk) {
  dom::element told_usage;
  bool has_usage = false;
  bool has_choices = false;
  std::size_t choices_told = 0;
  for (const dom::key_value_pair field : chunk) {
    if (field.key == "id") {
      remember(identity.id, field.value);
    } else if (field.key == "model") {
      remember(identity.model, field.value);
    } else if (field.key == "created") {
      std::int64_t created = 0;
      if (field.value.get(created) == simdjson::SUCCESS) identity.created = created;
    } else if (field.key == "error") {
      failed = failed || !field.value.is_null();
    } else if (field.key == "usage") {
      told_usage = field.value;
      has_usage = !field.value.is_null();
    } else if (field.key == "choices" && !field.value.is_null()) {
      dom::array array;
      if (field.value.get(array) != simdjson::SUCCESS)
        return broken("has choices that are no list");
      has_choices = true;
      for (const dom::element choice : array) {
        ++choices_told;
        if (const FaultOr<Passing> read = read_choice(choice); !read) return read;
      }
    }
  }
  begun = begun || choices_told > 0;
  // Usage beside choices, or before some, is not yet the whole: of many choices, one may end
  // before another begins.
  if (choices_told > 0) {
    usage.reset();
    running.reset();
  }
  if (!has_usage) return Passing::kHandOn;
  (choices_told > 0 ? running : usage) = read_openai_usage(surface, told_usage);
  const bool only_usage = has_choices && choices_told == 0;
  if (only_usage && !usage_asked) return Passing::kHoldBack;
  usage_handed_on = usage_handed_on || only_usage;
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
  }
  for (const dom::key_value_pair field : choice) {
    dom::object delta;
    if (field.key == "text") {
      teller.any(index, field.value);
    } else if (field.key == "delta" && field.value.get(delta) == simdjson::SUCCESS) {
      teller.chat_message(index, delta);
    } else if (field.key == "finish_reason" && !field.value.is_null() &&
               choices[at] == Progress::kOpen) {
      choices[at] = Progress::kFinished;
      just_finished.push_back(at);
      --choices_open;
    }
  }
  return Passing::kHandOn;
}

FaultOr<Passing> StreamReader::State::read_anthropic(dom::object event) {
  std::string_view type;
  if (event.at_key("type").get(type) != simdjson::SUCCESS) return Passing::kHandOn;
  if (type == "content_block_delta") {
    begun = true;
    read_block_delta(event);
  } else if (type == "content_block_start") {
    begun = true;
    return read_block_start(event);
  } else if (type == "content_block_stop") {
    std::int64_t index = 0;
    if (event.at_key("index").get(index) == simdjson::SUCCESS) std::erase(blocks, index);
  } else if (type == "message_start") {
    begun = true;
    message_started = true;
    read_message_start(event);
  } else if (type == "message_delta") {
    read_message_delta(event);
  } else if (type == "message_stop") {
    state = StreamState::kFinished;
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
    if (field.key == "id") remember(identity.id, field.value);
    if (field.key == "model") remember(identity.model, field.value);
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
      message_ending = message_ending || ends;
    }
  }
  // Output in message_start is only a beginning: what counts is told with the stop reason.
  if (message_ending) usage = parts.total();
}

// Endings ----------------------------------------------------------------------------------

void StreamReader::State::begin_chunk(JsonWriter& json) const {
  const bool chat = surface == Surface::kChatCompletions;
  json.begin_object();
  json.member("id", identity.id.empty() ? std::string_view("tollgate") : identity.id);
  json.member("object", chat ? "chat.completion.chunk" : "text_completion");
  json.member("created", identity.created);
  json.member("model", model());
  json.key("choices");
  json.begin_array();
}

void StreamReader::State::write_choice(std::int64_t index, std::string_view reason,
                                       std::string& out) const {
  out += "data: ";
  JsonWriter json(out);
  begin_chunk(json);
  json.begin_object();
  json.member("index", index);
  if (surface == Surface::kChatCompletions) {
    json.key("delta");
    json.begin_object();
    if (!begun) {
      json.member("role", "assistant");
      json.member("content", "");
    }
    json.end_object();
  } else {
    json.member("text", "");
  }
  json.key("logprobs");
  json.null();
  json.member("finish_reason", reason);
  json.end_object();
  json.end_array();
  json.end_object();
  out += "\n\n";
}

void StreamReader::State::write_usage_chunk(const Usage& counted, std::string& out) const {
  out += "data: ";
  JsonWriter json(out);
  begin_chunk(json);
  json.end_array();
  json.key("usage");
  json.begin_object();
  json.member("prompt_tokens", counted.input);
  json.member("completion_tokens", counted.output);
  json.member("total_tokens", counted.input + counted.output);
  json.key("prompt_tokens_details");
  json.begin_object();
  json.member("cached_tokens", counted.cached_input);
  json.end_object();
  json.key("completion_tokens_details");
  json.begin_object();
  json.member("reasoning_tokens", counted.reasoning);
  json.end_object();
  json.end_object();
  json.end_object();
  out += "\n\n";
}

void StreamReader::State::end_openai(Ending ending, const Usage& counted, std::string& out) {
  const std::string_view reason = ending == Ending::kLength ? "length" : "content_filter";
  if (choices.empty()) write_choice(0, reason, out);
  for (std::size_t index = 0; index < choices.size(); ++index) {
    if (choices[index] == Progress::kOpen)
      write_choice(static_cast<std::int64_t>(index), reason, out);
  }
  if (usage_asked && !usage_handed_on) write_usage_chunk(counted, out);
  out += "data: [DONE]\n\n";
}

void StreamReader::State::write_message_start(const Usage& counted, std::string& out) const {
  out += "event: message_start\ndata: ";
  JsonWriter json(out);
  json.begin_object();
  json.member("type", "message_start");
  json.key("message");
  json.begin_object();
  json.member("id", "msg_tollgate");
  json.member("type", "message");
  json.member("role", "assistant");
  json.member("model", model());
  json.key("content");
  json.begin_array();
  json.end_array();
  json.key("stop_reason");
  json.null();
  json.key("stop_sequence");
  json.null();
  json.key("usage");
  json.begin_object();
  json.member("input_tokens", counted.input - counted.cached_input);
  json.member("cache_creation_input_tokens", 0);
  json.member("cache_read_input_tokens", counted.cached_input);
  json.member("output_tokens", 0);
  json.end_object();
  json.end_object();
  json.end_object();
  out += "\n\n";
}

void StreamReader::State::end_anthropic(Ending ending, const Usage& counted, std::string& out) {
  if (!message_started) write_message_start(counted, out);
  for (const std::int64_t block : blocks)
    out += fmt::format(
        "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":{}}}\n\n",
        block);
  if (!message_ending) {
    const std::string_view reason = ending == Ending::kLength ? "max_tokens" : "refusal";
    out += "event: message_delta\ndata: ";
    JsonWriter json(out);
    json.begin_object();
    json.member("type", "message_delta");
    json.key("delta");
    json.begin_object();
    json.member("stop_reason", reason);
    json.key("stop_sequence");
    json.null();
    json.end_object();
    json.key("usage");
    json.begin_object();
    json.member("output_tokens", counted.output);
    json.end_object();
    json.end_object();
    out += "\n\n";
  }
  out += "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
}

// The reader -------------------------------------------------------------------------------

StreamReader::StreamReader() : state_(std::make_unique<State>()) {}
StreamReader::~StreamReader() = default;
StreamReader::StreamReader(StreamReader&&) noexcept = default;

void StreamReader::start(Surface surface, bool usage_asked, std::string_view model) {
  State& state = *state_;
  state.asked_model = model;
  state.before = {};
  state.just_finished.clear();
  state.surface = surface;
  state.usage_asked = usage_asked;
  state.events.clear();
  if (state.parser.capacity() > kParserKeptMax) state.parser = dom::parser(kParserMax);
  state.identity.id.clear();
  state.identity.model.clear();
  state.identity.created = 0;
  state.usage.reset();
  state.running.reset();
  state.parts = {};
  state.state = StreamState::kOpen;
  state.passing = Passing::kHandOn;
  state.begun = state.failed = state.usage_handed_on = false;
  state.choices.clear();
  state.choices_open = 0;
  state.blocks.clear();
  state.message_started = state.message_ending = false;
}

FaultOr<StreamState> StreamReader::feed(std::string_view piece, std::string& out,
                                        OutputSink& sink) {
  State& state = *state_;
  state.teller.start(sink);
  state.events.append(piece);
  for (;;) {
    if (state.events.trailing_lf() && state.passing == Passing::kHandOn) out.push_back('\n');
    if (state.state == StreamState::kFinished) return StreamState::kFinished;
    const std::optional<SseEvent> event = state.events.next();
    if (!event) break;
    if (std::ssize(event->raw) > kEventBytesMax) return broken("has an event that is too long");
    const FaultOr<Passing> passing = state.read_event(*event);
    if (!passing) return std::unexpected(passing.error());
    state.passing = *passing;
    if (*passing == Passing::kHandOn) out += event->raw;
  }
  if (std::cmp_greater(state.events.pending(), kEventBytesMax))
    return broken("has an event that is too long");
  return StreamState::kOpen;
}

void StreamReader::take_back_last_event() {
  State& state = *state_;
  for (const std::size_t at : state.just_finished) {
    state.choices[at] = Progress::kOpen;
    ++state.choices_open;
  }
  state.just_finished.clear();
  state.state = state.before.state;
  state.begun = state.before.begun;
  state.usage_handed_on = state.before.usage_handed_on;
  state.message_started = state.before.message_started;
  state.message_ending = state.before.message_ending;
  if (state.blocks.size() > state.before.blocks) state.blocks.resize(state.before.blocks);
}

const std::optional<Usage>& StreamReader::usage() const { return state_->usage; }
bool StreamReader::begun() const { return state_->begun; }

bool StreamReader::output_ended() const {
  return !state_->choices.empty() && state_->choices_open == 0;
}
bool StreamReader::failed() const { return state_->failed; }

void StreamReader::end(Ending ending, const Usage& counted, std::string& out) {
  State& state = *state_;
  if (state.state == StreamState::kFinished) return;
  state.state = StreamState::kFinished;
  if (dialect_of(state.surface) == Dialect::kAnthropic) {
    state.end_anthropic(ending, counted, out);
  } else {
    state.end_openai(ending, counted, out);
  }
}

void StreamReader::fail(std::string_view error_json, std::string& out) {
  State& state = *state_;
  if (state.state == StreamState::kFinished) return;
  state.state = StreamState::kFinished;
  if (dialect_of(state.surface) == Dialect::kAnthropic) out += "event: error\n";
  out += "data: ";
  out += error_json;
  out += "\n\n";
}

}  // namespace tollgate::dialects
