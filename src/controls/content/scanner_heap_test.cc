// What inspecting a request asks of the heap in the steady state: nothing.
// The sanitizers have an operator new of their own.
#include "base/testing_heap.h"

#ifndef TOLLGATE_HEAP_IS_NOT_OURS
#include <gtest/gtest.h>

#include <string>

#include "controls/content/forms.h"
#include "controls/content/testing_forms.h"
#include "controls/content/testing_scan.h"

namespace tollgate::content {
namespace {

TEST(Scanner, ReadsWithoutTheHeapOnceItIsWarm) {
  Scanner scanner;
  const std::vector<Action> actions = testing::all_refuse();
  std::string text = "plain words, ";
  while (text.size() < 20'000) text += "caf\u00e9\u200b and \\n sk-proj-nothing ";
  std::size_t before = 0;
  for (int request = 0; request < 3; ++request) {
    before = heap::asked_for;
    ASSERT_TRUE(scanner.begin(testing::rules(), actions));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(scanner.read(text));
    scanner.remember("acme");
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(scanner.read(text));
    EXPECT_TRUE(scanner.found().empty());
  }
  EXPECT_EQ(heap::asked_for, before);
}

TEST(Forms, AreMadeWithoutTheHeapOnceItIsWarm) {
  Forms forms;
  std::string text;
  while (text.size() < 20'000) {
    text +=
        "caf\u00e9\u200b \U000E0041 \\n " + testing::base64("a sentence, %41 &lt; and more") + " ";
  }
  std::size_t before = 0;
  std::size_t seen = 0;
  for (int request = 0; request < 3; ++request) {
    before = heap::asked_for;
    seen = 0;
    forms.begin(text, true);
    for (auto form = forms.next(); form; form = forms.next()) {
      ++seen;
      Extent extent{form->text.size() / 2, form->text.size()};
      testing::lead_to_text(forms, *form, {&extent, 1});
    }
  }
  EXPECT_GE(seen, 6U);
  EXPECT_EQ(heap::asked_for, before);
}

}  // namespace
}  // namespace tollgate::content

#endif
