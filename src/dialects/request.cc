#include "dialects/request.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "dialects/request_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

struct RequestReader::State : Reading {};

namespace {

// Above this a batch is a mistake, and products of it stay far from the end of 63 bits.
constexpr std::int64_t kChoicesMax = 1 << 20;
// Anthropic takes no smaller budget for thinking.
constexpr Tokens kThinkingBudgetMin = 1024;

Checked read_model(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<std::string_view> model = read_string(value, path);
  if (!model) return std::unexpected(model.error());
  if (model->empty()) return wrong_type(path, "the name of a model");
  reading.request.model = *model;
  return {};
}

Checked read_count(std::int64_t& into, std::int64_t most, dom::element value,
                   const FieldPath& path) {
  const Expected<std::int64_t> number = read_integer(value, 1, most, path);
  if (!number) return std::unexpected(number.error());
  into = *number;
  return {};
}

Checked read_cap(std::optional<Tokens>& into, dom::element value, const FieldPath& path) {
  return read_count(into.emplace(), kTokensMax, value, path);
}

Checked read_stream(Reading& reading, dom::element value, const FieldPath& path) {
  bool streamed = false;
  if (value.get(streamed) != simdjson::SUCCESS) return wrong_type(path, "true or false");
  reading.request.delivery = streamed ? Delivery::kStreamed : Delivery::kWhole;
  return {};
}

Checked read_stream_options(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> options = read_object(value, path);
  if (!options) return std::unexpected(options.error());
  for (const dom::key_value_pair field : *options) {
    const FieldPath member{&path, field.key};
    if (Checked named = check_name(reading, field.key, member); !named) return named;
    if (field.key != "include_usage" || field.value.is_null()) continue;
    if (field.value.get(reading.request.usage_asked) != simdjson::SUCCESS)
      return wrong_type(member, "true or false");
  }
  return {};
}

Checked read_speed(dom::element value, const FieldPath& path) {
  const Expected<std::string_view> speed = read_string(value, path);
  if (!speed) return std::unexpected(speed.error());
  if (*speed != "standard") return not_served(path, "asks for a speed that is priced otherwise.");
  return {};
}

Checked read_modalities(dom::element value, const FieldPath& path) {
  const Expected<dom::array> modalities = read_array(value, path);
  if (!modalities) return std::unexpected(modalities.error());
  for (const dom::element modality : *modalities) {
    std::string_view name;
    if (modality.get(name) != simdjson::SUCCESS || name != "text")
      return not_served(path, "asks for more than text, which is not counted here.");
  }
  return {};
}

Checked read_logprob_count(dom::element value, const FieldPath& path) {
  if (value.is_bool()) return {};
  const Expected<std::int64_t> count = read_integer(value, 0, kLogprobsMax, path);
  if (!count) return std::unexpected(count.error());
  return {};
}

// A single value sets a knob; what has a structure can name sources, tools or addresses.
Checked read_unknown(Reading& reading, dom::element value, const FieldPath& path) {
  if (Checked named = check_name(reading, path.key, path); !named) return named;
  if (!value.is_object() && !value.is_array()) return {};
  return not_served(path,
                    "is not known to this version: it may cost or reach what is not controlled "
                    "here. Leave it out.");
}

Checked read_refused(dom::element value, const FieldPath& path) {
  if (bool set = true; value.get(set) == simdjson::SUCCESS && !set) return {};
  return not_served(path, "is not served: what it costs or reaches is not controlled here.");
}

// A format that is only named adds nothing to the prompt.
void read_counted(Reading& reading, dom::element value) {
  constexpr std::string_view kNamed[] = {"text", "json_object"};
  dom::object object;
  std::string_view type;
  const bool only_named = value.get(object) == simdjson::SUCCESS && object.size() == 1 &&
                          object.at_key("type").get(type) == simdjson::SUCCESS &&
                          std::ranges::find(kNamed, type) != std::end(kNamed);
  if (only_named) return;
  reading.add_definition(value);
  ++reading.request.turns.formats;
}

Checked read_special_tokens(Reading& reading, dom::element value, const FieldPath& path) {
  if (value.get(reading.request.adds_special_tokens) != simdjson::SUCCESS)
    return wrong_type(path, "true or false");
  return {};
}

Checked read_text_options(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> options = read_object(value, path);
  if (!options) return std::unexpected(options.error());
  for (const dom::key_value_pair field : *options) {
    if (Checked named = check_name(reading, field.key, FieldPath{&path, field.key}); !named)
      return named;
    if (field.key == "format" && !field.value.is_null()) {
      read_counted(reading, field.value);
    } else {
      reading.add_carried(field.value);
    }
  }
  return {};
}

Checked read_tools(Reading& reading, dom::element value, const FieldPath& path) {
  switch (reading.request.surface) {
    case Surface::kMessages:
    case Surface::kCountTokens:
      return read_anthropic_tools(reading, value, path);
    case Surface::kResponses:
      return read_response_tools(reading, value, path);
    default:
      return read_chat_tools(reading, value, path);
  }
}

// What the model is asked of.
Checked read_asked(Reading& reading, FieldUse use, dom::element value, const FieldPath& path) {
  const bool anthropic = dialect_of(reading.request.surface) == Dialect::kAnthropic;
  switch (use) {
    case FieldUse::kMessages:
      return anthropic ? read_anthropic_messages(reading, value, path)
                       : read_chat_messages(reading, value, path);
    case FieldUse::kSystem:
      return read_anthropic_system(reading, value, path);
    case FieldUse::kPrompt:
    case FieldUse::kInput:
      return read_prompt(reading, value, path);
    case FieldUse::kModerated:
      return read_moderated(reading, value, path);
    case FieldUse::kQuery:
      return read_query(reading, value, path);
    case FieldUse::kDocuments:
      return read_documents(reading, value, path);
    case FieldUse::kItems:
      return read_items(reading, value, path);
    case FieldUse::kInstructions:
      return read_instructions(reading, value, path);
    case FieldUse::kTextOptions:
      return read_text_options(reading, value, path);
    case FieldUse::kDescription:
    case FieldUse::kSpoken:
    case FieldUse::kImageSize:
    case FieldUse::kImageQuality:
    case FieldUse::kImageFormat:
    case FieldUse::kSoundFormat:
    case FieldUse::kSoundStream:
      return read_made(reading, use, value, path);
    case FieldUse::kStore:
      return read_store(reading, value, path);
    case FieldUse::kPreviousResponse:
      return read_previous_response(reading, value, path);
    case FieldUse::kConversation:
      return read_conversation(reading, value, path);
    case FieldUse::kTools:
      return read_tools(reading, value, path);
    case FieldUse::kFunctions:
      return read_chat_functions(reading, value, path);
    case FieldUse::kMaxToolCalls:
      return read_max_tool_calls(reading, value, path);
    case FieldUse::kToolChoice:
      return read_tool_choice(reading, value, path);
    default:
      break;
  }
  return not_served(path, "is not read by this version.");
}

Checked read_field(Reading& reading, FieldUse use, dom::element value, const FieldPath& path) {
  switch (use) {
    case FieldUse::kPass:
    case FieldUse::kBesideTools:
      reading.add_carried(value);
      return check_name(reading, path.key, path);
    case FieldUse::kUnknown:
      reading.add_carried(value);
      return read_unknown(reading, value, path);
    case FieldUse::kDrop:
      return {};
    case FieldUse::kRefuse:
      return read_refused(value, path);
    case FieldUse::kSpecialTokens:
      return read_special_tokens(reading, value, path);
    case FieldUse::kCountedText:
      read_counted(reading, value);
      return {};
    case FieldUse::kModel:
      return read_model(reading, value, path);
    case FieldUse::kModalities:
      return read_modalities(value, path);
    case FieldUse::kChoices:
      return read_count(reading.n, kChoicesMax, value, path);
    case FieldUse::kBestOf:
      return read_count(reading.best_of, kChoicesMax, value, path);
    case FieldUse::kMaxTokens:
      return read_cap(reading.max_tokens, value, path);
    case FieldUse::kMaxCompletionTokens:
      return read_cap(reading.max_completion_tokens, value, path);
    case FieldUse::kStream:
      return read_stream(reading, value, path);
    case FieldUse::kStreamOptions:
      return read_stream_options(reading, value, path);
    case FieldUse::kServiceTier:
      return read_service_tier(reading, value, path);
    case FieldUse::kCacheControl:
      read_cache_control(reading, value, path);
      return {};
    case FieldUse::kSpeed:
      return read_speed(value, path);
    case FieldUse::kLogprobCount:
      return read_logprob_count(value, path);
    case FieldUse::kThinking:
      reading.add_carried(value);
      return read_anthropic_thinking(reading, value, path);
    default:
      return read_asked(reading, use, value, path);
  }
}

bool has_field(const Reading& reading, FieldUse use) {
  return std::ranges::find(reading.uses, use) != reading.uses.end();
}

struct Required {
  FieldUse use;
  std::string_view field;
};

// The fields that a surface cannot be without.
std::span<const Required> required_of(Surface surface) {
  static constexpr Required kChat[] = {{FieldUse::kMessages, "messages"}};
  static constexpr Required kText[] = {{FieldUse::kPrompt, "prompt"}};
  static constexpr Required kVector[] = {{FieldUse::kInput, "input"}};
  static constexpr Required kMessage[] = {{FieldUse::kMessages, "messages"},
                                          {FieldUse::kMaxTokens, "max_tokens"}};
  static constexpr Required kResponse[] = {{FieldUse::kItems, "input"}};
  static constexpr Required kModeration[] = {{FieldUse::kModerated, "input"}};
  static constexpr Required kRanking[] = {{FieldUse::kQuery, "query"},
                                          {FieldUse::kDocuments, "documents"}};
  static constexpr Required kMade[] = {{FieldUse::kDescription, "prompt"}};
  static constexpr Required kSaid[] = {{FieldUse::kSpoken, "input"}};
  switch (surface) {
    case Surface::kChatCompletions:
    case Surface::kCountTokens:
      return kChat;
    case Surface::kCompletions:
      return kText;
    case Surface::kEmbeddings:
      return kVector;
    case Surface::kMessages:
      return kMessage;
    case Surface::kResponses:
      return kResponse;
    case Surface::kModerations:
      return kModeration;
    case Surface::kRerank:
      return kRanking;
    case Surface::kImages:
      return kMade;
    case Surface::kSpeech:
      return kSaid;
    case Surface::kTranscriptions:  // Forms: request_form.cc.
    case Surface::kTranslations:
    case Surface::kImageEdits:
    case Surface::kMcp:
    case Surface::kModels:
      break;
  }
  return {};
}

// Nothing is missing, and what has to agree does.
Checked check_whole(Reading& reading) {
  const Surface surface = reading.request.surface;
  if (reading.request.model.empty()) return missing(FieldPath{nullptr, "model"});
  for (const Required& required : required_of(surface))
    if (!has_field(reading, required.use)) return missing(FieldPath{nullptr, required.field});

  if (reading.max_tokens && reading.max_completion_tokens &&
      *reading.max_tokens != *reading.max_completion_tokens)
    return wrong_type(FieldPath{nullptr, "max_tokens"}, "the same as 'max_completion_tokens'");
  if (surface != Surface::kMessages) return {};
  if (reading.thinking_budget && *reading.thinking_budget >= *reading.max_tokens)
    return wrong_type(FieldPath{nullptr, "thinking"}, "of fewer 'budget_tokens' than 'max_tokens'");
  return {};
}

void append_number(std::int64_t number, std::string& out) { out += std::to_string(number); }

void append_key(std::string_view name, std::string& out) {
  if (out.back() != '{') out.push_back(',');
  append_json_string(name, out);
  out.push_back(':');
}

// Messages, items, blocks and tools without `cache_control`: writing to a provider's cache has a
// price of its own, which a model's price does not hold, and nobody has read it. Inside of what the
// caller calls its own (arguments, schemas) nothing is left out.
void append_without_cache_control(dom::element value, std::string& out) {
  if (value.is_array()) {
    char separator = '[';
    for (const dom::element child : dom::array(value)) {
      out.push_back(separator);
      separator = ',';
      append_without_cache_control(child, out);
    }
    out += separator == '[' ? "[]" : "]";
  } else if (value.is_object()) {
    out.push_back('{');
    for (const dom::key_value_pair field : dom::object(value)) {
      if (field.key == "cache_control") continue;
      append_key(field.key, out);
      if (field.key == "content" || field.key == "output" || field.key == "summary") {
        append_without_cache_control(field.value, out);
      } else {
        append_json(field.value, out);
      }
    }
    out.push_back('}');
  } else {
    append_json(value, out);
  }
}

// An upstream refuses a budget for thinking that the output cap does not hold.
void append_thinking(const Reading& reading, const Edits& edits, dom::element value,
                     std::string& out) {
  const bool fits = !reading.thinking_budget || !edits.output_tokens ||
                    *reading.thinking_budget < *edits.output_tokens;
  if (fits) return append_json(value, out);
  if (*edits.output_tokens <= kThinkingBudgetMin) {
    out += R"({"type":"disabled"})";
    return;
  }
  out.push_back('{');
  for (const dom::key_value_pair field : dom::object(value)) {
    append_key(field.key, out);
    if (field.key == "budget_tokens") {
      append_number(*edits.output_tokens - 1, out);
    } else {
      append_json(field.value, out);
    }
  }
  out.push_back('}');
}

void append_field(const Reading& reading, const Edits& edits, FieldUse use,
                  dom::key_value_pair field, std::string& out) {
  append_key(field.key, out);
  switch (use) {
    case FieldUse::kModel:
      append_json_string(edits.model, out);
      return;
    case FieldUse::kMaxTokens:
    case FieldUse::kMaxCompletionTokens:
      if (!edits.output_tokens) return append_json(field.value, out);
      return append_number(*edits.output_tokens, out);
    case FieldUse::kServiceTier:
      append_tier(reading, edits, out);
      return;
    case FieldUse::kMaxToolCalls:
      if (!edits.tool_calls) return append_json(field.value, out);
      return append_number(*edits.tool_calls, out);
    case FieldUse::kTools:
      if (edits.tool_calls && reading.request.surface == Surface::kMessages)
        return append_bounded_tools(field.value, edits, out);
      [[fallthrough]];
    case FieldUse::kMessages:
    case FieldUse::kSystem:
      if (edits.cache_control) return append_json(field.value, out);
      [[fallthrough]];
    case FieldUse::kItems:
    case FieldUse::kModerated:
      append_without_cache_control(field.value, out);
      return;
    case FieldUse::kThinking:
      append_thinking(reading, edits, field.value, out);
      return;
    case FieldUse::kPreviousResponse:
    case FieldUse::kConversation:
      append_json_string(edits.previous_response, out);
      return;
    default:
      append_json(field.value, out);
      return;
  }
}

// The names under which the upstream reads the output cap.
struct CapNames {
  bool max_tokens = true;
  bool max_completion_tokens = false;
  bool max_output_tokens = false;
};

CapNames cap_names(const Reading& reading, const Edits& edits) {
  if (reading.request.surface == Surface::kResponses)
    return {.max_tokens = false, .max_output_tokens = true};
  if (reading.request.surface != Surface::kChatCompletions) return {};
  return {.max_tokens = edits.cap_field != CapField::kMaxCompletionTokens,
          .max_completion_tokens = edits.cap_field != CapField::kMaxTokens};
}

// Whether a field of the caller's goes to the upstream. Usage is asked of every stream, so that
// it can be settled, and no other option (usage in each chunk is not the whole): StreamReader
// hides what the caller did not ask for.
bool is_written(FieldUse use, const Edits& edits, const CapNames& cap) {
  switch (use) {
    case FieldUse::kDrop:
    case FieldUse::kStreamOptions:
      return false;
    case FieldUse::kMaxTokens:
      return !edits.output_tokens || cap.max_tokens || cap.max_output_tokens;
    case FieldUse::kMaxCompletionTokens:
      return !edits.output_tokens || cap.max_completion_tokens;
    case FieldUse::kPreviousResponse:
    case FieldUse::kConversation:
      return !edits.previous_response.empty();
    case FieldUse::kCacheControl:
      return edits.cache_control;
    default:
      return true;
  }
}

// The cap, where the caller has not written it under the name.
void append_cap(const Reading& reading, Tokens cap, const CapNames& names, std::string& out) {
  if (names.max_tokens && !reading.max_tokens) {
    append_key("max_tokens", out);
    append_number(cap, out);
  }
  if (names.max_completion_tokens && !reading.max_completion_tokens) {
    append_key("max_completion_tokens", out);
    append_number(cap, out);
  }
  if (names.max_output_tokens && !reading.max_tokens) {
    append_key("max_output_tokens", out);
    append_number(cap, out);
  }
}

// From here on all that was read is in the request.
Request finish(Reading& reading) {
  reading.settle_texts();
  Request& request = reading.request;
  request.texts = reading.texts;
  request.carried = reading.carried;
  request.tools = reading.tools;
  request.calls = reading.calls;
  request.chosen = reading.chosen;
  request.images = reading.images;
  request.recordings = reading.recordings;
  request.first_image = reading.first_image;
  request.first_recording = reading.first_recording;
  request.addresses = reading.addresses;
  request.output_tokens_asked =
      reading.max_completion_tokens ? reading.max_completion_tokens : reading.max_tokens;
  request.prompts = reading.prompts;
  if (makes_output(request.surface))
    request.choices = reading.prompts * std::max(reading.n, reading.best_of);
  if (unit_of(request.surface) == Unit::kImages) request.choices = reading.n;
  if (request.delivery == Delivery::kWhole) request.usage_asked = false;
  reading.complete = true;
  return request;
}

}  // namespace

RequestReader::RequestReader() : state_(std::make_unique<State>()) {}
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;

Expected<Request> RequestReader::read(Surface surface, std::string_view body,
                                      const ReadLimits& limits) {
  Reading& reading = *state_;
  reading.clear(surface);
  if (asks_by_form(surface))
    return refuse(Reason::kInvalidRequest, "request", "The body must be a form.");
  const Expected<dom::element> root = reading.json.parse(body, limits);
  if (!root) return std::unexpected(root.error());
  if (root->get(reading.body) != simdjson::SUCCESS)
    return refuse(Reason::kInvalidJson, "request", "The body must be a JSON object.");

  for (const dom::key_value_pair field : reading.body) {
    const FieldPath path{nullptr, field.key};
    FieldUse use = use_of(surface, field.key);
    // A known field that is null is as good as absent, and not all servers agree on that.
    if (use != FieldUse::kPass && field.value.is_null()) use = FieldUse::kDrop;
    reading.uses.push_back(use);
    // A name that is not known here is the caller's own text.
    reading.field = use == FieldUse::kUnknown ? std::string_view() : field.key;
    if (Checked read = read_field(reading, use, field.value, path); !read)
      return std::unexpected(std::move(read).error());
  }
  if (Checked whole = check_whole(reading); !whole)
    return std::unexpected(std::move(whole).error());

  return finish(reading);
}

Expected<Request> RequestReader::read_form(Surface surface, std::string_view content_type,
                                           std::string_view body) {
  Reading& reading = *state_;
  reading.clear(surface);
  if (Checked form = dialects::read_form(reading, content_type, body); !form)
    return std::unexpected(std::move(form).error());
  return finish(reading);
}

std::string RequestReader::content_type(const Edits& edits) const {
  return state_->is_form ? form_type(*state_, edits) : "application/json";
}

void RequestReader::write(const Edits& edits, std::string& out) const {
  const Reading& reading = *state_;
  CHECK(reading.complete);
  if (reading.is_form) return write_form(reading, edits, out);
  const Surface surface = reading.request.surface;
  const CapNames cap = cap_names(reading, edits);
  out.push_back('{');
  auto use = reading.uses.begin();
  for (const dom::key_value_pair field : reading.body) {
    const FieldUse used = *use++;
    if (is_written(used, edits, cap)) append_field(reading, edits, used, field, out);
  }
  if (edits.output_tokens && makes_output(surface))
    append_cap(reading, *edits.output_tokens, cap, out);
  const bool has_options = surface == Surface::kChatCompletions || surface == Surface::kCompletions;
  if (has_options && reading.request.delivery == Delivery::kStreamed) {
    append_key("stream_options", out);
    out += "{\"include_usage\":true}";
  }
  if (!edits.service_tier.empty() && !has_field(reading, FieldUse::kServiceTier)) {
    append_key("service_tier", out);
    append_tier(reading, edits, out);
  }
  if (surface == Surface::kImages) append_image_format(reading, edits.model, out);
  // Where nothing is said a provider keeps what was asked and answered.
  if (surface == Surface::kResponses && !has_field(reading, FieldUse::kStore)) {
    append_key("store", out);
    out += "false";
  }
  if (surface == Surface::kResponses && edits.tool_calls &&
      !has_field(reading, FieldUse::kMaxToolCalls)) {
    append_key("max_tool_calls", out);
    append_number(*edits.tool_calls, out);
  }
  out.push_back('}');
}

void RequestReader::write_without_tools(std::span<const std::size_t> removed,
                                        std::string& out) const {
  CHECK(state_->complete);
  dialects::write_without_tools(*state_, removed, out);
}

std::optional<std::size_t> RequestReader::mask(std::span<const Mask> masks,
                                               std::string& out) const {
  if (state_->is_form) return 0;  // A form is not written with masks: it is refused.
  return mask_texts(*state_, masks, out);
}

}  // namespace tollgate::dialects
