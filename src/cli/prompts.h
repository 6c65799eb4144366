// Prompts as many people write them, and as one who tries variants of one writes them: for the
// campaign of the demo.
//
// The same in every run. Pure; one thread.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace tollgate::cli {

class Prompts {
 public:
  explicit Prompts(std::uint64_t seed);

  // One that has nothing in common with another.
  std::string ordinary();
  // The one template, of 40 words, with two of them swapped and up to two more at its end.
  std::string variant();

 private:
  std::string word();
  std::vector<std::string> words(std::size_t count);

  std::mt19937_64 random_;
  std::vector<std::string> template_;
};

}  // namespace tollgate::cli
