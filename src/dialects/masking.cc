// Writes a request with parts of its texts masked: RequestReader::mask().
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "dialects/request_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// Strings that name something or are signed: masked they would be refused upstream, or be wrong.
constexpr std::array<std::string_view, 13> kNames{
    "role",     "name",     "id",        "type", "tool_call_id",      "tool_use_id",
    "call_id",  "thinking", "signature", "data", "encrypted_content", "url",
    "image_url"};

// Where the parser has a string, which is elsewhere for each of a body.
const void* where(std::string_view text) { return text.data(); }

// A mask in one string of the body.
struct Part {
  const void* string = nullptr;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t which = 0;    // Of the masks.
  bool is_inside = false;   // Of an object that is the caller's own, where no name is one of ours.
  bool may_be_json = true;  // It may be JSON to who reads it: arguments of a call.
};

// A string within a text that is the JSON of a value.
struct Inside {
  std::size_t begin = 0;  // In that text, behind its quotation mark…
  std::size_t end = 0;    // …and up to the other.
  const void* string = nullptr;
};

// Writes as append_json does, and tells what becomes of each string.
class Writer {
 public:
  // Whether the string was written.
  using Take = bool (*)(void* context, std::string_view key, std::string_view text,
                        std::string& out);
  Writer(Take take, void* context) : take_(take), context_(context) {}

  void write(dom::object object, std::string& out) {
    char separator = '{';
    for (const dom::key_value_pair field : object) {
      out.push_back(std::exchange(separator, ','));
      append_json_string(field.key, out);
      out.push_back(':');
      write(field.value, field.key, out);
    }
    out += separator == '{' ? "{}" : "}";
  }

  void write(dom::element value, std::string_view key, std::string& out) {
    if (value.is_object()) {
      write(dom::object(value), out);
    } else if (value.is_array()) {
      char separator = '[';
      for (const dom::element child : dom::array(value)) {
        out.push_back(std::exchange(separator, ','));
        write(child, key, out);
      }
      out += separator == '[' ? "[]" : "]";
    } else if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
      if (!take_(context_, key, text, out)) append_json_string(text, out);
    } else {
      append_json(value, out);
    }
  }

 private:
  Take take_;
  void* context_;
};

std::vector<Inside> strings_in(dom::element value, std::string_view written) {
  std::vector<Inside> found;
  std::string made;
  const auto take = [](void* context, std::string_view, std::string_view text, std::string& out) {
    const std::size_t begin = out.size() + 1;
    append_json_string(text, out);
    static_cast<std::vector<Inside>*>(context)->push_back({begin, out.size() - 1, where(text)});
    return true;
  };
  Writer(take, &found).write(value, {}, made);
  CHECK(made == written);
  return found;
}

// How many characters of a string its JSON is up to `end`; what is escaped is one, and not in part.
struct Unescaped {
  std::size_t whole = 0;    // Before `end`.
  std::size_t touched = 0;  // The same, with one that goes on behind it.
};
Unescaped unescaped(std::string_view json, std::size_t end) {
  Unescaped made;
  for (std::size_t at = 0; at < end;) {
    const std::size_t size = json[at] != '\\' ? 1 : json[at + 1] == 'u' ? 6 : 2;
    at += size;
    ++made.touched;
    if (at <= end) ++made.whole;
  }
  return made;
}

bool is_json(std::string_view text) {
  dom::parser parser;
  const simdjson::padded_string padded(text);
  return parser.parse(padded).error() == simdjson::SUCCESS;
}

// The masks by the strings that they are in.
class Masking {
 public:
  Masking(const Reading& reading, std::span<const Mask> masks) : reading_(reading), masks_(masks) {}

  // Finds the string of each mask; the first that is in none.
  std::optional<std::size_t> place() {
    for (std::size_t at = 0; at < masks_.size();) {
      const std::size_t text = masks_[at].text;
      std::size_t end = at;
      while (end < masks_.size() && masks_[end].text == text) ++end;
      if (const auto lost = place(text, at, end)) return lost;
      at = end;
    }
    std::ranges::sort(parts_, [](const Part& a, const Part& b) {
      return std::pair(a.string, a.begin) < std::pair(b.string, b.begin);
    });
    return std::nullopt;
  }

  // Writes the body; the first mask that cannot be where it would have to be.
  std::optional<std::size_t> write(std::string& out) {
    const auto take = [](void* context, std::string_view key, std::string_view text,
                         std::string& to) {
      return static_cast<Masking*>(context)->take(key, text, to);
    };
    Writer(take, this).write(reading_.body, out);
    if (!wrong_ && taken_ < parts_.size()) wrong_ = parts_.front().which;
    return wrong_;
  }

 private:
  const Text& text_at(std::size_t text) const {
    const std::size_t read = reading_.texts.size();
    return text < read ? reading_.texts[text] : reading_.carried[text - read];
  }

  std::optional<std::size_t> place(std::size_t number, std::size_t at, std::size_t end) {
    const Text& text = text_at(number);
    const std::size_t read = reading_.texts.size();
    const auto* of = number < read ? &reading_.texts : &reading_.carried;
    const std::size_t index = number < read ? number : number - read;
    // Both are in the order of the texts.
    if (std::exchange(scratch_of_, of) != of) scratch_ = 0;
    const std::vector<ScratchText>& lie = reading_.scratch_texts;
    while (scratch_ < lie.size() && (lie[scratch_].of != of || lie[scratch_].text < index)) {
      ++scratch_;
    }
    if (scratch_ < lie.size() && lie[scratch_].text == index) {
      return place_inside(lie[scratch_], text, at, end);
    }
    for (; at < end; ++at) {
      const Mask& mask = masks_[at];
      parts_.push_back(
          {where(text.text), mask.begin, mask.end, at, false, text.kind == TextKind::kToolCall});
    }
    return std::nullopt;
  }

  // In a text that is the JSON of a value: in which of its strings.
  std::optional<std::size_t> place_inside(const ScratchText& lies, const Text& text, std::size_t at,
                                          std::size_t end) {
    const std::vector<Inside> strings = strings_in(lies.value, text.text);
    auto inside = strings.begin();
    for (; at < end; ++at) {
      const Mask& mask = masks_[at];
      while (inside != strings.end() && inside->end < mask.end) ++inside;
      if (inside == strings.end() || mask.begin < inside->begin) return at;
      const std::string_view json = text.text.substr(inside->begin, inside->end - inside->begin);
      // What is escaped is masked as a whole.
      const std::size_t begin = unescaped(json, mask.begin - inside->begin).whole;
      const std::size_t behind = unescaped(json, mask.end - inside->begin).touched;
      parts_.push_back({inside->string, begin, behind, at, text.kind != TextKind::kToolDefinition,
                        text.kind == TextKind::kToolCall});
    }
    return std::nullopt;
  }

  bool take(std::string_view key, std::string_view text, std::string& out) {
    const auto found = std::ranges::equal_range(parts_, where(text), {}, &Part::string);
    if (found.empty()) return false;
    taken_ += found.size();
    made_.clear();
    std::size_t at = 0;
    for (const Part& part : found) {
      const bool is_name = !part.is_inside && std::ranges::find(kNames, key) != kNames.end();
      if (is_name || part.begin < at || part.end > text.size()) fail(part.which);
      if (wrong_) return false;
      made_ += text.substr(at, part.begin - at);
      made_ += masks_[part.which].by;
      at = part.end;
    }
    made_ += text.substr(at);
    const Part& first = found.front();
    if (first.may_be_json && is_json(text) && !is_json(made_)) fail(first.which);
    append_json_string(made_, out);
    return true;
  }

  void fail(std::size_t which) {
    if (!wrong_) wrong_ = which;
  }

  const Reading& reading_;
  const std::span<const Mask> masks_;
  std::vector<Part> parts_;
  const std::vector<Text>* scratch_of_ = nullptr;
  std::size_t scratch_ = 0;  // The next of those that are JSON.
  std::size_t taken_ = 0;
  std::string made_;
  std::optional<std::size_t> wrong_;
};

}  // namespace

std::optional<std::size_t> mask_texts(const Reading& reading, std::span<const Mask> masks,
                                      std::string& out) {
  CHECK(reading.complete);
  Masking masking(reading, masks);
  if (const auto lost = masking.place()) return lost;
  return masking.write(out);
}

}  // namespace tollgate::dialects
