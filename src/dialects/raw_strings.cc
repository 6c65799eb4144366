#include "dialects/raw_strings.h"

#include <algorithm>

namespace tollgate::dialects {

namespace {

// Where the string ends that begins at `at`, behind its quotation mark.
std::size_t end_of(std::string_view json, std::size_t at) {
  while (at < json.size() && json[at] != '"') at += json[at] == '\\' ? 2 : 1;
  return at < json.size() ? at : json.size();
}

}  // namespace

bool RawStrings::next(RawString& string) {
  while (at_ < json_.size()) {
    const char c = json_[at_++];
    if (c == '{' || c == '[') {
      keys_.push_back(key_);
    } else if (c == '}' || c == ']') {
      if (!keys_.empty()) {
        key_ = keys_.back();
        keys_.pop_back();
      }
    } else if (c == '"') {
      const std::size_t begin = at_;
      const std::size_t end = end_of(json_, begin);
      at_ = end < json_.size() ? end + 1 : end;
      std::size_t behind = at_;
      while (behind < json_.size() && (json_[behind] == ' ' || json_[behind] == '\t' ||
                                       json_[behind] == '\n' || json_[behind] == '\r')) {
        ++behind;
      }
      if (behind < json_.size() && json_[behind] == ':') {
        key_ = json_.substr(begin, end - begin);
        continue;
      }
      string = {begin, end, key_};
      return true;
    }
  }
  return false;
}

bool RawStrings::is_within(std::string_view key) const {
  return std::ranges::find(keys_, key) != keys_.end();
}

}  // namespace tollgate::dialects
