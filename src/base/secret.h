// A text that must not be printed: formatting it is a compile error.
#pragma once

#include <string>
#include <utility>

namespace tollgate {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

 private:
  std::string value_;
};

}  // namespace tollgate
