// Answers of OpenAI's chat completions.
#include <fmt/format.h>

#include "dialects/reply_reading.h"
#include "translation/answer.h"
#include "translation/reading.h"

namespace tollgate::translation {

namespace dom = simdjson::dom;

namespace {

class ChatSource final : public AnswerSource {
 public:
  void start() override {
    begun_ = is_open_ = has_ended_ = false;
    call_ = -1;
    calls_ = 0;
  }
  FaultOr<void> whole(dom::object answer, AnswerParts& parts) override;
  FaultOr<void> event(std::string_view type, dom::object chunk, AnswerParts& parts) override;
  FaultOr<void> last(AnswerParts& parts) override;

 private:
  static FaultOr<dom::object> only_choice(dom::array choices);
  void begin(dom::object answer, AnswerParts& parts);
  FaultOr<void> message_texts(dom::object message, AnswerParts& parts);
  FaultOr<void> message(dom::object message, AnswerParts& parts);
  FaultOr<void> calls(dom::element value, AnswerParts& parts);
  FaultOr<void> one_call(dom::object call, std::int64_t index, AnswerParts& parts);
  bool is_another(dom::object call, std::int64_t index, std::string_view name) const;
  // Whether it says why it ended.
  static FaultOr<bool> finish(dom::object choice, AnswerParts& parts);
  static void usage(dom::object answer, AnswerParts& parts);

  bool begun_ = false;
  std::int64_t call_ = -1;  // The one that has begun last…
  bool is_open_ = false;    // …and may go on.
  bool has_ended_ = false;
  std::string call_id_;
  std::string call_name_;
  std::int64_t calls_ = 0;
  std::string answer_id_;
};

FaultOr<dom::object> ChatSource::only_choice(dom::array choices) {
  dom::object choice;
  if (choices.size() != 1) return broken("has more than one choice");
  if (choices.at(0).get(choice) != simdjson::SUCCESS)
    return broken("has a choice that is no object");
  std::int64_t index = 0;
  if (choice.at_key("index").get(index) == simdjson::SUCCESS && index != 0)
    return broken("has a choice that was not asked for");
  return choice;
}

void ChatSource::begin(dom::object answer, AnswerParts& parts) {
  std::int64_t created = 0;
  (void)answer.at_key("created").get(created);
  answer_id_ = string_at(answer, "id");
  parts.begin(answer_id_, string_at(answer, "model"), created);
}

// In the order in which a model brings them forth.
FaultOr<void> ChatSource::message_texts(dom::object message, AnswerParts& parts) {
  FaultOr<std::string_view> thought = told_string(message, "reasoning_content");
  if (thought && thought->empty()) thought = told_string(message, "reasoning");
  if (!thought) return std::unexpected(thought.error());
  if (!thought->empty()) parts.thought(*thought), is_open_ = false;
  const FaultOr<std::string_view> text = told_string(message, "content");
  if (!text) return std::unexpected(text.error());
  if (!text->empty()) parts.text(*text), is_open_ = false;
  const FaultOr<std::string_view> refusal = told_string(message, "refusal");
  if (!refusal) return std::unexpected(refusal.error());
  if (!refusal->empty()) parts.refusal(*refusal), is_open_ = false;
  return {};
}

FaultOr<void> ChatSource::message(dom::object message, AnswerParts& parts) {
  if (FaultOr<void> told = message_texts(message, parts); !told) return told;
  for (const dom::key_value_pair field : message) {
    const std::string_view key = field.key;
    const bool is_text = key == "role" || key == "content" || key == "refusal" ||
                         key == "reasoning" || key == "reasoning_content";
    if (is_text || is_empty(field.value)) continue;
    if (key != "tool_calls") return broken(fmt::format("has a '{}', which has no place", key));
    if (FaultOr<void> told = calls(field.value, parts); !told) return told;
  }
  return {};
}

// Of a whole answer calls are told apart by where they stand, of a stream by their index.
FaultOr<void> ChatSource::calls(dom::element value, AnswerParts& parts) {
  dom::array array;
  if (value.get(array) != simdjson::SUCCESS) return broken("has calls that are no list");
  std::int64_t place = 0;
  for (const dom::element element : array) {
    dom::object call;
    if (element.get(call) != simdjson::SUCCESS) return broken("has a call that is no object");
    std::int64_t index = place++;
    if (dom::element told; begun_ && call.at_key("index").get(told) == simdjson::SUCCESS &&
                           (told.get(index) != simdjson::SUCCESS || index < 0))
      return broken("has a call without a place");
    if (FaultOr<void> told = one_call(call, index, parts); !told) return told;
  }
  return {};
}

// Some servers give all calls of a stream one index.
bool ChatSource::is_another(dom::object call, std::int64_t index, std::string_view name) const {
  if (index != call_) return true;
  const std::string_view id = string_at(call, "id");
  return (!id.empty() && id != call_id_) || (id.empty() && !name.empty() && name != call_name_);
}

FaultOr<void> ChatSource::one_call(dom::object call, std::int64_t index, AnswerParts& parts) {
  dom::object inner;
  const bool is_custom = call.at_key("custom").get(inner) == simdjson::SUCCESS;
  if (!is_custom && call.at_key("function").get(inner) != simdjson::SUCCESS)
    return broken("has a call of no function");
  const FaultOr<std::string_view> name = told_string(inner, "name");
  const FaultOr<std::string_view> input = told_string(inner, is_custom ? "input" : "arguments");
  if (!name) return std::unexpected(name.error());
  if (!input) return std::unexpected(input.error());
  if (is_another(call, index, *name)) {
    if (index < call_) return broken("goes back to a call that had ended");
    if (name->empty()) return broken("has a call without a name");
    call_ = index;
    call_name_ = *name;
    call_id_ = string_at(call, "id");
    // Without one nobody could answer it.
    const std::string made = fmt::format("call_{}_{}", answer_id_, calls_++);
    parts.call(call_id_.empty() ? std::string_view(made) : call_id_, *name, is_custom);
    is_open_ = true;
  }
  if (input->empty()) return {};
  if (!is_open_) return broken("goes back to a call that had ended");
  parts.arguments(*input);
  return {};
}

// The stop sequence that ended it, where it is said: vLLM's and SGLang's words. A number is a
// token.
std::string_view stop_sequence_of(dom::object choice) {
  const std::string_view told = string_at(choice, "stop_reason");
  return told.empty() ? string_at(choice, "matched_stop") : told;
}

FaultOr<bool> ChatSource::finish(dom::object choice, AnswerParts& parts) {
  const FaultOr<std::string_view> reason = told_string(choice, "finish_reason");
  if (!reason) return std::unexpected(reason.error());
  if (reason->empty()) return false;
  if (*reason == "stop") {
    const std::string_view sequence = stop_sequence_of(choice);
    parts.finish(sequence.empty() ? Finish::kStop : Finish::kStopSequence, sequence);
  } else if (*reason == "length") {
    parts.finish(Finish::kLength, {});
  } else if (*reason == "tool_calls") {
    parts.finish(Finish::kCalls, {});
  } else if (*reason == "content_filter") {
    parts.finish(Finish::kFiltered, {});
  } else {
    return broken("ends for a reason that is not known here");
  }
  return true;
}

void ChatSource::usage(dom::object answer, AnswerParts& parts) {
  dom::element told;
  if (answer.at_key("usage").get(told) != simdjson::SUCCESS) return;
  const std::optional<Usage> usage = dialects::read_openai_usage(Surface::kChatCompletions, told);
  if (usage) parts.usage(*usage);
}

FaultOr<void> ChatSource::whole(dom::object answer, AnswerParts& parts) {
  dom::array choices;
  if (answer.at_key("choices").get(choices) != simdjson::SUCCESS)
    return broken("has no list of choices");
  const FaultOr<dom::object> choice = only_choice(choices);
  if (!choice) return std::unexpected(choice.error());
  dom::object told;
  if (choice->at_key("message").get(told) != simdjson::SUCCESS)
    return broken("has a choice without a message");
  begin(answer, parts);
  if (FaultOr<void> read = message(told, parts); !read) return read;
  const FaultOr<bool> ended = finish(*choice, parts);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended) return broken("does not say why it ended");
  usage(answer, parts);
  return {};
}

FaultOr<void> ChatSource::event(std::string_view, dom::object chunk, AnswerParts& parts) {
  if (dom::object error; chunk.at_key("error").get(error) == simdjson::SUCCESS) {
    parts.error(string_at(error, "type"), string_at(error, "message"));
    has_ended_ = true;
    return {};
  }
  if (!begun_) begin(chunk, parts);
  begun_ = true;
  dom::array choices;
  if (chunk.at_key("choices").get(choices) == simdjson::SUCCESS && choices.size() > 0) {
    const FaultOr<dom::object> choice = only_choice(choices);
    if (!choice) return std::unexpected(choice.error());
    if (dom::object delta; choice->at_key("delta").get(delta) == simdjson::SUCCESS) {
      if (FaultOr<void> read = message(delta, parts); !read) return read;
    }
    const FaultOr<bool> ended = finish(*choice, parts);
    if (!ended) return std::unexpected(ended.error());
    has_ended_ = has_ended_ || *ended;
  }
  usage(chunk, parts);
  return {};
}

// One that does not say why it ended may be a part of one.
FaultOr<void> ChatSource::last(AnswerParts& parts) {
  if (!has_ended_) return broken("does not say why it ended");
  return AnswerSource::last(parts);
}

}  // namespace

std::unique_ptr<AnswerSource> make_chat_source() { return std::make_unique<ChatSource>(); }

}  // namespace tollgate::translation
