// What images and recordings cost in tokens, by the formulas that providers publish. Each is a
// row of a table, by the name that a model's configuration gives; the source stands with its
// rule below. Where a rule leaves something open the dearer reading counts, with one exception that
// is told:
//
// - OpenAI, tiles (gpt-4o, gpt-4.1, gpt-4.5, gpt-4o-mini, o1, o3, gpt-5, computer-use-preview):
//   scaled down to fit 2048 x 2048, then to 768 on the short side; a base and so many a tile of
//   512 x 512 begun; the base alone at low detail. The exception: an image is scaled down only,
//   never up. The page has it "scaled such that the shortest side is 768px long", which to the
//   letter makes four tiles of one of 512 x 512; its examples are of larger ones and say "scale
//   down". That a smaller one stays as it is is our reading. Source: OpenAI, "Images and vision",
//   https://developers.openai.com/api/docs/guides/images-vision, tile-based tokenization.
// - OpenAI, patches (gpt-4.1-mini, gpt-4.1-nano, o4-mini, gpt-5-mini, gpt-5-nano, gpt-5.4-mini,
//   gpt-5.4-nano): patches of 32 x 32 begun, times a factor; scaled down to 2048 on the long side
//   and to 1536 patches. Source: the same page, patch-based tokenization. Low detail has no
//   published size and counts as high.
// - Claude (claude, and claude-4.7 for those of 4.7 and later, which see 2576 pixels a side and
//   4784 tokens instead of 1568 and 1568): the larger of the two rules that Anthropic has
//   published, patches of 28 x 28 begun and width x height / 750 up to 1600. Source: Anthropic,
//   "Vision", https://platform.claude.com/docs/en/build-with-claude/vision, and "Coordinates",
//   with the scaling as code; the second rule is that page's of 2025.
// - Qwen VL (qwen2-vl, qwen2.5-vl, qwen3-vl): cells of 28 x 28 (32 x 32) after smart_resize, with
//   min_pixels and max_pixels of the published preprocessor_config.json, and two markers. Source:
//   Hugging Face transformers, models/qwen2_vl/image_processing_qwen2_vl.py. A server that was
//   given more pixels by its operator is not covered.
// - Gemma 3 (gemma3): 256 whatever the size, a begin, an end and two blank lines, bounded at two
//   tokens each. Source: transformers, models/gemma3/processing_gemma3.py, with pan and scan off,
//   as it is unless an operator turns it on.
//
// Recordings: openai, a token per 100 ms begun (OpenAI, "Managing costs" of the Realtime API,
// https://developers.openai.com/api/docs/guides/realtime-costs); gemini, 32 a second (Google,
// "Understand and count tokens", https://ai.google.dev/gemini-api/docs/tokens).
//
// Pure, any thread. The tables live as long as the process.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace tollgate::dialects {

// How much of an image the model is shown. "auto" is high: what a model makes of it is its own.
enum class ImageDetail : std::uint8_t { kHigh, kLow };

struct Image {
  std::int64_t width = 0;   // Pixels, 1 to kImageSideMax; both 0: not known, as it is named by its
  std::int64_t height = 0;  // address, and costs what the dearest image of its detail does.
  ImageDetail detail = ImageDetail::kHigh;
};

struct ImageFormula;
struct AudioFormula;

// Null: none has this name.
const ImageFormula* image_formula_named(std::string_view name);
const AudioFormula* audio_formula_named(std::string_view name);
std::string_view name_of(const ImageFormula& formula);
std::string_view name_of(const AudioFormula& formula);
std::vector<std::string_view> image_formula_names();
std::vector<std::string_view> audio_formula_names();

Tokens image_tokens(const ImageFormula& formula, const Image& image);
Tokens audio_tokens(const AudioFormula& formula, Duration recording);

// Those of one model. Null: it is sent no images, or no recordings.
struct MediaFormulas {
  const ImageFormula* images = nullptr;
  const AudioFormula* audio = nullptr;
  friend bool operator==(const MediaFormulas&, const MediaFormulas&) = default;
};

struct MediaTokens {
  Tokens images = 0;
  Tokens audio = 0;
  Tokens unsure = 0;  // So many of those of images are a bound, as their sizes are not known.
};
// Of all together. A CHECK holds that there is a formula for what there is: whoever counts has
// refused the rest.
MediaTokens media_tokens(std::span<const Image> images, std::span<const Duration> recordings,
                         const MediaFormulas& formulas);

}  // namespace tollgate::dialects
