#include "dialects/media.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace tollgate::dialects {

namespace {

enum class Rule : std::uint8_t { kTiles, kPatches, kClaude, kCells, kSame };

}  // namespace

struct ImageFormula {
  std::string_view name;
  Rule rule = Rule::kSame;
  std::int64_t base = 0;   // Tokens of any image; of kPatches none.
  std::int64_t each = 0;   // kTiles: tokens a tile. kPatches: hundredths of a token a patch.
                           // kClaude: pixels of a side at most. kCells: pixels of a cell's side.
  std::int64_t most = 0;   // kPatches and kClaude: patches. kCells: pixels.
  std::int64_t other = 0;  // kClaude: the most by the other rule. kCells: the fewest pixels.
};

struct AudioFormula {
  std::string_view name;
  std::int64_t microseconds_per_token;
};

namespace {

constexpr std::int64_t kPatchBudget = 1536;
constexpr std::int64_t kQwenMarkers = 2;
// 256, a begin, an end, and "\n\n" before and behind.
constexpr std::int64_t kGemma3 = 256 + 2 + 2 * 2;

constexpr std::array<ImageFormula, 21> kImageFormulas{{
    {"gpt-4o", Rule::kTiles, 85, 170},
    {"gpt-4.1", Rule::kTiles, 85, 170},
    {"gpt-4.5", Rule::kTiles, 85, 170},
    {"gpt-4o-mini", Rule::kTiles, 2833, 5667},
    {"gpt-5", Rule::kTiles, 70, 140},
    {"o1", Rule::kTiles, 75, 150},
    {"o3", Rule::kTiles, 75, 150},
    {"computer-use-preview", Rule::kTiles, 65, 129},
    {"gpt-4.1-mini", Rule::kPatches, 0, 162, kPatchBudget},
    {"gpt-4.1-nano", Rule::kPatches, 0, 246, kPatchBudget},
    {"gpt-5-mini", Rule::kPatches, 0, 162, kPatchBudget},
    {"gpt-5-nano", Rule::kPatches, 0, 246, kPatchBudget},
    {"gpt-5.4-mini", Rule::kPatches, 0, 162, kPatchBudget},
    {"gpt-5.4-nano", Rule::kPatches, 0, 246, kPatchBudget},
    {"o4-mini", Rule::kPatches, 0, 172, kPatchBudget},
    {"claude", Rule::kClaude, 0, 1568, 1568, 1600},
    {"claude-4.7", Rule::kClaude, 0, 2576, 4784, 4784},
    {"qwen2-vl", Rule::kCells, kQwenMarkers, 28, 12'845'056, 3136},
    {"qwen2.5-vl", Rule::kCells, kQwenMarkers, 28, 12'845'056, 3136},
    {"qwen3-vl", Rule::kCells, kQwenMarkers, 32, 16'777'216, 65'536},
    {"gemma3", Rule::kSame, kGemma3},
}};

constexpr std::array<AudioFormula, 2> kAudioFormulas{{
    {"openai", 100'000},
    {"gemini", 1'000'000 / 32},
}};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// The largest number whose square is at most `a`, which is below 2^50.
std::int64_t root(std::int64_t a) {
  auto made = static_cast<std::int64_t>(std::sqrt(static_cast<double>(a)));
  while (made * made > a) --made;
  while ((made + 1) * (made + 1) <= a) ++made;
  return made;
}

struct Sides {
  std::int64_t longer;
  std::int64_t shorter;
};
Sides sides_of(const Image& image) {
  return {std::max(image.width, image.height), std::min(image.width, image.height)};
}

Tokens tiles(const ImageFormula& formula, const Image& image) {
  constexpr std::int64_t kSquare = 2048;
  constexpr std::int64_t kShort = 768;
  constexpr std::int64_t kTile = 512;
  if (image.detail == ImageDetail::kLow) return formula.base;
  const auto [longer, shorter] = sides_of(image);
  // Sides are scaled as fractions, so what a server rounds of a pixel never makes it more.
  const std::int64_t fitted = std::min(longer, kSquare);
  const bool is_shrunk = shorter * fitted > kShort * longer;
  const std::int64_t along =
      is_shrunk ? ceil_div(kShort * longer, shorter * kTile) : ceil_div(fitted, kTile);
  const std::int64_t across =
      is_shrunk ? ceil_div(kShort, kTile) : ceil_div(shorter * fitted, longer * kTile);
  return formula.base + formula.each * along * across;
}

// Patches once the published shrink factor is applied and adjusted to whole patches.
std::int64_t shrunk_patches(const Sides& sides, std::int64_t budget) {
  const auto [longer, shorter] = sides;
  const std::int64_t along = root(budget * longer / shorter);
  const std::int64_t across = root(budget * shorter / longer);
  const std::int64_t patches = along * shorter <= across * longer
                                   ? along * ceil_div(along * shorter, longer)
                                   : across * ceil_div(across * longer, shorter);
  return std::min(patches, budget);
}

Tokens patches(const ImageFormula& formula, const Image& image) {
  constexpr std::int64_t kLong = 2048;
  constexpr std::int64_t kPatch = 32;
  const Sides sides = sides_of(image);
  const std::int64_t fitted = std::min(sides.longer, kLong);
  const std::int64_t along = ceil_div(fitted, kPatch);
  // Of the short side the fraction of a pixel may be cut off or rounded up.
  const std::int64_t most = along * ceil_div(sides.shorter * fitted, sides.longer * kPatch);
  const std::int64_t least = along * ceil_div(sides.shorter * fitted / sides.longer, kPatch);
  std::int64_t count = std::min(most, formula.most);
  if (least > formula.most) {
    // Which of the three it is shrunk from is not published, and the last pixel can matter.
    const std::int64_t cut = sides.shorter * fitted / sides.longer;
    count =
        std::max({shrunk_patches(sides, formula.most), shrunk_patches({fitted, cut}, formula.most),
                  shrunk_patches({fitted, cut + 1}, formula.most)});
  }
  return ceil_div(count * formula.each, 100);
}

// Patches of an image that Claude has scaled to its limits, the long side being so many pixels.
std::int64_t claude_patches(const Sides& sides, std::int64_t longer) {
  constexpr std::int64_t kPatch = 28;
  const std::int64_t shorter =
      std::max<std::int64_t>(1, (2 * sides.shorter * longer + sides.longer) / (2 * sides.longer));
  return ceil_div(longer, kPatch) * ceil_div(shorter, kPatch);
}

Tokens claude(const ImageFormula& formula, const Image& image) {
  constexpr std::int64_t kPatch = 28;
  constexpr std::int64_t kPixelsPerToken = 750;
  const Sides sides = sides_of(image);
  const auto fits = [&](std::int64_t longer) {
    return ceil_div(longer, kPatch) * kPatch <= formula.each &&
           claude_patches(sides, longer) <= formula.most;
  };
  std::int64_t longer = sides.longer;
  if (!fits(longer)) {
    std::int64_t too_long = longer;
    longer = 1;  // Fits always.
    while (longer + 1 < too_long) {
      const std::int64_t middle = (longer + too_long) / 2;
      (fits(middle) ? longer : too_long) = middle;
    }
  }
  const std::int64_t edge = std::min(sides.longer, formula.each);
  const std::int64_t by_area = ceil_div(sides.longer * sides.shorter * edge * edge,
                                        sides.longer * sides.longer * kPixelsPerToken);
  return std::max(claude_patches(sides, longer), std::min(by_area, formula.other));
}

// The numbers of smart_resize are floating ones, and where a side is a whole number of cells their
// last bit decides: these are the same operations in the same order.
Tokens cells(const ImageFormula& formula, const Image& image) {
  const auto width = static_cast<double>(image.width);
  const auto height = static_cast<double>(image.height);
  const auto cell = static_cast<double>(formula.each);
  const auto most = static_cast<double>(formula.most);
  const auto least = static_cast<double>(formula.other);
  double columns = std::max(1.0, std::nearbyint(width / cell));
  double rows = std::max(1.0, std::nearbyint(height / cell));
  const double pixels = columns * cell * rows * cell;
  if (pixels > most) {
    const double beta = std::sqrt(height * width / most);
    columns = std::max(1.0, std::floor(width / beta / cell));
    rows = std::max(1.0, std::floor(height / beta / cell));
  } else if (pixels < least) {
    const double beta = std::sqrt(least / (height * width));
    columns = std::ceil(width * beta / cell);
    rows = std::ceil(height * beta / cell);
  }
  return formula.base + static_cast<Tokens>(columns * rows);
}

// The most that an image of any size costs. Of kCells those of sides up to 200 to 1, others being
// refused by smart_resize.
Tokens dearest(const ImageFormula& formula, ImageDetail detail) {
  // 2048 x 768 pixels.
  constexpr std::int64_t kTilesMost = 4 * 2;
  switch (formula.rule) {
    case Rule::kTiles:
      return formula.base + (detail == ImageDetail::kLow ? 0 : formula.each * kTilesMost);
    case Rule::kPatches:
      return ceil_div(formula.most * formula.each, 100);
    case Rule::kClaude:
      return std::max(formula.most, formula.other);
    case Rule::kCells:
      return formula.base + formula.most / (formula.each * formula.each);
    case Rule::kSame:
      return formula.base;
  }
  CHECK(false);
}

bool is_sized(const Image& image) { return image.width > 0; }

template <class Table>
auto* row_named(const Table& table, std::string_view name) {
  const auto found = std::ranges::find_if(table, [&](const auto& row) { return row.name == name; });
  return found == table.end() ? nullptr : &*found;
}

template <class Table>
std::vector<std::string_view> names_of(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& row : table) names.push_back(row.name);
  return names;
}

}  // namespace

const ImageFormula* image_formula_named(std::string_view name) {
  return row_named(kImageFormulas, name);
}
const AudioFormula* audio_formula_named(std::string_view name) {
  return row_named(kAudioFormulas, name);
}
std::string_view name_of(const ImageFormula& formula) { return formula.name; }
std::string_view name_of(const AudioFormula& formula) { return formula.name; }
std::vector<std::string_view> image_formula_names() { return names_of(kImageFormulas); }
std::vector<std::string_view> audio_formula_names() { return names_of(kAudioFormulas); }

Tokens image_tokens(const ImageFormula& formula, const Image& image) {
  if (!is_sized(image)) return dearest(formula, image.detail);
  switch (formula.rule) {
    case Rule::kTiles:
      return tiles(formula, image);
    case Rule::kPatches:
      return patches(formula, image);
    case Rule::kClaude:
      return claude(formula, image);
    case Rule::kCells:
      return cells(formula, image);
    case Rule::kSame:
      return formula.base;
  }
  CHECK(false);
}

Tokens audio_tokens(const AudioFormula& formula, Duration recording) {
  return ceil_div(recording.count(), formula.microseconds_per_token);
}

MediaTokens media_tokens(std::span<const Image> images, std::span<const Duration> recordings,
                         const MediaFormulas& formulas) {
  CHECK(images.empty() || formulas.images != nullptr);
  CHECK(recordings.empty() || formulas.audio != nullptr);
  MediaTokens sum;
  for (const Image& image : images) {
    const Tokens tokens = image_tokens(*formulas.images, image);
    sum.images += tokens;
    if (!is_sized(image)) sum.unsure += tokens;
  }
  for (const Duration recording : recordings) sum.audio += audio_tokens(*formulas.audio, recording);
  return sum;
}

}  // namespace tollgate::dialects
