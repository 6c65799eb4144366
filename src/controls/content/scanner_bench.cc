// What a request costs that is inspected: a clean chat body of 2 KB, the same with accents and in
// Chinese, and what a hostile caller would send. Rates are bytes of text.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "controls/content/testing_scan.h"

namespace tollgate::content {
namespace {

constexpr std::size_t kBody = 2'048;
constexpr std::size_t kLarge = std::size_t{1} << 20;

std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() + unit.size() <= bytes) text += unit;
  return text;
}

void scan(benchmark::State& state, const std::string& text) {
  Scanner scanner;
  const std::vector<Action> actions = testing::all_refuse();
  for (auto _ : state) {
    CHECK(scanner.begin(testing::rules(), actions).has_value());
    CHECK(scanner.read(text).has_value());
    benchmark::DoNotOptimize(scanner.found().data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void chat_2_kb(benchmark::State& state) {
  scan(state, repeated("Please summarise the risk-based plan for task-specific models, and say "
                       "which of the keys in the desk-side skeleton were rotated in 2024. ",
                       kBody));
}
void chat_of_ten_texts(benchmark::State& state) {
  const std::string text =
      repeated("What would the second one cost a month, and why? ", kBody / 10);
  Scanner scanner;
  const std::vector<Action> actions = testing::all_refuse();
  for (auto _ : state) {
    CHECK(scanner.begin(testing::rules(), actions).has_value());
    for (int i = 0; i < 10; ++i) CHECK(scanner.read(text).has_value());
    benchmark::DoNotOptimize(scanner.found().data());
  }
}
void chat_2_kb_with_accents(benchmark::State& state) {
  scan(state, repeated("R\u00e9sumez le plan, et dites quelles cl\u00e9s ont \u00e9t\u00e9 "
                       "renouvel\u00e9es l\u2019ann\u00e9e pass\u00e9e. ",
                       kBody));
}
void chat_2_kb_in_chinese(benchmark::State& state) {
  scan(state, repeated("\u8bf7\u603b\u7ed3\u8fd9\u4e2a\u8ba1\u5212\u3002", kBody));
}
void json_2_kb(benchmark::State& state) {
  scan(state, repeated(R"({\"name\":\"get_weather\",\"path\":\"C:\\temp\",\"n\":1234},)", kBody));
}
void code_2_kb(benchmark::State& state) {
  scan(state, repeated("  for (std::size_t i = 0; i < text.size(); ++i) {\n    "
                       "if (is_space(text[i]) && has_room(kBlockMax)) return i + 0x20;\n  }\n",
                       kBody));
}
// What it is to find out that plain text has no other form.
void survey_2_kb(benchmark::State& state) {
  const std::string text = repeated("Please summarise the risk-based plan for the models. ", kBody);
  Candidates candidates;
  for (auto _ : state) benchmark::DoNotOptimize(survey(text, candidates));
}
// With the folded form, which only rules on words need.
void forms(benchmark::State& state, const std::string& text) {
  Forms seen;
  for (auto _ : state) {
    seen.begin(text, true);
    while (seen.next()) {
    }
    benchmark::DoNotOptimize(seen.is_too_deep());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
constexpr std::string_view kAccents =
    "R\u00e9sumez le plan, et dites quelles cl\u00e9s ont "
    "\u00e9t\u00e9 renouvel\u00e9es l\u2019ann\u00e9e. ";
constexpr std::string_view kChinese = "\u8bf7\u603b\u7ed3\u8fd9\u4e2a\u8ba1\u5212\u3002";
constexpr std::string_view kBase64 = "cGxlYXNlIHN1bW1hcmlzZSB0aGUgcGxhbiBmb3IgdGhlIG1vZGVscw== ";
void forms_with_accents(benchmark::State& state) {
  forms(state, repeated(kAccents, static_cast<std::size_t>(state.range(0))));
}
void forms_in_chinese(benchmark::State& state) {
  forms(state, repeated(kChinese, static_cast<std::size_t>(state.range(0))));
}
void forms_of_base64(benchmark::State& state) {
  forms(state, repeated(kBase64, static_cast<std::size_t>(state.range(0))));
}
// Beginnings of all encodings, and none of them.
void forms_of_near_misses(benchmark::State& state) {
  forms(state, repeated("%4 &amp &#x \\x4 aaaaaaaaaaaaaaaaa 41 42 43 44 45 46 0x41 &lt %%&&\\\\ ",
                        static_cast<std::size_t>(state.range(0))));
}
void forms_of_lines_of_base64(benchmark::State& state) {
  std::string line(76, 'a');
  forms(state, repeated(line + "\n", static_cast<std::size_t>(state.range(0))));
}
constexpr std::int64_t kMiddle = 100'000;
BENCHMARK(survey_2_kb);
BENCHMARK(code_2_kb);
BENCHMARK(forms_with_accents)->Arg(kBody)->Arg(kMiddle);
BENCHMARK(forms_in_chinese)->Arg(kBody)->Arg(kMiddle);
BENCHMARK(forms_of_base64)->Arg(kBody)->Arg(kMiddle);
BENCHMARK(forms_of_near_misses)->Arg(kBody)->Arg(kMiddle);
BENCHMARK(forms_of_lines_of_base64)->Arg(kBody)->Arg(kMiddle);
BENCHMARK(chat_2_kb);
BENCHMARK(chat_of_ten_texts);
BENCHMARK(chat_2_kb_with_accents);
BENCHMARK(chat_2_kb_in_chinese);
BENCHMARK(json_2_kb);

// The second argument doubles the length: the rate stays.
void near_misses(benchmark::State& state) {
  scan(state, repeated(" sk-proj-a1b2c3 AKIAQ3EGRS5 ghp_a1b2c3d4e5 eyJhbGciOiJIUzI1NiJ9.",
                       kLarge * static_cast<std::size_t>(state.range(0))));
}
void one_long_run(benchmark::State& state) {
  scan(state, repeated("-ATATT3", kLarge * static_cast<std::size_t>(state.range(0))));
}
void tokens_in_a_run(benchmark::State& state) {
  scan(state, repeated("-eyJhbGciOiJ", kLarge * static_cast<std::size_t>(state.range(0))));
}
void hidden_characters(benchmark::State& state) {
  scan(state, repeated("\u200b", kLarge * static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(near_misses)->Arg(1)->Arg(2);
BENCHMARK(one_long_run)->Arg(1)->Arg(2);
BENCHMARK(tokens_in_a_run)->Arg(1)->Arg(2);
BENCHMARK(hidden_characters)->Arg(1)->Arg(2);

void compile(benchmark::State& state) {
  for (auto _ : state) CHECK(Rules::compile(testing::kAllPacks).has_value());
}
BENCHMARK(compile);

}  // namespace
}  // namespace tollgate::content
