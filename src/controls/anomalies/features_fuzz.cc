// Any texts have features within their bounds, the same wherever they lie in memory.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "controls/anomalies/blocks.h"
#include "controls/anomalies/features.h"

using namespace tollgate::anomalies;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = size == 0 ? 0 : data[0] % (size + 1);
  const std::string_view texts[] = {bytes.substr(0, cut), bytes.substr(cut)};
  const Features features = measure(texts, 7);
  CHECK(features.bytes == static_cast<tollgate::Bytes>(size));
  CHECK(features.distinct_words <= features.words && features.words <= size);
  CHECK(features.longest_run <= size && features.repetition() <= 1000);
  CHECK(features.entropy <= 1000 && features.distinct_grams <= 1000);
  CHECK(features.encoded <= 1000 && features.beyond_ascii <= 1000 && features.sampled <= size);
  CHECK((features.simhash == 0) == (features.words < kWordsMin));

  const std::string first = "x" + std::string(texts[0]);
  const std::string second = "xyz" + std::string(texts[1]);
  const std::string_view moved[] = {std::string_view(first).substr(1),
                                    std::string_view(second).substr(3)};
  const Features again = measure(moved, 7);
  CHECK(again.simhash == features.simhash && again.exact == features.exact);
  CHECK(again.minhash == features.minhash && again.entropy == features.entropy);

  for (std::size_t at = 0; at + 64 <= size; at += 64) {
    const char before = at == 0 ? '\0' : bytes[at - 1];
    const Block fast = classify(bytes.data() + at, before);
    const Block plain = classify_plain(bytes.data() + at, before);
    CHECK(fast.word == plain.word && fast.digit == plain.digit && fast.upper == plain.upper);
    CHECK(fast.beyond == plain.beyond && fast.escape == plain.escape);
    CHECK(fast.ending == plain.ending && fast.repeated == plain.repeated);
  }
  return 0;
}
