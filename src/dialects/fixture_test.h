// What the tests of this folder share: bodies with padding, sinks that remember.
#pragma once

#include <simdjson.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/reply.h"
#include "dialects/request.h"

namespace tollgate::dialects {

// A copy of `text` that may be read beyond its end.
class Padded {
 public:
  explicit Padded(std::string_view text) : bytes_(text), size_(text.size()) {
    bytes_.resize(size_ + RequestReader::kPadding, ' ');
  }
  std::string_view view() const { return std::string_view(bytes_).substr(0, size_); }

 private:
  std::string bytes_;
  std::size_t size_;
};

class RememberingSink final : public OutputSink {
 public:
  void text(std::int64_t choice, std::string_view piece) override { told[choice] += piece; }
  std::map<std::int64_t, std::string> told;
};

// `json` without its white space, so that two spellings of one value compare equal.
inline std::string compact(std::string_view json) {
  simdjson::dom::parser parser;
  const Padded padded(json);
  simdjson::dom::element value;
  const auto error = parser.parse(padded.view().data(), padded.view().size(), false).get(value);
  return error ? "not JSON: " + std::string(json) : simdjson::minify(value);
}

}  // namespace tollgate::dialects
