// Counting any bytes: the count is that of the ids, the ids cover the text, and a stream of the
// same bytes in pieces comes to the same. The first byte chooses the vocabulary and the cut.
//
// The vocabularies are found in $TOLLGATE_VOCABULARIES, else in .parts/vocabularies of the source
// tree. Without them there is nothing to count with: it says so and ends with 0.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tokens/tables.h"
#include "tokens/vocabulary.h"

namespace {

using namespace tollgate::tokens;

std::string folder() {
  if (const char* const given = std::getenv("TOLLGATE_VOCABULARIES")) return given;
  const std::filesystem::path room = std::filesystem::path(__FILE__).parent_path();
  return (room.parent_path().parent_path() / ".parts/vocabularies").string();
}

std::unique_ptr<const Vocabulary> load(std::string_view name) {
  if (!std::filesystem::exists(folder() + "/" + std::string(name) + ".tiktoken")) {
    std::printf("no vocabulary %.*s in %s: nothing was fuzzed\n", static_cast<int>(name.size()),
                name.data(), folder().c_str());
    std::exit(0);
  }
  auto loaded = Vocabulary::load(name, folder());
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    std::exit(1);
  }
  return std::move(*loaded);
}

void count(const Vocabulary& vocabulary, Counter& counter, std::string_view text,
           std::size_t piece_bytes) {
  const std::vector<std::uint32_t> ids = counter.ids(text);
  const tollgate::Tokens counted = counter.count(text);
  CHECK(counted == static_cast<tollgate::Tokens>(ids.size()));
  CHECK(counter.count_up_to(text, counted) == counted);
  CHECK(counted == 0 || counter.count_up_to(text, counted - 1) >= counted);
  std::size_t bytes = 0;
  for (const std::uint32_t id : ids) bytes += vocabulary.tables().length(id);
  CHECK(bytes == text.size());

  StreamCounter stream(counter);
  for (std::size_t at = 0; at < text.size(); at += piece_bytes) {
    stream.feed(text.substr(at, piece_bytes));
  }
  if (text.size() <= StreamCounter::kShortTail) CHECK(stream.count() == counted);
  CHECK(stream.finish() == counted || text.size() > StreamCounter::kTailMax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<const Vocabulary> o200k = load("o200k_base");
  static const std::unique_ptr<const Vocabulary> cl100k = load("cl100k_base");
  // Kept from run to run, as a thread's are from request to request.
  static Counter o200k_counter(*o200k);
  static Counter cl100k_counter(*cl100k);
  static const std::unique_ptr<const Vocabulary> p50k = load("p50k_base");
  static Counter p50k_counter(*p50k);
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece_bytes = 1 + (data[0] >> 1) % 16;
  if (data[0] & 1) {
    count(*o200k, o200k_counter, text, piece_bytes);
  } else if (data[0] & 0x20) {
    count(*p50k, p50k_counter, text, piece_bytes);
  } else {
    count(*cl100k, cl100k_counter, text, piece_bytes);
  }
  return 0;
}
