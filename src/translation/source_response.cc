// Answers of OpenAI's responses.
#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dialects/reply_reading.h"
#include "dialects/response_events.h"
#include "translation/answer.h"
#include "translation/reading.h"

namespace tollgate::translation {

namespace dom = simdjson::dom;

namespace {

// What of an event only repeats what has been told, or says nothing.
bool is_frame(std::string_view type) {
  constexpr std::string_view kFrames[] = {
      "response.in_progress",
      "response.queued",
      "response.content_part.added",
      "response.content_part.done",
      "response.reasoning_part.added",  // vLLM's, around the text of a thought.
      "response.reasoning_part.done",
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_part.done",
  };
  return std::ranges::find(kFrames, type) != std::end(kFrames);
}

class ResponseSource final : public AnswerSource {
 public:
  void start() override {
    kind_ = Kind::kMessage;
    item_ = -1;
    items_.clear();
    texts_ = 0;
    has_calls_ = false;
  }
  FaultOr<void> whole(dom::object answer, AnswerParts& parts) override;
  FaultOr<void> event(std::string_view type, dom::object event, AnswerParts& parts) override;

 private:
  enum class Kind : std::uint8_t { kMessage, kReasoning, kCall, kCustomCall };
  // What a part of a message says; two of the same bytes are not the same.
  enum class Said : std::uint8_t { kText, kRefusal };
  // A text that was told: how long it was, and its digest by FNV-1a.
  struct ToldText {
    std::string list;  // "content", "summary"; empty: the item's own.
    std::int64_t part = 0;
    std::size_t bytes = 0;
    std::uint64_t digest = kNoText;
    Said said = Said::kText;

    void add(std::string_view text);
    bool is(std::string_view text) const;
  };
  struct ToldItem {
    Kind kind = Kind::kMessage;
    std::string name;  // Of a call.
    std::vector<ToldText> texts;
  };
  static constexpr std::uint64_t kNoText = 0xcbf29ce484222325;
  static constexpr std::size_t kPartsMax = 256;     // Of one item.
  static constexpr std::size_t kTextsMax = 10'000;  // Of all of them, and items.

  FaultOr<void> begin_item(dom::object item, AnswerParts& parts);
  FaultOr<void> whole_item(dom::object item, AnswerParts& parts);
  FaultOr<void> item_texts(dom::object item, AnswerParts& parts);
  FaultOr<void> list(dom::object item, std::string_view key, AnswerParts& parts);
  static std::optional<Kind> kind_of(std::string_view type);
  static FaultOr<std::string_view> text_of(dom::object part);
  static void tell_part(dom::object part, std::string_view text, AnswerParts& parts);
  FaultOr<void> text_event(const dialects::ResponsePlace& place, std::string_view type,
                           dom::object event, AnswerParts& parts);
  void tell(Said said, std::string_view text, AnswerParts& parts) const;
  FaultOr<void> item_event(std::string_view type, dom::object event, AnswerParts& parts);
  FaultOr<ToldText*> text_at(std::string_view list, std::int64_t part);
  FaultOr<void> note(std::string_view list, std::int64_t part, std::string_view text,
                     Said said = Said::kText);
  static Said said_by(dom::object part);
  static FaultOr<void> compare(dom::object item, const ToldItem& told);
  static FaultOr<void> compare_list(dom::object item, std::string_view list, const ToldItem& told);
  FaultOr<void> compare_output(dom::object answer, AnswerParts& parts);
  FaultOr<void> ended(std::string_view type, dom::object answer, AnswerParts& parts);
  static void begin(dom::object answer, AnswerParts& parts);

  Kind kind_ = Kind::kMessage;
  std::int64_t item_ = -1;       // The one that is open.
  std::vector<ToldItem> items_;  // In the order in which they began; the last may be open.
  std::size_t texts_ = 0;
  bool has_calls_ = false;
};

void ResponseSource::ToldText::add(std::string_view text) {
  bytes += text.size();
  for (const char c : text) {
    digest = (digest ^ static_cast<unsigned char>(c)) * std::uint64_t{0x100000001b3};
  }
}

bool ResponseSource::ToldText::is(std::string_view text) const {
  if (text.size() != bytes) return false;
  ToldText other;
  other.add(text);
  return other.digest == digest;
}

// Streams tell few texts of an item, and the last one mostly.
FaultOr<ResponseSource::ToldText*> ResponseSource::text_at(std::string_view list,
                                                           std::int64_t part) {
  std::vector<ToldText>& texts = items_.back().texts;
  if (!texts.empty() && texts.back().list == list && texts.back().part == part) {
    return &texts.back();
  }
  const auto known = std::ranges::find_if(
      texts, [&](const ToldText& text) { return text.list == list && text.part == part; });
  if (known != texts.end()) return &*known;
  if (texts.size() == kPartsMax || ++texts_ > kTextsMax) return broken("has too many parts");
  return &texts.emplace_back(std::string(list), part);
}

FaultOr<void> ResponseSource::note(std::string_view list, std::int64_t part, std::string_view text,
                                   Said said) {
  const FaultOr<ToldText*> told = text_at(list, part);
  if (!told) return std::unexpected(told.error());
  (*told)->add(text);
  (*told)->said = said;
  return {};
}

void ResponseSource::begin(dom::object answer, AnswerParts& parts) {
  double created = 0;
  (void)answer.at_key("created_at").get(created);
  parts.begin(string_at(answer, "id"), string_at(answer, "model"),
              created > 0 && created < 1e12 ? static_cast<std::int64_t>(created) : 0);
}

std::optional<ResponseSource::Kind> ResponseSource::kind_of(std::string_view type) {
  if (type == "message") return Kind::kMessage;
  if (type == "reasoning") return Kind::kReasoning;
  if (type == "function_call") return Kind::kCall;
  if (type == "custom_tool_call") return Kind::kCustomCall;
  return std::nullopt;
}

FaultOr<void> ResponseSource::begin_item(dom::object item, AnswerParts& parts) {
  const std::string_view type = string_at(item, "type");
  const std::optional<Kind> kind = kind_of(type);
  if (!kind) return broken(fmt::format("has an item of type '{}', which has no place", type));
  if (++texts_ > kTextsMax) return broken("has too many items");
  kind_ = *kind;
  items_.push_back({kind_, {}, {}});
  if (kind_ == Kind::kMessage || kind_ == Kind::kReasoning) return {};
  const std::string_view name = string_at(item, "name");
  if (name.empty()) return broken("has a call without a name");
  parts.call(string_at(item, "call_id"), name, kind_ == Kind::kCustomCall);
  items_.back().name = name;
  has_calls_ = true;
  return {};
}

FaultOr<std::string_view> ResponseSource::text_of(dom::object part) {
  const std::string_view type = string_at(part, "type");
  if (dom::element cited;
      part.at_key("annotations").get(cited) == simdjson::SUCCESS && !is_empty(cited))
    return broken("cites sources, which has no place");
  if (type == "output_text" || type == "summary_text" || type == "reasoning_text") {
    return string_at(part, "text");
  }
  if (type == "refusal") return string_at(part, "refusal");
  return broken(fmt::format("has a part of type '{}', which has no place", type));
}

ResponseSource::Said ResponseSource::said_by(dom::object part) {
  return string_at(part, "type") == "refusal" ? Said::kRefusal : Said::kText;
}

void ResponseSource::tell_part(dom::object part, std::string_view text, AnswerParts& parts) {
  const std::string_view type = string_at(part, "type");
  if (type == "output_text") {
    parts.text(text);
  } else if (type == "refusal") {
    parts.refusal(text);
  } else {
    parts.thought(text);
  }
}

FaultOr<void> ResponseSource::list(dom::object item, std::string_view key, AnswerParts& parts) {
  dom::array told;
  if (item.at_key(key).get(told) != simdjson::SUCCESS) return {};
  std::int64_t place = 0;
  for (const dom::element element : told) {
    dom::object part;
    if (element.get(part) != simdjson::SUCCESS) return broken("has a part that is no object");
    const FaultOr<std::string_view> text = text_of(part);
    if (!text) return std::unexpected(text.error());
    tell_part(part, *text, parts);
    if (FaultOr<void> noted = note(key, place++, *text, said_by(part)); !noted) return noted;
  }
  return {};
}

FaultOr<void> ResponseSource::whole_item(dom::object item, AnswerParts& parts) {
  if (FaultOr<void> begun = begin_item(item, parts); !begun) return begun;
  if (FaultOr<void> told = item_texts(item, parts); !told) return told;
  parts.part_ends();
  return {};
}

FaultOr<void> ResponseSource::item_texts(dom::object item, AnswerParts& parts) {
  if (kind_ == Kind::kCall || kind_ == Kind::kCustomCall) {
    const std::string_view told = string_at(item, kind_ == Kind::kCall ? "arguments" : "input");
    parts.arguments(told);
    if (FaultOr<void> noted = note({}, 0, told); !noted) return noted;
  } else if (kind_ == Kind::kMessage) {
    if (FaultOr<void> read = list(item, "content", parts); !read) return read;
  } else {
    // A summary is of the thought itself, which is told where there is one.
    dom::element content;
    const bool has_content =
        item.at_key("content").get(content) == simdjson::SUCCESS && !is_empty(content);
    if (FaultOr<void> read = list(item, has_content ? "content" : "summary", parts); !read)
      return read;
  }
  return {};
}

FaultOr<void> ResponseSource::whole(dom::object answer, AnswerParts& parts) {
  dom::array output;
  if (answer.at_key("output").get(output) != simdjson::SUCCESS)
    return broken("has no list of output items");
  start();
  begin(answer, parts);
  for (const dom::element element : output) {
    dom::object item;
    if (element.get(item) != simdjson::SUCCESS) return broken("has an item that is no object");
    if (FaultOr<void> read = whole_item(item, parts); !read) return read;
  }
  const std::string_view status = string_at(answer, "status");
  return ended(status.empty() ? "completed" : status, answer, parts);
}

FaultOr<void> ResponseSource::ended(std::string_view type, dom::object answer, AnswerParts& parts) {
  if (type == "failed") {
    const dom::object told = object_at(answer, "error");
    parts.error(string_at(told, "code"), string_at(told, "message"));
    return {};
  }
  if (type == "completed") {
    parts.finish(has_calls_ ? Finish::kCalls : Finish::kStop, {});
  } else if (type == "incomplete") {
    const dom::object told = object_at(answer, "incomplete_details");
    const bool filtered = string_at(told, "reason") == "content_filter";
    parts.finish(filtered ? Finish::kFiltered : Finish::kLength, {});
  } else {
    return broken("ends in a way that is not known here");
  }
  if (const std::optional<Usage> usage = dialects::read_response_usage(answer)) parts.usage(*usage);
  return {};
}

void ResponseSource::tell(Said said, std::string_view text, AnswerParts& parts) const {
  if (text.empty()) return;
  if (kind_ == Kind::kReasoning) {
    parts.thought(text);
  } else if (kind_ != Kind::kMessage) {
    parts.arguments(text);
  } else if (said == Said::kRefusal) {
    parts.refusal(text);
  } else {
    parts.text(text);
  }
}

// A text comes piece by piece, then whole: what of that is more than the pieces is told.
FaultOr<void> ResponseSource::text_event(const dialects::ResponsePlace& place,
                                         std::string_view type, dom::object event,
                                         AnswerParts& parts) {
  if (item_ < 0 || place.item != item_) return broken("goes on with an item that is not open");
  const std::string_view text = string_at(event, place.is_delta ? "delta" : place.field);
  if (text.empty()) return {};
  const FaultOr<ToldText*> found = text_at(place.list, place.part);
  if (!found) return std::unexpected(found.error());
  ToldText& told = **found;
  const Said said = type.starts_with("response.refusal.") ? Said::kRefusal : Said::kText;
  if (told.bytes > 0 && told.said != said) return broken("tells a text once more, and another");
  told.said = said;
  const bool is_last = &told == &items_.back().texts.back();
  if (!place.is_delta && told.is(text)) return {};
  if (!is_last) return broken("goes back to a part that had ended");
  const std::size_t before = place.is_delta ? 0 : told.bytes;
  if (!place.is_delta && (text.size() < before || !told.is(text.substr(0, before)))) {
    return broken("tells a text once more, and another");
  }
  told.add(text.substr(before));
  tell(said, text.substr(before), parts);
  return {};
}

FaultOr<void> ResponseSource::compare_list(dom::object item, std::string_view list,
                                           const ToldItem& told) {
  dom::array array;
  if (item.at_key(list).get(array) != simdjson::SUCCESS) return {};
  // A summary is of the thought itself, which is told where there is one.
  const bool may_lack =
      list == "summary" && std::ranges::any_of(told.texts, [](const ToldText& one) {
        return one.list == "content" && one.bytes > 0;
      });
  std::int64_t place = 0;
  for (const dom::element element : array) {
    dom::object part;
    if (element.get(part) != simdjson::SUCCESS) return broken("has a part that is no object");
    const FaultOr<std::string_view> text = text_of(part);
    if (!text) return std::unexpected(text.error());
    const std::int64_t at = place++;
    if (text->empty()) continue;
    const auto known = std::ranges::find_if(
        told.texts, [&](const ToldText& one) { return one.list == list && one.part == at; });
    if (known == told.texts.end() && may_lack) continue;
    if (known == told.texts.end() || !known->is(*text) || known->said != said_by(part)) {
      return broken("ends an item with another text than it told");
    }
  }
  return {};
}

// What comes once more has to be what was told: more of it would be lost.
FaultOr<void> ResponseSource::compare(dom::object item, const ToldItem& told) {
  if (kind_of(string_at(item, "type")) != told.kind) return broken("ends an item as another");
  if (told.kind == Kind::kMessage) return compare_list(item, "content", told);
  if (told.kind == Kind::kReasoning) {
    if (FaultOr<void> same = compare_list(item, "content", told); !same) return same;
    return compare_list(item, "summary", told);
  }
  const std::string_view name = string_at(item, "name");
  if (!name.empty() && name != told.name) return broken("names a call once more, and otherwise");
  const std::string_view text = string_at(item, told.kind == Kind::kCall ? "arguments" : "input");
  if (text.empty() || (!told.texts.empty() && told.texts.front().is(text))) return {};
  return broken("ends a call with other arguments than it told");
}

// The whole output, at the end: of an upstream that sends no items it is all there is. Items that
// never ended may be missing.
FaultOr<void> ResponseSource::compare_output(dom::object answer, AnswerParts& parts) {
  dom::array output;
  if (answer.at_key("output").get(output) != simdjson::SUCCESS) return {};
  const bool tells = items_.empty();
  auto told = items_.begin();
  for (const dom::element element : output) {
    dom::object item;
    if (element.get(item) != simdjson::SUCCESS) return broken("has an item that is no object");
    if (tells) {
      if (FaultOr<void> read = whole_item(item, parts); !read) return read;
      continue;
    }
    FaultOr<void> same = broken("ends with an item that it did not tell");
    while (!same && told != items_.end()) same = compare(item, *told++);
    if (!same) return same;
  }
  return {};
}

FaultOr<void> ResponseSource::item_event(std::string_view type, dom::object event,
                                         AnswerParts& parts) {
  std::int64_t index = -1;
  dom::object item;
  if (event.at_key("output_index").get(index) != simdjson::SUCCESS || index < 0 ||
      event.at_key("item").get(item) != simdjson::SUCCESS)
    return broken("has an item without a place");
  if (type == "response.output_item.added") {
    if (item_ >= 0) return broken("opens an item within another");
    item_ = index;
    return begin_item(item, parts);
  }
  // Of an upstream that sends no pieces the item is all there is.
  const bool is_new = item_ < 0;
  if (!is_new && index != item_) return broken("ends an item that is not open");
  item_ = -1;
  if (is_new) return whole_item(item, parts);
  const ToldItem& open = items_.back();
  const bool has_told = !open.texts.empty();
  if (!has_told && kind_of(string_at(item, "type")) == open.kind) {
    if (FaultOr<void> told = item_texts(item, parts); !told) return told;
  }
  if (FaultOr<void> same = compare(item, items_.back()); !same) return same;
  parts.part_ends();
  return {};
}

FaultOr<void> ResponseSource::event(std::string_view named, dom::object event, AnswerParts& parts) {
  if (const auto why = dialects::why_unsound(named, event)) return broken(*why);
  const std::string_view type = string_at(event, "type");
  const dom::object answer = object_at(event, "response");
  if (type == "response.created") {
    begin(answer, parts);
    return {};
  }
  if (type == "error" || type.empty()) {
    dom::object error = event;
    if (const dom::object inner = object_at(event, "error"); inner.size() > 0) error = inner;
    parts.error(string_at(error, "code"), string_at(error, "message"));
    return {};
  }
  if (type.starts_with("response.output_item.")) return item_event(type, event, parts);
  if (dialects::is_last_of_response(type)) {
    if (item_ >= 0 && type == "response.completed") return broken("ends within an item");
    if (type != "response.failed") {
      if (FaultOr<void> same = compare_output(answer, parts); !same) return same;
    }
    if (FaultOr<void> end = ended(type.substr(std::string_view("response.").size()), answer, parts);
        !end)
      return end;
    if (type != "response.failed") parts.done();
    return {};
  }
  if (is_frame(type)) return {};
  const auto place = dialects::place_of_response_event(type, event);
  if (place && !place->field.empty()) return text_event(*place, type, event, parts);
  return broken(fmt::format("has an event '{}', which has no place", type));
}

}  // namespace

std::unique_ptr<AnswerSource> make_response_source() { return std::make_unique<ResponseSource>(); }

}  // namespace tollgate::translation
