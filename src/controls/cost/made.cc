#include "controls/cost/made.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace tollgate::cost {

namespace {

constexpr std::string_view kAny = "any";

// How well a figure fits what is asked; less is none at all.
constexpr int kFitsNot = -1;

int fit(const ImageFigure& figure, std::string_view quality, std::string_view size) {
  const bool other_quality =
      !figure.quality.empty() && !quality.empty() && figure.quality != quality;
  const bool other_size = !figure.size.empty() && !size.empty() && figure.size != size;
  if (other_quality || other_size) return kFitsNot;
  return (figure.size.empty() ? 0 : 1) + (figure.quality.empty() ? 0 : 1);
}

bool is_word(std::string_view word) {
  return !word.empty() && std::ranges::all_of(word, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == ':';
  });
}

}  // namespace

Money price(const UnitPrice& price, std::int64_t units) {
  CHECK(units >= 0 && units <= kUnitsMax && price.units >= 1 && price.price >= Money{});
  const __int128 product = static_cast<__int128>(price.price.micro_usd) * units;
  const __int128 rounded = (product + price.units - 1) / price.units;
  const auto most = std::numeric_limits<std::int64_t>::max();
  return {rounded > most ? most : static_cast<std::int64_t>(rounded)};
}

std::string version_of(const UnitPrice& price) {
  return fmt::format("{}/{}", format_usd(price.price), price.units);
}

bool ImageFigures::add(std::string_view name, std::int64_t figure) {
  ImageFigure made;
  made.figure = figure;
  if (name != kAny) {
    const std::size_t slash = name.find('/');
    if (slash != std::string_view::npos) made.quality = name.substr(0, slash);
    made.size = slash == std::string_view::npos ? name : name.substr(slash + 1);
    if (!is_word(made.size)) return false;
    if (slash != std::string_view::npos && !is_word(made.quality)) return false;
    if (made.size == kAny) made.size.clear();
    if (made.quality == kAny) made.quality.clear();
  }
  const bool is_there = std::ranges::any_of(figures_, [&](const ImageFigure& other) {
    return other.quality == made.quality && other.size == made.size;
  });
  if (is_there) return false;
  figures_.push_back(std::move(made));
  return true;
}

std::optional<ImageSpan> ImageFigures::of(std::string_view quality, std::string_view size) const {
  // Where all is said the figure that says most is meant; else every one that could be.
  const bool is_all_said = !quality.empty() && !size.empty();
  int best = kFitsNot;
  std::optional<ImageSpan> span;
  for (const ImageFigure& figure : figures_) {
    const int fits = fit(figure, quality, size);
    if (fits == kFitsNot || (is_all_said && fits < best)) continue;
    if (is_all_said && fits > best) span.reset();
    best = std::max(best, fits);
    if (!span) span = ImageSpan{figure.figure, figure.figure};
    span->least = std::min(span->least, figure.figure);
    span->most = std::max(span->most, figure.figure);
  }
  return span;
}

std::string name_of(const ImageFigure& figure) {
  if (figure.quality.empty()) return figure.size.empty() ? std::string(kAny) : figure.size;
  return fmt::format("{}/{}", figure.quality, figure.size.empty() ? kAny : figure.size);
}

}  // namespace tollgate::cost
