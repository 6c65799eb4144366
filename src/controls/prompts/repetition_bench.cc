// What looking for repetition costs: a chunk of five bytes of prose, and of what repeats itself.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "controls/prompts/repetition.h"

namespace tollgate::prompts {
namespace {

void read(benchmark::State& state, std::string_view unit) {
  std::string text;
  while (text.size() < 4'000) text += unit;
  std::size_t at = 0;
  Repetition repetition;
  for (auto _ : state) {
    // Anew before it is found: then nothing is looked at any more.
    if (at + 5 > text.size()) {
      at = 0;
      repetition = {};
    }
    benchmark::DoNotOptimize(repetition.read(std::string_view(text).substr(at, 5)));
    at += 5;
  }
}
BENCHMARK_CAPTURE(read, prose,
                  "The model says what it was asked, and one sentence more than that, as the "
                  "reader would see if there were one who counts 1, 2 or 3 of them. And then it "
                  "goes on to another matter that has little to do with what it began with, so "
                  "that no part of it comes back before all has been said at length and twice. ");
BENCHMARK_CAPTURE(read, one_word, "word ");
BENCHMARK_CAPTURE(read, one_letter, "a");

}  // namespace
}  // namespace tollgate::prompts
