#include "cli/file_watch.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace tollgate::cli {
namespace {

class Watch : public ::testing::Test {
 protected:
  Watch() { write("one"); }
  ~Watch() override { std::remove(path_.c_str()); }
  // Each text has a length of its own: moments of a clock are no part of the test.
  void write(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }
  const std::string path_ = ::testing::TempDir() + "file_watch.yaml";
};

TEST_F(Watch, TellsAChangeOnceAndOnlyWhenTwoLooksAgree) {
  FileWatch watch(path_);
  EXPECT_FALSE(watch.settled_anew());
  write("half of");
  EXPECT_FALSE(watch.settled_anew());
  write("half of it and the rest");
  EXPECT_FALSE(watch.settled_anew());
  EXPECT_TRUE(watch.settled_anew());
  EXPECT_FALSE(watch.settled_anew());
}

TEST_F(Watch, AFileThatIsGoneIsNoChangeAndOneThatComesBackIs) {
  FileWatch watch(path_);
  std::remove(path_.c_str());
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(watch.settled_anew());
  write("another");
  EXPECT_FALSE(watch.settled_anew());
  EXPECT_TRUE(watch.settled_anew());
}

TEST_F(Watch, WhatWasReadForAnotherReasonIsNotToldAgain) {
  FileWatch watch(path_);
  write("by a signal");
  EXPECT_FALSE(watch.settled_anew());
  watch.taken();
  EXPECT_FALSE(watch.settled_anew());
  EXPECT_FALSE(watch.settled_anew());
}

}  // namespace
}  // namespace tollgate::cli
