// How fast counting is: prose and JSON with a warm and a cold cache, and what a hostile caller
// would send. Rates are bytes of text; the second argument of a hostile case doubles its length.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "tokens/vocabulary.h"

namespace tollgate::tokens {
namespace {

const Vocabulary& vocabulary(std::int64_t which) {
  static const auto load = [](std::string_view name) {
    auto loaded = Vocabulary::load(name, TOLLGATE_VOCABULARIES);
    if (!loaded) {
      std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
      std::exit(1);
    }
    return std::move(*loaded);
  };
  static const std::unique_ptr<const Vocabulary> o200k = load("o200k_base");
  static const std::unique_ptr<const Vocabulary> cl100k = load("cl100k_base");
  return which == 0 ? *o200k : *cl100k;
}

constexpr std::string_view kWords[] = {
    "the",        "of",     "request",   "budget", "and",    "to",
    "gateway",    "in",     "is",        "that",   "tokens", "for",
    "with",       "on",     "are",       "this",   "be",     "stream",
    "limit",      "it",     "from",      "by",     "not",    "tenant",
    "model",      "or",     "an",        "every",  "which",  "configuration",
    "answers",    "was",    "their",     "policy", "has",    "upstream",
    "all",        "spend",  "can",       "more",   "when",   "one",
    "we",         "would",  "latency",   "there",  "if",     "your",
    "each",       "record", "so",        "what",   "than",   "other",
    "reserve",    "may",    "these",     "its",    "then",   "any",
    "settle",     "counts", "only",      "over",   "London", "Paris",
    "data",       "please", "summarise", "don't",  "it's",   "explain",
    "Kubernetes", "HTTP/2", "average",   "2024"};

std::string prose(std::size_t bytes, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::string text;
  while (text.size() < bytes) {
    text += kWords[random() % std::size(kWords)];
    const auto roll = random() % 16;
    text += roll == 0 ? ". " : roll == 1 ? ", " : roll == 2 ? "\n" : " ";
  }
  text.resize(bytes);
  return text;
}

std::string json(std::size_t bytes, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::string text = "{\n";
  while (text.size() < bytes) {
    text += "  \"";
    text += kWords[random() % std::size(kWords)];
    text += "_id\": {\"value\": " + std::to_string(random() % 100000) + ", \"name\": \"";
    text += kWords[random() % std::size(kWords)];
    text += "\"},\n";
  }
  text.resize(bytes);
  return text;
}

void measure_warm(benchmark::State& state, const std::string& text) {
  Counter counter(vocabulary(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(counter.count(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void warm_chat_body(benchmark::State& state) { measure_warm(state, prose(1800, 1)); }
void warm_prose(benchmark::State& state) { measure_warm(state, prose(200'000, 2)); }
void warm_json(benchmark::State& state) { measure_warm(state, json(200'000, 3)); }
BENCHMARK(warm_chat_body)->Arg(0)->Arg(1);
BENCHMARK(warm_prose)->Arg(0)->Arg(1);
BENCHMARK(warm_json)->Arg(0)->Arg(1);

// A file of the caller's choice, warm: TOLLGATE_BENCH_TEXT names it.
void warm_file(benchmark::State& state) {
  const char* const path = std::getenv("TOLLGATE_BENCH_TEXT");
  std::FILE* const file = path != nullptr ? std::fopen(path, "rb") : nullptr;
  if (file == nullptr) {
    state.SkipWithError("TOLLGATE_BENCH_TEXT names no file");
    return;
  }
  std::string text(std::size_t{8} << 20, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  measure_warm(state, text);
}
BENCHMARK(warm_file)->Arg(0)->Arg(1);

void cold_chat_body(benchmark::State& state) {
  const std::string text = prose(1800, 1);
  for (auto _ : state) {
    state.PauseTiming();
    Counter counter(vocabulary(state.range(0)));
    state.ResumeTiming();
    benchmark::DoNotOptimize(counter.count(text));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(cold_chat_body)->Arg(0)->Arg(1)->Iterations(500);

void stream_of_deltas(benchmark::State& state) {
  const std::string text = prose(20'000, 4);
  Counter counter(vocabulary(state.range(0)));
  for (auto _ : state) {
    StreamCounter stream(counter);
    for (std::size_t at = 0; at < text.size(); at += 5) {
      stream.feed(std::string_view(text).substr(at, 5));
      benchmark::DoNotOptimize(stream.count());
    }
    benchmark::DoNotOptimize(stream.finish());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(text.size() / 5));
}
BENCHMARK(stream_of_deltas)->Arg(0)->Arg(1);

std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

std::string random_letters(std::size_t bytes, unsigned kinds) {
  std::mt19937_64 random{9};
  std::string text(bytes, ' ');
  for (char& letter : text) letter = static_cast<char>('a' + random() % kinds);
  return text;
}

std::string random_han(std::size_t bytes) {
  std::mt19937_64 random{10};
  std::string text;
  while (text.size() < bytes) {
    const std::uint32_t point = 0x4e00 + random() % 0x5000;
    text += static_cast<char>(0xe0 | point >> 12);
    text += static_cast<char>(0x80 | (point >> 6 & 0x3f));
    text += static_cast<char>(0x80 | (point & 0x3f));
  }
  return text;
}

void hostile(benchmark::State& state, std::string (*make)(std::size_t)) {
  measure_warm(state, make(static_cast<std::size_t>(state.range(1)) << 10));
}
#define HOSTILE(name, ...)                                                        \
  BENCHMARK_CAPTURE(hostile, name, [](std::size_t bytes) { return __VA_ARGS__; }) \
      ->ArgsProduct({{0, 1}, {512, 1024}})                                        \
      ->Unit(benchmark::kMillisecond)

HOSTILE(one_letter, repeated("a", bytes));
HOSTILE(capitals, repeated("A", bytes));
HOSTILE(spaces, repeated(" ", bytes));
HOSTILE(newlines, repeated("\n", bytes));
HOSTILE(underscores, repeated("_", bytes));
HOSTILE(two_letters, repeated("ab", bytes));
HOSTILE(random_letters, random_letters(bytes, 26));
HOSTILE(random_two_letters, random_letters(bytes, 2));
HOSTILE(random_han, random_han(bytes));
HOSTILE(one_han, repeated("\xe4\xbd\xa0", bytes));
HOSTILE(bad_bytes, repeated("\xff", bytes));
HOSTILE(digits, repeated("7", bytes));

void load_o200k(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Vocabulary::load("o200k_base", TOLLGATE_VOCABULARIES));
  }
}
BENCHMARK(load_o200k)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tollgate::tokens
