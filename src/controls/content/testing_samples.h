// A sample of every kind of secret, and one that is almost one, for the tests of this folder.
#pragma once

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <vector>

#include "controls/authentication/authentication.h"

namespace tollgate::content::testing {

struct Sample {
  std::string rule;
  std::string secret;
  std::string near_miss;
};

// Of tests/vectors/secrets.txt, whose first lines say how it is written.
inline std::vector<Sample> samples() {
  const auto plain = [](std::string text) {
    std::erase(text, '^');
    std::ranges::replace(text, '%', '\n');
    return text;
  };
  std::vector<Sample> made;
  std::ifstream file(TOLLGATE_SOURCE_DIR "/tests/vectors/secrets.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    made.push_back({line.substr(0, first), plain(line.substr(first + 1, second - first - 1)),
                    plain(line.substr(second + 1))});
  }
  const std::array<std::uint8_t, 64> random{1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233};
  Sample own{"secrets.tollgate_api_key", authentication::make_key(random).secret, {}};
  own.near_miss = own.secret;
  own.near_miss.back() = own.secret.back() == 'a' ? 'b' : 'a';
  made.push_back(own);
  return made;
}

}  // namespace tollgate::content::testing
