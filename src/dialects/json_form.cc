#include "dialects/json_form.h"

#include <algorithm>
#include <cmath>

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// What is escaped gets a backslash, and what follows may be split in another way for it.
constexpr Tokens kPerEscape = 2;
// "\u001b" for one byte.
constexpr Tokens kPerControl = 6;
// Between these append_json() writes no exponent.
constexpr double kExponentFrom = 1e5;
constexpr double kExponentBelow = 1e-3;

// A sum of comparisons, which a compiler makes many of at once.
Tokens escapes_in(std::string_view text) {
  Tokens sum = 0;
  for (const char c : text) {
    const int common = (c == '\n') + (c == '\r') + (c == '\t');
    const int control = static_cast<unsigned char>(c) < 0x20 ? 1 : 0;
    sum += kPerEscape * ((c == '"') + (c == '\\') + common) + kPerControl * (control - common);
  }
  return sum;
}

// Where `json` goes on behind the string whose opening quote is at `at`.
std::size_t behind_string(std::string_view json, std::size_t at) {
  for (std::size_t from = at + 1;;) {
    const std::size_t quote = json.find('"', from);
    if (quote == std::string_view::npos) return json.size();
    std::size_t plain = quote;
    while (plain > from && json[plain - 1] == '\\') --plain;
    from = quote + 1;
    if ((quote - plain) % 2 == 0) return from;
  }
}

void take(JsonForm& form, char c, char before, std::int64_t& depth) {
  if (c == '{' || c == '[') {
    ++form.containers;
    form.levels += ++depth;
  } else if (c == '}' || c == ']') {
    depth = std::max<std::int64_t>(0, depth - 1);
    form.levels += depth;
  } else if (c == ',') {
    ++form.commas;
    form.levels += depth;
  } else if (c == ':') {
    ++form.colons;
  } else if ((c == 'e' || c == 'E') && before >= '0' && before <= '9') {
    ++form.exponents;
  }
}

void close(std::int64_t members, std::int64_t depth, JsonForm& form) {
  ++form.containers;
  form.commas += std::max<std::int64_t>(0, members - 1);
  form.levels += std::max<std::int64_t>(1, members) * depth + depth - 1;
}

// As deep as ReadLimits lets a body be.
void walk(dom::element value, std::int64_t depth, JsonForm& form) {
  std::int64_t members = 0;
  if (value.is_object()) {
    for (const dom::key_value_pair field : dom::object(value)) {
      walk(field.value, depth + 1, form);
      ++members;
    }
    form.colons += members;
    close(members, depth, form);
  } else if (value.is_array()) {
    for (const dom::element child : dom::array(value)) {
      walk(child, depth + 1, form);
      ++members;
    }
    close(members, depth, form);
  } else if (value.is_double()) {
    const double size = std::abs(double(value));
    if (size >= kExponentFrom || (size > 0 && size < kExponentBelow)) ++form.exponents;
  }
}

}  // namespace

JsonForm form_of(dom::element value) {
  JsonForm form;
  walk(value, 1, form);
  return form;
}

JsonForm form_of(std::string_view json) {
  JsonForm form;
  form.escapes = escapes_in(json);
  std::int64_t depth = 0;
  char before = '\0';
  for (std::size_t at = 0; at < json.size();) {
    const char c = json[at];
    take(form, c, before, depth);
    before = c;
    at = c == '"' ? behind_string(json, at) : at + 1;
  }
  return form;
}

void add(JsonForm& to, const JsonForm& form) {
  to.commas += form.commas;
  to.colons += form.colons;
  to.containers += form.containers;
  to.levels += form.levels;
  to.exponents += form.exponents;
  to.escapes += form.escapes;
}

Tokens growth_of(const JsonForm& form) {
  return std::max<Tokens>(form.commas + form.colons, 2 * kPerEscape + form.escapes) +
         form.exponents * kPerExponent;
}

Tokens growth_as_string(std::string_view text) { return 2 * kPerEscape + escapes_in(text); }

}  // namespace tollgate::dialects
