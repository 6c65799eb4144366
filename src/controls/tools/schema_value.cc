#include "controls/tools/schema_value.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

namespace tollgate::tools {

namespace dom = simdjson::dom;

namespace {

bool is_integral(double number) { return std::isfinite(number) && std::trunc(number) == number; }

}  // namespace

std::uint8_t types_of(dom::element value) {
  switch (value.type()) {
    case dom::element_type::NULL_VALUE:
      return kNull;
    case dom::element_type::BOOL:
      return kBoolean;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
      return kInteger | kNumber;
    case dom::element_type::DOUBLE:
      return is_integral(double(value)) ? kInteger | kNumber : kNumber;
    case dom::element_type::STRING:
      return kString;
    case dom::element_type::ARRAY:
      return kArray;
    case dom::element_type::OBJECT:
      return kObject;
    default:
      return 0;
  }
}

double number_of(dom::element value) {
  double number = 0;
  (void)value.get(number);
  return number;
}

bool Canonical::make(dom::element value, std::size_t bytes_max) {
  text_.clear();
  bytes_max_ = bytes_max;
  values_ = 0;
  return append(value) && text_.size() <= bytes_max_;
}

bool Canonical::append_sized(std::string_view text) {
  if (text_.size() + text.size() > bytes_max_) return false;
  text_ += std::to_string(text.size());
  text_ += ':';
  text_ += text;
  return true;
}

bool Canonical::append_object(dom::object object) {
  // A field takes four bytes at least: what is too long anyway is not sorted.
  if (text_.size() + 4 * object.size() > bytes_max_) return false;
  std::vector<std::pair<std::string_view, dom::element>> fields;
  for (const dom::key_value_pair field : object) fields.emplace_back(field.key, field.value);
  std::ranges::sort(fields, {}, [](const auto& field) { return field.first; });
  text_ += '{';
  for (const auto& [key, inner] : fields) {
    if (!append_sized(key) || !append(inner)) return false;
    text_ += ',';
  }
  text_ += '}';
  return true;
}

bool Canonical::append_array(dom::array array) {
  text_ += '[';
  for (const dom::element item : array) {
    if (!append(item)) return false;
    text_ += ',';
  }
  text_ += ']';
  return true;
}

bool Canonical::append(dom::element value) {
  ++values_;
  if (text_.size() > bytes_max_) return false;
  if (dom::object object; value.get(object) == simdjson::SUCCESS) return append_object(object);
  if (dom::array array; value.get(array) == simdjson::SUCCESS) return append_array(array);
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    text_ += '"';
    return append_sized(text);
  }
  const double number = number_of(value);
  if (std::int64_t whole = 0; value.is_int64() && value.get(whole) == simdjson::SUCCESS) {
    text_ += std::to_string(whole);
  } else if (value.is_double() && is_integral(number) && std::abs(number) < 9e15) {
    text_ += std::to_string(static_cast<std::int64_t>(number));
  } else {
    text_ += simdjson::minify(value);
  }
  return true;
}

}  // namespace tollgate::tools
