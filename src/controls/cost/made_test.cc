#include "controls/cost/made.h"

#include <gtest/gtest.h>

#include <limits>

#include "controls/cost/cost.h"

namespace tollgate::cost {
namespace {

TEST(UnitPrice, RoundsUpOnceAndNeverOverflows) {
  const UnitPrice characters{Money{15'000'000}, 1'000'000};
  EXPECT_EQ(price(characters, 0), Money{});
  EXPECT_EQ(price(characters, 1), Money{15});
  EXPECT_EQ(price({Money{1}, 1'000'000}, 1), Money{1});
  EXPECT_EQ(price({Money{40'000}, 1}, 3), Money{120'000});
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(price({Money{most}, 1}, kUnitsMax), Money{most});
  EXPECT_EQ(version_of(characters), "15.00/1000000");
  EXPECT_FALSE(prices_of("0.00/0.00/0.00;characters:15.00/1000000")) << "not by tokens alone";
}

ImageFigures figures() {
  ImageFigures made;
  EXPECT_TRUE(made.add("1024x1024", 40));
  EXPECT_TRUE(made.add("hd/1024x1024", 80));
  EXPECT_TRUE(made.add("1792x1024", 90));
  EXPECT_TRUE(made.add("low/any", 10));
  return made;
}

TEST(ImageFigures, TellTheMostThatAnImageCanComeTo) {
  const ImageFigures made = figures();
  const auto most = [&](std::string_view quality, std::string_view size) {
    const std::optional<ImageSpan> span = made.of(quality, size);
    return span ? span->most : -1;
  };
  EXPECT_EQ(most("hd", "1024x1024"), 80);
  EXPECT_EQ(most("standard", "1024x1024"), 40);
  EXPECT_EQ(most("", "1024x1024"), 80) << "the model may choose the dearer quality";
  EXPECT_EQ(most("standard", ""), 90);
  EXPECT_EQ(most("", ""), 90);
  EXPECT_EQ(most("low", "512x512"), 10);
  EXPECT_EQ(most("hd", "512x512"), -1) << "it has no price";
  EXPECT_EQ(made.of("", "1024x1024")->least, 10);
  EXPECT_FALSE(ImageFigures().of("", ""));
}

TEST(ImageFigures, TakeEachNameOnceAsItIsWritten) {
  ImageFigures made = figures();
  for (const std::string_view bad :
       {"1024x1024", "hd/1024x1024", "", "/", "hd/", "/x", "a b", "HD"})
    EXPECT_FALSE(made.add(bad, 1)) << bad;
  EXPECT_TRUE(made.add("any", 1));
  std::string names;
  for (const ImageFigure& figure : made.figures()) names += name_of(figure) + " ";
  EXPECT_EQ(names, "1024x1024 hd/1024x1024 1792x1024 low/any any ");
}

}  // namespace
}  // namespace tollgate::cost
