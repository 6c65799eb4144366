// What inspecting a request asks of the heap in the steady state: nothing.
// The sanitizers have an operator new of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TOLLGATE_HEAP_IS_NOT_OURS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TOLLGATE_HEAP_IS_NOT_OURS
#endif
#endif

#ifndef TOLLGATE_HEAP_IS_NOT_OURS
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>

#include "controls/content/testing_scan.h"

namespace {
thread_local std::size_t asked_for = 0;
}

void* operator new(std::size_t bytes) {
  asked_for += bytes;
  if (void* made = std::malloc(bytes)) return made;
  std::abort();
}
void operator delete(void* freed) noexcept { std::free(freed); }
void operator delete(void* freed, std::size_t) noexcept { std::free(freed); }

namespace tollgate::content {
namespace {

TEST(Scanner, ReadsWithoutTheHeapOnceItIsWarm) {
  Scanner scanner;
  std::string text = "plain words, ";
  while (text.size() < 20'000) text += "caf\u00e9\u200b and \\n sk-proj-nothing ";
  std::size_t before = 0;
  for (int request = 0; request < 3; ++request) {
    before = asked_for;
    ASSERT_TRUE(scanner.begin(testing::rules()));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(scanner.read(text));
    EXPECT_TRUE(scanner.found().empty());
  }
  EXPECT_EQ(asked_for, before);
}

}  // namespace
}  // namespace tollgate::content

#endif
