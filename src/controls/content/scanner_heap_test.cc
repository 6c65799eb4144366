// What inspecting a request asks of the heap in the steady state: nothing.
// The sanitizers have an operator new of their own.
#include "base/testing_heap.h"

#ifndef TOLLGATE_HEAP_IS_NOT_OURS
#include <gtest/gtest.h>

#include <string>

#include "controls/content/testing_scan.h"

namespace tollgate::content {
namespace {

TEST(Scanner, ReadsWithoutTheHeapOnceItIsWarm) {
  Scanner scanner;
  std::string text = "plain words, ";
  while (text.size() < 20'000) text += "caf\u00e9\u200b and \\n sk-proj-nothing ";
  std::size_t before = 0;
  for (int request = 0; request < 3; ++request) {
    before = heap::asked_for;
    ASSERT_TRUE(scanner.begin(testing::rules()));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(scanner.read(text));
    EXPECT_TRUE(scanner.found().empty());
  }
  EXPECT_EQ(heap::asked_for, before);
}

}  // namespace
}  // namespace tollgate::content

#endif
