// What is valid and weak in `authentication`: the part of posture() for those who vouch for
// callers.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace tollgate::config {

struct Weakness {
  std::string id;
  std::string field;  // "authentication.jwt[0]"
  std::string message;
  std::string mend;
};

// Whether the file itself holds a value of that key there.
using Written = std::function<bool(const std::string& owner, std::string_view key)>;

std::vector<Weakness> weaknesses_of_verifiers(const Config& config, const Written& written);

}  // namespace tollgate::config
