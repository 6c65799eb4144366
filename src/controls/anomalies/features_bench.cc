// What the features of a request cost: 2 KB is the size that the figure of the documentation is of.
#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "controls/anomalies/features.h"

namespace tollgate::anomalies {
namespace {

std::string made(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() + unit.size() <= bytes) text += unit;
  return text;
}

void run(benchmark::State& state, const std::string& text) {
  const std::string_view texts[] = {text};
  for (auto _ : state) {
    const Features features = measure(texts, 0x1234567);
    benchmark::DoNotOptimize(&features);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

// Words of random letters with the lengths of English.
std::string prose(std::size_t bytes) {
  std::mt19937_64 random{11};
  constexpr int kLengths[] = {1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 8, 9, 11};
  std::string text;
  while (text.size() < bytes) {
    for (int left = kLengths[random() % std::size(kLengths)]; left > 0; --left) {
      text += static_cast<char>('a' + random() % 26);
    }
    text += random() % 12 == 0 ? ". " : " ";
  }
  text.resize(bytes);
  return text;
}

void prose_200_bytes(benchmark::State& state) { run(state, prose(200)); }
void prose_2_kb(benchmark::State& state) { run(state, prose(2'048)); }
void prose_100_kb(benchmark::State& state) { run(state, prose(102'400)); }
void chinese_2_kb(benchmark::State& state) {
  run(state, made("\u8bf7\u603b\u7ed3\u8fd9\u4e2a\u8ba1\u5212\u3002", 2'048));
}
void base64_2_kb(benchmark::State& state) { run(state, made("dGhlIHF1aWNrIGJyb3duIGZveA", 2'048)); }
void one_run_1_mb(benchmark::State& state) { run(state, std::string(1 << 20, 'a')); }
void edges_1_mb(benchmark::State& state) { run(state, made("a ", 1 << 20)); }
void words_1_mb(benchmark::State& state) { run(state, made("abcd ", 1 << 20)); }
BENCHMARK(prose_200_bytes);
BENCHMARK(prose_2_kb);
BENCHMARK(prose_100_kb);
BENCHMARK(chinese_2_kb);
BENCHMARK(base64_2_kb);
BENCHMARK(one_run_1_mb);
BENCHMARK(edges_1_mb);
BENCHMARK(words_1_mb);

}  // namespace
}  // namespace tollgate::anomalies
