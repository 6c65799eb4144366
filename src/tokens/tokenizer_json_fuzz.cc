// Any bytes as a tokenizer.json, and where it is one, any text counted by it: what is before the
// first NUL is the file, what is behind it the text. The count is that of the ids, cold and warm,
// or more where special tokens are in the text; a stream of the same text comes to the ids, and
// whoever counts up to a figure to the count.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tokens/tables.h"
#include "tokens/vocabulary.h"

namespace {

using namespace tollgate::tokens;

// So that a run is of many small files.
constexpr std::size_t kBytesMax = 64 * 1024;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), std::min(size, kBytesMax));
  const std::size_t nul = std::min(input.find('\0'), input.size());
  auto tables = Tables::parse_json("fuzzed", input.substr(0, nul));
  if (!tables) return 0;
  const std::string_view text = input.substr(std::min(nul + 1, input.size()));
  const Vocabulary vocabulary(std::move(*tables));
  Counter counter(vocabulary);
  const auto ids = static_cast<tollgate::Tokens>(counter.ids(text).size());
  const tollgate::Tokens count = counter.count(text);
  CHECK(count == ids || (count > ids && !vocabulary.tables().special().empty()));
  CHECK(counter.count(text) == count);
  CHECK(counter.count_up_to(text, count) == count);
  CHECK(count == 0 || counter.count_up_to(text, count - 1) >= count);
  StreamCounter stream(counter);
  for (std::size_t at = 0; at < text.size(); at += 3) stream.feed(text.substr(at, 3));
  CHECK(stream.finish() == ids);
  return 0;
}
