// How fast texts are counted, one thread, as JSON: what `./dev bench tokens` asks.
//
//   bench_tokens rates VOCABULARY FILE...   bytes per second of CPU: cold, warm, another text
//   bench_tokens hostile VOCABULARY         time of what a hostile caller sends, 1 and 2 MB
//   bench_tokens chat VOCABULARY FILE       time of each body of FILE, a JSON body a line
//   bench_tokens memory VOCABULARY          what its tables take, and how long they load
//   bench_tokens exact VOCABULARY FILE      whether FILE (texts in base64 and their ids) holds
#include <fmt/format.h>
#include <malloc.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/request.h"
#include "pipeline/counting.h"
#include "tokens/vocabulary.h"

namespace {

using tollgate::Tokens;
using tollgate::tokens::Counter;
using tollgate::tokens::Vocabulary;

[[noreturn]] void fail(const std::string& message) {
  fmt::print(stderr, "bench_tokens: {}\n", message);
  std::exit(1);
}

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double seconds_of(const std::function<void()>& work) {
  const double before = cpu_seconds();
  work();
  return cpu_seconds() - before;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// ---- Rates -------------------------------------------------------------------------------------

void rates(const Vocabulary& vocabulary, const std::vector<std::string>& files) {
  for (const std::string& path : files) {
    const std::string text = read_file(path);
    Counter counter(vocabulary);
    Tokens tokens = 0;
    const double cold = seconds_of([&] { tokens = counter.count(text); });
    double warm = 1e9;
    for (int pass = 0; pass < 3; ++pass) {
      warm = std::min(warm, seconds_of([&] { counter.count(text); }));
    }
    // Another text of the same kind: the second half, after the first.
    Counter other(vocabulary);
    const std::size_t half = text.rfind('\n', text.size() / 2);
    other.count(std::string_view(text).substr(0, half));
    const double second = seconds_of([&] { other.count(std::string_view(text).substr(half)); });
    const double megabytes = static_cast<double>(text.size()) / 1e6;
    fmt::print(
        R"({{"file":"{}","bytes":{},"tokens":{},"cold":{:.1f},"warm":{:.1f},"other":{:.1f}}})"
        "\n",
        path, text.size(), tokens, megabytes / cold, megabytes / warm,
        static_cast<double>(text.size() - half) / 1e6 / second);
  }
}

// ---- Hostile texts -----------------------------------------------------------------------------

std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

std::string random_of(std::string_view alphabet, std::size_t bytes) {
  std::mt19937_64 random{9};
  std::string text(bytes, ' ');
  for (char& letter : text) letter = alphabet[random() % alphabet.size()];
  return text;
}

// Characters of three bytes, between the two code points.
std::string random_points(std::uint32_t from, std::uint32_t to, std::size_t bytes) {
  std::mt19937_64 random{10};
  std::string text;
  while (text.size() < bytes) {
    const auto point = static_cast<std::uint32_t>(from + random() % (to - from));
    text += static_cast<char>(0xe0 | point >> 12);
    text += static_cast<char>(0x80 | (point >> 6 & 0x3f));
    text += static_cast<char>(0x80 | (point & 0x3f));
  }
  return text;
}

std::string random_cyrillic(std::size_t bytes) {
  std::mt19937_64 random{12};
  std::string text;
  while (text.size() < bytes) {
    const auto point = static_cast<std::uint32_t>(0x430 + random() % 32);
    text += static_cast<char>(0xc0 | point >> 6);
    text += static_cast<char>(0x80 | (point & 0x3f));
  }
  return text;
}

struct Hostile {
  std::string_view name;
  std::string (*make)(std::size_t bytes);
};

constexpr std::string_view kSmall = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kBase64 =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

const Hostile kHostile[] = {
    {"one letter", [](std::size_t n) { return repeated("a", n); }},
    {"spaces", [](std::size_t n) { return repeated(" ", n); }},
    {"newlines", [](std::size_t n) { return repeated("\n", n); }},
    {"spaces and newlines", [](std::size_t n) { return random_of(" \n\t", n); }},
    {"^^^^", [](std::size_t n) { return repeated("^", n); }},
    {"abab", [](std::size_t n) { return repeated("ab", n); }},
    {"random small letters", [](std::size_t n) { return random_of(kSmall, n); }},
    {"random letters", [](std::size_t n) { return random_of(kLetters, n); }},
    {"random vowels", [](std::size_t n) { return random_of("aeiou", n); }},
    {"random frequent letters", [](std::size_t n) { return random_of("etaoinshr", n); }},
    {"random a and b", [](std::size_t n) { return random_of("ab", n); }},
    {"ACGT", [](std::size_t n) { return random_of("ACGT", n); }},
    {"random punctuation",
     [](std::size_t n) { return random_of("!\"#$%&()*+,-./:;<=>?@[]^_`{|}~", n); }},
    {"base64", [](std::size_t n) { return random_of(kBase64, n); }},
    {"digits", [](std::size_t n) { return random_of("0123456789", n); }},
    {"random Han", [](std::size_t n) { return random_points(0x4e00, 0x9fa6, n); }},
    {"frequent Han", [](std::size_t n) { return random_points(0x5900, 0x5940, n); }},
    {"random Hangul", [](std::size_t n) { return random_points(0xac00, 0xd7a4, n); }},
    {"random kana", [](std::size_t n) { return random_points(0x3041, 0x30ff, n); }},
    {"random Thai", [](std::size_t n) { return random_points(0x0e01, 0x0e2f, n); }},
    {"random Cyrillic", random_cyrillic},
    {"U+00A0", [](std::size_t n) { return repeated("\xc2\xa0", n); }},
    {"marks", [](std::size_t n) { return repeated("\xcc\x81", n); }},
    {"bad bytes", [](std::size_t n) { return repeated("\xff", n); }},
    {"random high bytes",
     [](std::size_t n) { return random_of("\x80\x90\xa0\xb0\xc2\xc3\xd0\xe4\xe5\xf0\xff", n); }},
};

void hostile(const Vocabulary& vocabulary) {
  for (const Hostile& text : kHostile) {
    double milliseconds[2] = {1e9, 1e9};
    Tokens tokens = 0;
    const std::string made[2] = {text.make(1'000'000), text.make(2'000'000)};
    // One after the other, so that a busy moment is not one size's alone.
    for (int pass = 0; pass < 7; ++pass) {
      for (const std::size_t twice : {0u, 1u}) {
        Counter counter(vocabulary);
        const double seconds = seconds_of([&] { tokens = counter.count(made[twice]); });
        milliseconds[twice] = std::min(milliseconds[twice], seconds * 1e3);
      }
    }
    fmt::print(R"({{"name":"{}","ms":{:.2f},"ms_twice":{:.2f},"tokens_twice":{}}})"
               "\n",
               text.name, milliseconds[0], milliseconds[1], tokens);
  }
}

// ---- A chat body on the path -------------------------------------------------------------------

// A body's texts, apart from the reader that they were read with.
struct Body {
  std::vector<std::string> held;
  std::vector<tollgate::dialects::Text> texts;
  tollgate::dialects::Request request;
};

void fill(Body& body, tollgate::dialects::RequestReader& reader, std::string json) {
  json.reserve(json.size() + tollgate::dialects::RequestReader::kPadding);
  const auto read = reader.read(tollgate::dialects::Surface::kChatCompletions, json);
  if (!read) fail("a body was refused");
  body.request = *read;
  body.held.clear();
  body.texts.clear();
  for (const auto& text : read->texts) body.held.emplace_back(text.text);
  for (std::size_t i = 0; i < body.held.size(); ++i) {
    body.texts.push_back({read->texts[i].kind, body.held[i]});
  }
  body.request.texts = body.texts;
}

// In `json`, each "Order 0000000" with another number: no request brings it a second time.
void renumber(std::string& json, int number) {
  constexpr std::string_view kFresh = "Order ";
  const std::string digits = fmt::format("{:07}", number % 10'000'000);
  for (std::size_t at = json.find(kFresh); at != std::string::npos;
       at = json.find(kFresh, at + 1)) {
    json.replace(at + kFresh.size(), digits.size(), digits);
  }
}

void chat(const Vocabulary& vocabulary, const std::string& directory, const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  if (lines.empty()) fail("no bodies in " + path);

  tollgate::pipeline::Vocabularies vocabularies(directory);
  if (!vocabularies.ensure(vocabulary.name())) fail("no vocabulary");
  tollgate::pipeline::Counting counting(vocabularies);
  const tollgate::pipeline::Scheme scheme{
      vocabulary.name(), tollgate::dialects::chat_template_of(vocabulary.name()), {}};
  Counter alone(vocabulary);
  tollgate::dialects::RequestReader reader;
  constexpr std::size_t kBatch = 64;  // As many connections have a body each at once.
  std::vector<Body> bodies(kBatch);
  double known = 0;
  double counted = 0;
  int requests = 0;
  double bytes = 0;
  for (int number = 0; number < 400 * static_cast<int>(kBatch); number += kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      std::string& line = lines[(number + i) % lines.size()];
      renumber(line, number + static_cast<int>(i));
      fill(bodies[i], reader, line);
    }
    const auto with_known_texts = [&] {
      for (const Body& body : bodies) {
        counting.input(body.request, scheme, tollgate::kTokensMax, "acme");
      }
    };
    const auto without = [&] {
      for (const Body& body : bodies) {
        for (const auto& text : body.texts) alone.count(text.text);
      }
    };
    const double first = seconds_of(with_known_texts);
    const double second = seconds_of(without);
    if (number < 40 * static_cast<int>(kBatch)) continue;  // Until every conversation was there.
    known += first;
    counted += second;
    for (std::size_t i = 0; i < kBatch; ++i) bytes += lines[(number + i) % lines.size()].size();
    requests += kBatch;
  }
  fmt::print(R"({{"bytes":{:.0f},"us":{:.3f},"us_without_known_texts":{:.3f}}})"
             "\n",
             bytes / requests, known / requests * 1e6, counted / requests * 1e6);
}

// ---- Memory -----------------------------------------------------------------------------------

double allocated_megabytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd) / 1e6;
}

void memory(const std::string& name, const std::string& directory) {
  const double before = allocated_megabytes();
  std::vector<std::unique_ptr<const Vocabulary>> more;
  double milliseconds = 0;
  for (int i = 0; i < 4; ++i) {
    milliseconds += 1e3 * seconds_of([&] {
                      auto loaded = Vocabulary::load(name, directory);
                      if (!loaded) fail(loaded.error().message);
                      more.push_back(std::move(*loaded));
                    });
  }
  const double with_tables = allocated_megabytes();
  std::vector<Counter> counters;
  for (int i = 0; i < 8; ++i) counters.emplace_back(*more[0]);
  const double with_counters = allocated_megabytes();
  fmt::print(R"({{"table_mb":{:.2f},"counter_mb":{:.2f},"load_ms":{:.0f}}})"
             "\n",
             (with_tables - before) / 4, (with_counters - with_tables) / 8, milliseconds / 4);
}

// ---- Exactness ---------------------------------------------------------------------------------

std::string decode_base64(std::string_view base64) {
  std::string bytes(base64.size() / 4 * 3, '\0');
  EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                  reinterpret_cast<const unsigned char*>(base64.data()),
                  static_cast<int>(base64.size()));
  bytes.resize(bytes.size() - std::min<std::size_t>(2, std::ranges::count(base64, '=')));
  return bytes;
}

void exact(const Vocabulary& vocabulary, const std::string& path) {
  std::ifstream file(path);
  if (!file) fail("cannot read " + path);
  Counter counter(vocabulary);
  int cases = 0;
  int differ = 0;
  int counts_differ = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    std::istringstream fields(line);
    std::string base64;
    if (line[0] != ' ') fields >> base64;
    const std::string text = decode_base64(base64);
    std::vector<std::uint32_t> ids;
    for (std::uint32_t id; fields >> id;) ids.push_back(id);
    const bool count_holds = counter.count(text) == static_cast<Tokens>(ids.size()) &&
                             counter.count(text) == static_cast<Tokens>(ids.size());
    counts_differ += count_holds ? 0 : 1;
    if (count_holds && counter.ids(text) == ids) continue;
    if (++differ <= 10) fmt::print(stderr, "differs: {}\n", line);
  }
  fmt::print(R"({{"cases":{},"differ":{},"counts_differ":{}}})"
             "\n",
             cases, differ, counts_differ);
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.size() < 2) fail("usage: bench_tokens COMMAND VOCABULARY [FILE]...");
  const char* const given = std::getenv("TOLLGATE_VOCABULARIES");
  const std::string directory = given != nullptr ? given : TOLLGATE_VOCABULARIES;
  const auto vocabulary = Vocabulary::load(arguments[1], directory);
  if (!vocabulary) fail(vocabulary.error().message);
  const std::vector<std::string> files(arguments.begin() + 2, arguments.end());
  if (arguments[0] == "rates") {
    rates(**vocabulary, files);
  } else if (arguments[0] == "hostile") {
    hostile(**vocabulary);
  } else if (arguments[0] == "chat" && files.size() == 1) {
    chat(**vocabulary, directory, files[0]);
  } else if (arguments[0] == "memory") {
    memory(arguments[1], directory);
  } else if (arguments[0] == "exact" && files.size() == 1) {
    exact(**vocabulary, files[0]);
  } else {
    fail("no such command: " + arguments[0]);
  }
}
