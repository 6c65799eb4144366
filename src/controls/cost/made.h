// What is paid by what is made of it, beside tokens or instead of them: images, characters that are
// spoken.
//
// Pure. Safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/units.h"

namespace tollgate::cost {

// So much for so many units.
struct UnitPrice {
  Money price;             // At least 0.
  std::int64_t units = 1;  // At least 1.
};

// So many units are at most counted of one request.
inline constexpr std::int64_t kUnitsMax = kTokensMax;

// Rounded up once, and held at the end of the range. A CHECK holds `units` in 0 to kUnitsMax.
Money price(const UnitPrice& price, std::int64_t units);

// "0.04/1": what says in a record at which price units were held and settled.
std::string version_of(const UnitPrice& price);

// A figure of an image by its size and quality: micro-dollars, or tokens.
struct ImageFigure {
  std::string quality;  // Empty: any that is not named for the same size.
  std::string size;     // Empty: any that is not named.
  std::int64_t figure = 0;
};

// The least and the most that an image can come to.
struct ImageSpan {
  std::int64_t least = 0;
  std::int64_t most = 0;
};

// What the operator writes: "1024x1024", "high/1024x1024" (a quality and a size), "any".
class ImageFigures {
 public:
  // False: `name` is none of those, or is there already.
  bool add(std::string_view name, std::int64_t figure);
  bool empty() const { return figures_.empty(); }
  const std::vector<ImageFigure>& figures() const { return figures_; }

  // For an image of that quality and size, each empty where the model chooses, so that every one
  // that is named may be it. Nothing: no figure is named for it.
  std::optional<ImageSpan> of(std::string_view quality, std::string_view size) const;

 private:
  std::vector<ImageFigure> figures_;
};

// As it is written: "high/1024x1024".
std::string name_of(const ImageFigure& figure);

}  // namespace tollgate::cost
