// Writes JSON flat into a string, at the speed of copying: for the re-serialised body, the
// audit record and replies on the hot path. Elsewhere Boost.JSON writes.
//
// Strings must be UTF-8. Controls (C0, DEL, C1), line and paragraph separators, the marks that
// turn the direction of text, and tag characters are escaped, so what is written is safe in a
// log line and on a terminal as well (CWE-117) and reads back as the same text. The caller
// keeps the structure right: a key before each value in an object, every begin with its end.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace tollgate {

class JsonWriter {
 public:
  // Appends to `out`, which must outlive the writer.
  explicit JsonWriter(std::string& out) : out_(out) {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }

  void key(std::string_view name) {
    separate();
    quote(name);
    out_.push_back(':');
    fresh_ = true;
  }

  void value(std::string_view text) {
    separate();
    quote(text);
  }
  void value(const char* text) { value(std::string_view(text)); }
  void value(bool truth) {
    separate();
    out_ += truth ? "true" : "false";
  }
  void value(std::int64_t number) {
    separate();
    char digits[24];
    out_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  }
  void value(std::uint64_t number) {
    separate();
    char digits[24];
    out_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  }
  void value(int number) { value(static_cast<std::int64_t>(number)); }
  // Finite; the shortest text that reads back as the same number.
  void value(double number);
  void null() {
    separate();
    out_ += "null";
  }
  // Text that is JSON already.
  void raw(std::string_view json) {
    separate();
    out_ += json;
  }

  template <class T>
  void member(std::string_view name, T&& made) {
    key(name);
    value(std::forward<T>(made));
  }

 private:
  void open(char bracket) {
    separate();
    out_.push_back(bracket);
    fresh_ = true;
  }
  void close(char bracket) {
    out_.push_back(bracket);
    fresh_ = false;
  }
  void separate() {
    if (!fresh_) out_.push_back(',');
    fresh_ = false;
  }
  void quote(std::string_view text);

  std::string& out_;
  bool fresh_ = true;
};

}  // namespace tollgate
