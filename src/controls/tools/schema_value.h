// JSON values as the schema of a tool sees them: their types, and a text by which equal ones are
// equal. Internal to tools.
//
// Pure; linear in the value, but for the names of one object, which are sorted.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tollgate::tools {

enum Type : std::uint8_t {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kNumber = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
};

// All that a value is of: a whole number is a number too.
std::uint8_t types_of(simdjson::dom::element value);

double number_of(simdjson::dom::element value);

// A text of a value: equal values have equal ones. Fields by name, numbers by what they are.
class Canonical {
 public:
  // Made as far as it is of `bytes_max` at most. Whether it is whole.
  bool make(simdjson::dom::element value, std::size_t bytes_max);

  const std::string& text() const { return text_; }
  // So many values were written.
  std::int64_t values() const { return values_; }

 private:
  bool append(simdjson::dom::element value);
  bool append_object(simdjson::dom::object object);
  bool append_array(simdjson::dom::array array);
  bool append_sized(std::string_view text);

  std::string text_;
  std::size_t bytes_max_ = 0;
  std::int64_t values_ = 0;
};

}  // namespace tollgate::tools
