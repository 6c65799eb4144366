#include "dialects/request_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dialects/field_names.h"
#include "dialects/json_form.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// Elements or bytes that are kept from request to request.
constexpr std::size_t kKeptMax = std::size_t{16} << 10;
// A shorter number names nobody.
constexpr std::size_t kTellingDigits = 8;

template <class Container>
void empty(Container& container) {
  if (container.capacity() > kKeptMax) container = {};
  container.clear();
}

}  // namespace

void Reading::clear(Surface surface) {
  request = Request{};
  request.surface = surface;
  empty(uses);
  empty(texts);
  empty(carried);
  field = {};
  index = -1;
  empty(tools);
  empty(definitions);
  empty(calls);
  empty(call_texts);
  empty(chosen);
  empty(images);
  empty(recordings);
  first_image.clear();
  first_recording.clear();
  unknown_mark.reset();
  empty(addresses);
  empty(scratch);
  empty(scratch_texts);
  empty(said);
  max_tokens.reset();
  max_completion_tokens.reset();
  thinking_budget.reset();
  n = best_of = prompts = 1;
  complete = false;
  is_form = false;
}

void Reading::add_text(TextKind kind, std::string_view text) {
  texts.push_back({kind, text, field, index});
}

void Reading::add_json(TextKind kind, dom::element value) {
  const std::size_t begin = scratch.size();
  append_json(value, scratch);
  scratch_texts.push_back({&texts, texts.size(), begin, scratch.size() - begin, value});
  add_text(kind, {});
}

void Reading::add_carried(dom::element value) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    carried.push_back({TextKind::kCarried, text, field, index});
    return;
  }
  if (value.is_null() || value.is_bool()) return;
  const std::size_t begin = scratch.size();
  append_json(value, scratch);
  const std::size_t size = scratch.size() - begin;
  // One of the short numbers that say how a model is to work, or of those that are drawn.
  if (value.is_number() && (size < kTellingDigits || field == "seed")) {
    return scratch.resize(begin);
  }
  scratch_texts.push_back({&carried, carried.size(), begin, size, value});
  carried.push_back({TextKind::kCarried, {}, field, index});
}

void Reading::add_name(std::string_view name) {
  if (!is_field_name(name)) carried.push_back({TextKind::kCarried, name, field, index});
}

void Reading::add_any(TextKind kind, dom::element value) {
  if (value.is_null()) return;
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    add_text(kind, text);
  } else {
    add_json(kind, value);
  }
}

void Reading::add_definition(dom::element value) {
  if (value.is_null()) return;
  add_any(TextKind::kToolDefinition, value);
  add(request.turns.definitions, form_of(value));
}

void Reading::add_tool(const Tool& tool, dom::element definition) {
  tools.push_back(tool);
  definitions.push_back(texts.size());
  add_definition(definition);
}

void Reading::add_call_field(dom::element value) {
  if (value.is_null()) return;
  add_any(TextKind::kToolCall, value);
  request.turns.calls_growth += growth_of(form_of(last_text()));
}

void Reading::note_result(std::size_t first) {
  for (std::size_t i = first; i < texts.size(); ++i) {
    if (texts[i].kind != TextKind::kContent) continue;
    request.turns.results_growth += growth_as_string(texts[i].text);
  }
}

std::uint64_t Reading::print_of(std::size_t first) const {
  // The size and both ends: a look at each byte would cost more than a bound that is too high.
  std::uint64_t size = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  const auto append = [&](std::string_view text) {
    if (text.empty()) return;
    if (size == 0) begin = static_cast<unsigned char>(text.front());
    end = static_cast<unsigned char>(text.back());
    size += text.size();
  };
  for (std::size_t i = first; i < texts.size(); ++i) {
    if (i > first) append("\n");
    append(texts[i].text);
  }
  return size << 16 | begin << 8 | end;
}

void Reading::settle_repeats() {
  if (!said.empty()) request.turns.repeats = std::ranges::count(said, said.back());
}

std::string_view Reading::last_text() const {
  const bool lies = !scratch_texts.empty() && scratch_texts.back().text + 1 == texts.size();
  return lies ? std::string_view(scratch).substr(scratch_texts.back().begin) : texts.back().text;
}

void Reading::settle_texts() {
  for (const ScratchText& lies : scratch_texts)
    (*lies.of)[lies.text].text = std::string_view(scratch).substr(lies.begin, lies.size);
  for (std::size_t i = 0; i < tools.size(); ++i) tools[i].definition = texts[definitions[i]].text;
  for (const CallText& told : call_texts) calls[told.call].arguments = texts[told.text].text;
}

namespace {

constexpr std::string_view kRule = "request";

std::unexpected<Refusal> refuse_at(Reason reason, const FieldPath& path, std::string_view why) {
  std::string param = path.spell();
  std::string message = fmt::format("'{}' {}", param, why);
  return refuse(reason, std::string(kRule), std::move(message), std::move(param));
}

}  // namespace

std::unexpected<Refusal> wrong_type(const FieldPath& path, std::string_view expected) {
  return refuse_at(Reason::kInvalidRequest, path, fmt::format("must be {}.", expected));
}

std::unexpected<Refusal> missing(const FieldPath& path) {
  return refuse_at(Reason::kInvalidRequest, path, "is required.");
}

std::unexpected<Refusal> not_served(const FieldPath& path, std::string_view why) {
  return refuse_at(Reason::kUnsupportedParameter, path, why);
}

Expected<std::string_view> read_string(dom::element value, const FieldPath& path) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return wrong_type(path, "a string");
  return text;
}

Expected<dom::array> read_array(dom::element value, const FieldPath& path) {
  dom::array array;
  if (value.get(array) != simdjson::SUCCESS) return wrong_type(path, "an array");
  return array;
}

Expected<dom::object> read_object(dom::element value, const FieldPath& path) {
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return wrong_type(path, "an object");
  return object;
}

Expected<std::int64_t> read_integer(dom::element value, std::int64_t least, std::int64_t most,
                                    const FieldPath& path) {
  std::int64_t number = 0;
  // A double is never taken for an integer: servers round it in different ways.
  if (value.type() != dom::element_type::INT64 || value.get(number) != simdjson::SUCCESS ||
      number < least || number > most)
    return wrong_type(path, fmt::format("a whole number from {} to {}", least, most));
  return number;
}

Checked check_name(Reading& reading, std::string_view key, const FieldPath& path) {
  const bool plain = !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (plain) {
    reading.add_name(key);
    return {};
  }
  return refuse_at(Reason::kInvalidRequest, path,
                   "is not the name of a field: names are of a-z, 0-9 and '_'.");
}

}  // namespace tollgate::dialects
