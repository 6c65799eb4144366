#include "dialects/media.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "dialects/image_size.h"

namespace tollgate::dialects {
namespace {

using namespace std::chrono_literals;

Tokens tokens(std::string_view formula, std::int64_t width, std::int64_t height,
              ImageDetail detail = ImageDetail::kHigh) {
  const ImageFormula* found = image_formula_named(formula);
  if (found == nullptr) {
    ADD_FAILURE() << "no formula is named " << formula;
    return -1;
  }
  return image_tokens(*found, {width, height, detail});
}

TEST(ImageTokens, AreThoseOfThePublishedExamplesInTiles) {
  EXPECT_EQ(tokens("gpt-4o", 1024, 1024), 765);
  EXPECT_EQ(tokens("gpt-4o", 2048, 4096), 1105);
  EXPECT_EQ(tokens("gpt-4o", 4096, 8192, ImageDetail::kLow), 85);
  // A small one is not enlarged: a tile.
  EXPECT_EQ(tokens("gpt-4o", 128, 64), 255);
  // Scaled down only, never up.
  EXPECT_EQ(tokens("gpt-4o", 512, 512), 255);
  EXPECT_EQ(tokens("gpt-4o", 513, 512), 425);
  EXPECT_EQ(tokens("gpt-4o", 768, 2048), 85 + 8 * 170);
  EXPECT_EQ(tokens("gpt-4o", 769, 2048), 85 + 8 * 170);
  EXPECT_EQ(tokens("gpt-4o", 60'000, 1), 85 + 4 * 170);
  EXPECT_EQ(tokens("gpt-4.1", 1024, 1024), 765);
  EXPECT_EQ(tokens("gpt-4.5", 1024, 1024), 765);
  EXPECT_EQ(tokens("gpt-4o-mini", 128, 64), 2833 + 5667);
  EXPECT_EQ(tokens("gpt-4o-mini", 128, 64, ImageDetail::kLow), 2833);
  EXPECT_EQ(tokens("gpt-5", 1024, 1024), 70 + 4 * 140);
  EXPECT_EQ(tokens("o1", 1024, 1024), 75 + 4 * 150);
  EXPECT_EQ(tokens("o3", 1024, 1024), 75 + 4 * 150);
  EXPECT_EQ(tokens("computer-use-preview", 1024, 1024), 65 + 4 * 129);
}

TEST(ImageTokens, AreThoseOfThePublishedExamplesInPatches) {
  EXPECT_EQ(tokens("gpt-4.1-mini", 1024, 1024), 1659);  // 1024 x 1.62
  EXPECT_EQ(tokens("gpt-4.1-mini", 1800, 2400), 2353);  // 1452 x 1.62
  EXPECT_EQ(tokens("gpt-4.1-nano", 1024, 1024), 2520);  // 1024 x 2.46
  EXPECT_EQ(tokens("o4-mini", 1024, 1024), 1762);       // 1024 x 1.72
  EXPECT_EQ(tokens("gpt-5-mini", 1800, 2400), 2353);
  EXPECT_EQ(tokens("gpt-5-nano", 1800, 2400), 3572);
  EXPECT_EQ(tokens("gpt-4.1-mini", 1, 1), 2);
  // Low detail has no published size.
  EXPECT_EQ(tokens("gpt-4.1-mini", 1024, 1024, ImageDetail::kLow), 1659);
  // 2048 on the long side leaves 24 x 64 patches, which is the whole budget: what is billed.
  EXPECT_EQ(tokens("gpt-4.1-mini", 4000, 1474), 2489);
}

TEST(ImageTokens, OfClaudeAreTheLargerOfBothPublishedRules) {
  EXPECT_EQ(tokens("claude", 200, 200), 64);      // 8 x 8 patches; by area 54.
  EXPECT_EQ(tokens("claude", 1000, 1000), 1334);  // By area; 1296 patches.
  EXPECT_EQ(tokens("claude", 1092, 1092), 1590);
  EXPECT_EQ(tokens("claude", 1920, 1080), 1600);
  EXPECT_EQ(tokens("claude", 8000, 8000), 1600);
  EXPECT_EQ(tokens("claude", 15'680, 280), 59);  // By area of 1568 x 28; 56 patches.
  EXPECT_EQ(tokens("claude-4.7", 200, 200), 64);
  EXPECT_EQ(tokens("claude-4.7", 1920, 1080), 2765);
  EXPECT_EQ(tokens("claude-4.7", 3840, 2160), 4784);
}

TEST(ImageTokens, OfQwenAreCellsAfterSmartResize) {
  EXPECT_EQ(tokens("qwen2-vl", 280, 560), 10 * 20 + 2);
  EXPECT_EQ(tokens("qwen2.5-vl", 1204, 868), 43 * 31 + 2);
  EXPECT_EQ(tokens("qwen2.5-vl", 28, 28), 2 * 2 + 2);          // At least 56 x 56.
  EXPECT_EQ(tokens("qwen2.5-vl", 7168, 7168), 128 * 128 + 2);  // At most 16384 cells.
  EXPECT_EQ(tokens("qwen3-vl", 640, 360), 20 * 11 + 2);
  EXPECT_EQ(tokens("qwen3-vl", 32, 32), 8 * 8 + 2);
}

TEST(ImageTokens, OfGemmaAreTheSameForAll) {
  EXPECT_EQ(tokens("gemma3", 1, 1), 262);
  EXPECT_EQ(tokens("gemma3", 65'535, 65'535), 262);
}

// Whatever the size: something, no more than the formula's most, the same when it is turned, and
// low detail is never dearer.
TEST(ImageTokens, StayWithinTheirBounds) {
  std::mt19937_64 random{7};
  for (const std::string_view name : image_formula_names()) {
    const bool is_qwen = name.starts_with("qwen");
    const Tokens most = is_qwen ? 16384 + 2 : name == "gpt-4o-mini" ? 2833 + 8 * 5667 : 4784;
    for (int i = 0; i < 20'000; ++i) {
      const auto side = [&] {
        return 1 + static_cast<std::int64_t>((random() % 65'535) >> (random() % 16));
      };
      const std::int64_t width = side();
      const std::int64_t height = side();
      SCOPED_TRACE(std::string(name) + " " + std::to_string(width) + "x" + std::to_string(height));
      const Tokens high = tokens(name, width, height);
      ASSERT_GE(high, 1);
      // The thinnest are a row of cells, of which there may be more.
      if (!is_qwen || std::max(width, height) < 100 * std::min(width, height)) {
        ASSERT_LE(high, most);
      }
      ASSERT_EQ(high, tokens(name, height, width));
      ASSERT_LE(tokens(name, width, height, ImageDetail::kLow), high);
    }
  }
}

// An image that is named by its address is held at no less than any can cost, and at no more.
TEST(ImageTokens, OfUnknownSizeAreThoseOfTheDearest) {
  std::mt19937_64 random{11};
  const auto side = [&] {
    const auto most = std::int64_t{1} << (random() % 17);
    return 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most)) %
                   std::int64_t{65'535};
  };
  // Those that the published limits are met by.
  const Image dearest[] = {{2048, 768},  {4000, 1474}, {1120, 1120}, {10'000, 10'000},
                           {3584, 3584}, {4096, 4096}, {1936, 1936}};
  for (const std::string_view name : image_formula_names()) {
    SCOPED_TRACE(name);
    for (const ImageDetail detail : {ImageDetail::kHigh, ImageDetail::kLow}) {
      const Tokens most = tokens(name, 0, 0, detail);
      Tokens seen = 0;
      for (const Image& image : dearest)
        seen = std::max(seen, tokens(name, image.width, image.height, detail));
      for (int i = 0; i < 20'000; ++i) {
        const std::int64_t width = side();
        const std::int64_t height = side();
        if (std::max(width, height) > 200 * std::min(width, height)) continue;
        seen = std::max(seen, tokens(name, width, height, detail));
      }
      EXPECT_LE(seen, most);
      EXPECT_GE(seen, most - most / 100);
    }
  }
}

TEST(AudioTokens, AreByTheLength) {
  const AudioFormula* openai = audio_formula_named("openai");
  const AudioFormula* gemini = audio_formula_named("gemini");
  ASSERT_TRUE(openai != nullptr && gemini != nullptr);
  EXPECT_EQ(audio_tokens(*openai, 0s), 0);
  EXPECT_EQ(audio_tokens(*openai, 1us), 1);
  EXPECT_EQ(audio_tokens(*openai, 100ms), 1);
  EXPECT_EQ(audio_tokens(*openai, 100'001us), 2);
  EXPECT_EQ(audio_tokens(*openai, 60s), 600);
  EXPECT_EQ(audio_tokens(*gemini, 60s), 1920);
}

TEST(MediaTokens, AreTheSumOfEachByItself) {
  const MediaFormulas formulas{image_formula_named("gpt-4o"), audio_formula_named("openai")};
  const std::vector<Image> images{{1024, 1024}, {1024, 1024, ImageDetail::kLow}};
  const std::vector<Duration> recordings{150ms, 150ms};
  const MediaTokens sum = media_tokens(images, recordings, formulas);
  EXPECT_EQ(sum.images, 765 + 85);
  EXPECT_EQ(sum.audio, 4);
  EXPECT_EQ(sum.unsure, 0);
  const std::vector<Image> unsized{{1024, 1024}, {0, 0}, {0, 0, ImageDetail::kLow}};
  EXPECT_EQ(media_tokens(unsized, {}, formulas).images, 765 + 1445 + 85);
  EXPECT_EQ(media_tokens(unsized, {}, formulas).unsure, 1445 + 85);
  const MediaTokens none = media_tokens({}, {}, {});
  EXPECT_EQ(none.images + none.audio, 0);
}

TEST(MediaFormulas, AreFoundByTheirNamesAlone) {
  for (const std::string_view name : image_formula_names())
    EXPECT_EQ(name_of(*image_formula_named(name)), name);
  for (const std::string_view name : audio_formula_names())
    EXPECT_EQ(name_of(*audio_formula_named(name)), name);
  for (const char* other : {"", "gpt", "GPT-4o", "gpt-4o ", "openai"})
    EXPECT_EQ(image_formula_named(other), nullptr);
  EXPECT_EQ(audio_formula_named("gpt-4o"), nullptr);
}

}  // namespace
}  // namespace tollgate::dialects
