#include "identity/bearer_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace tollgate::identity {
namespace {

class BearerFile : public ::testing::Test {
 protected:
  BearerFile() : folder_((std::filesystem::temp_directory_path() / "tollgate-XXXXXX").string()) {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
  }
  ~BearerFile() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/token"; }
  // As the kubelet does: another file takes the place.
  void replace(std::string_view text) const {
    std::ofstream(path() + ".new", std::ios::binary) << text;
    std::filesystem::rename(path() + ".new", path());
  }

  Instant now{std::chrono::hours(1)};
  BearerFiles files;

 private:
  std::string folder_;
};

TEST_F(BearerFile, IsReadAnewWithinASecondOfItsRotation) {
  replace("first\n");
  EXPECT_EQ(files.token(path(), now).value_or(""), "first");
  replace("other");
  EXPECT_EQ(files.token(path(), now + BearerFiles::kLookEvery - Duration(1)).value_or(""), "first");
  EXPECT_EQ(files.token(path(), now + BearerFiles::kLookEvery).value_or(""), "other");
}

TEST_F(BearerFile, ThatHoldsNoTokenIsAFault) {
  const std::string rows[] = {"",
                              "\n",
                              "two words",
                              "line\nline",
                              std::string("a\0b", 3),
                              std::string(BearerFiles::kBytesMax + 1, 'a')};
  EXPECT_FALSE(files.token(path(), now));  // There is no file.
  for (const std::string& text : rows) {
    replace(text);
    now += BearerFiles::kLookEvery;
    EXPECT_FALSE(files.token(path(), now)) << text.substr(0, 20);
  }
  replace("good");
  now += BearerFiles::kLookEvery;
  EXPECT_TRUE(files.token(path(), now));
  std::filesystem::remove(path());
  now += BearerFiles::kLookEvery;
  EXPECT_FALSE(files.token(path(), now));
}

TEST_F(BearerFile, IsOneOfABoundedNumber) {
  replace("good");
  for (std::size_t i = 0; i < 3 * BearerFiles::kKept; ++i) {
    EXPECT_FALSE(files.token(path() + std::to_string(i), now));
  }
  EXPECT_TRUE(files.token(path(), now));
}

}  // namespace
}  // namespace tollgate::identity
