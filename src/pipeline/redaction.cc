#include "pipeline/redaction.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <tuple>
#include <utility>

#include "dialects/raw_strings.h"
#include "pipeline/inspect.h"

namespace tollgate::pipeline {

namespace {

std::string rule_of(const config::Route& route) {
  return fmt::format("routes.{}.content", route.name);
}

const dialects::Text& text_at(const dialects::Request& request, std::size_t text) {
  const std::size_t read = request.texts.size();
  return text < read ? request.texts[text] : request.carried[text - read];
}

std::string_view value_at(const dialects::Request& request, const content::Finding& part) {
  return text_at(request, part.text).text.substr(part.offset, part.bytes);
}

// In what is JSON a match may begin with the letter of a line break or the like, as it is read in
// the text as it came, too: it is no part of the value.
void leave_escape(const dialects::Text& text, content::Finding& finding) {
  if (text.kind == dialects::TextKind::kContent || finding.bytes < 2) return;
  std::size_t begin = finding.offset;
  while (begin > 0 && text.text[begin - 1] == '\\') --begin;
  constexpr std::string_view kLetters = "nrtbf";
  if ((finding.offset - begin) % 2 == 0) return;
  if (kLetters.find(text.text[finding.offset]) == std::string_view::npos) return;
  ++finding.offset;
  --finding.bytes;
}

// What is to be masked, in the order of the texts; where two matches share a byte they are one.
std::vector<content::Finding> parts_of(const dialects::Request& request,
                                       const content::Scanner& scanner) {
  std::vector<content::Finding> parts;
  for (const content::Finding& finding : scanner.found()) {
    if (finding.action != content::Action::kRedact) continue;
    parts.push_back(finding);
    leave_escape(text_at(request, finding.text), parts.back());
  }
  std::ranges::sort(parts, [](const content::Finding& a, const content::Finding& b) {
    return std::tuple(a.text, a.offset, a.rule) < std::tuple(b.text, b.offset, b.rule);
  });
  std::vector<content::Finding> made;
  for (const content::Finding& part : parts) {
    content::Finding* const last = made.empty() ? nullptr : &made.back();
    if (last == nullptr || last->text != part.text || last->offset + last->bytes <= part.offset) {
      made.push_back(part);
      continue;
    }
    last->bytes = std::max(last->bytes, part.offset + part.bytes - last->offset);
  }
  return made;
}

// What stands beside the conversation comes first in each of its turns, wherever it is written.
int turn_of(const dialects::Request& request, const content::Finding& part) {
  if (part.text >= request.texts.size()) return 2;
  const std::string_view field = request.texts[part.text].field;
  return field == "messages" || field == "prompt" || field == "input" ? 1 : 0;
}

// The highest number of a mask in a body: of one that the caller wrote, which is none of ours. What
// is signed may hold ours of an earlier turn, which stand for the same.
std::size_t highest_written(const dialects::RequestReader& reader) {
  std::string body;
  (void)reader.mask({}, body);
  dialects::RawStrings strings(body);
  dialects::RawString string;
  std::size_t highest = 0;
  std::string others = body;
  while (strings.next(string)) {
    if (string.key != "thinking") continue;
    others.replace(string.begin, string.end - string.begin, string.end - string.begin, ' ');
  }
  constexpr std::string_view kBegin = content::kMaskBegin;
  constexpr std::size_t kDigitsMax = 9;  // Ours have fewer…
  constexpr std::size_t kMaskMax = 256;  // …and are shorter.
  for (std::size_t at = others.find(kBegin); at != std::string::npos;
       at = others.find(kBegin, at + 1)) {
    const std::string_view mask = std::string_view(others).substr(at, kMaskMax);
    const std::size_t end = mask.find_first_of("]\"");
    const std::size_t sign = mask.rfind('#', end);
    if (end == std::string::npos || sign == std::string::npos) continue;
    std::size_t number = 0;
    const char* const last = mask.data() + std::min(end, sign + 1 + kDigitsMax);
    (void)std::from_chars(mask.data() + sign + 1, last, number);
    highest = std::max(highest, number);
  }
  return highest;
}

}  // namespace

Redaction::~Redaction() {
  for (Value& value : values_) explicit_bzero(value.text.data(), value.text.size());
}

const Redaction::Value& Redaction::value_of(std::string_view rule, std::string_view text) {
  std::size_t number = written_ + 1;
  for (const Value& value : values_) {
    if (value.rule != rule) continue;
    if (value.text == text) return value;
    number = value.number + 1;
  }
  values_.push_back({rule, number, std::string(text), content::mask_of(rule, number)});
  return values_.back();
}

void Redaction::number(const dialects::Request& request, std::span<const content::Finding> parts) {
  for (int turn = 0; turn < 3; ++turn) {
    for (const content::Finding& part : parts) {
      if (turn_of(request, part) != turn) continue;
      (void)value_of(part.rule, value_at(request, part));
    }
  }
}

void Redaction::keep(std::string made) {
  size_ = made.size();
  made.append(dialects::RequestReader::kPadding, ' ');
  body_ = std::move(made);
}

void Redaction::leave_out(const dialects::RequestReader& reader,
                          std::span<const std::size_t> tools) {
  std::string made;
  reader.write_without_tools(tools, made);
  keep(std::move(made));
}

Expected<void> Redaction::mask(const dialects::RequestReader& reader,
                               const dialects::Request& request, const content::Scanner& scanner,
                               const config::Route& route) {
  const std::vector<content::Finding> parts = parts_of(request, scanner);
  masks_ += parts.size();
  if (masks_ >= kMasksMax) {
    return content::refuse_unread(
        fmt::format("The request holds more than {} parts that this route would mask: send less "
                    "at once.",
                    kMasksMax - 1),
        rule_of(route));
  }
  const auto refuse_part = [&](std::size_t which) {
    const content::Finding& part = parts[which];
    return content::refuse_unmasked(part, place_of(request, part.text), rule_of(route));
  };
  if (++rounds_ > kRoundsMax) return refuse_part(0);
  if (rounds_ == 1 && route.content.restore) written_ = highest_written(reader);
  values_.reserve(masks_);  // The masks borrow.
  number(request, parts);
  std::vector<dialects::Mask> masks;
  for (const content::Finding& part : parts) {
    masks.push_back({part.text, part.offset, part.offset + part.bytes,
                     value_of(part.rule, value_at(request, part)).mask});
  }
  std::string made;
  if (const std::optional<std::size_t> which = reader.mask(masks, made)) return refuse_part(*which);
  keep(std::move(made));
  masked_.clear();
  for (const Value& value : values_) masked_.push_back({value.mask, value.text});
  return {};
}

}  // namespace tollgate::pipeline
