#include "pipeline/redaction.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

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

}  // namespace

Redaction::~Redaction() {
  for (Value& value : values_) explicit_bzero(value.text.data(), value.text.size());
}

const Redaction::Value& Redaction::value_of(std::string_view rule, std::string_view text) {
  std::size_t number = 1;
  for (const Value& value : values_) {
    if (value.rule != rule) continue;
    if (value.text == text) return value;
    number = value.number + 1;
  }
  values_.push_back({rule, number, std::string(text), content::mask_of(rule, number)});
  return values_.back();
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
  values_.reserve(masks_);  // The masks borrow.
  std::vector<dialects::Mask> masks;
  for (const content::Finding& part : parts) {
    const std::string_view text = text_at(request, part.text).text.substr(part.offset, part.bytes);
    masks.push_back(
        {part.text, part.offset, part.offset + part.bytes, value_of(part.rule, text).mask});
  }
  std::string made;
  if (const std::optional<std::size_t> which = reader.mask(masks, made)) return refuse_part(*which);
  size_ = made.size();
  made.append(dialects::RequestReader::kPadding, ' ');
  body_ = std::move(made);
  return {};
}

}  // namespace tollgate::pipeline
