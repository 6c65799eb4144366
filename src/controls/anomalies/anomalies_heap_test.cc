// What looking at a request asks of the heap in the steady state: nothing.
// The sanitizers have an operator new of their own.
#include "base/testing_heap.h"

#ifndef TOLLGATE_HEAP_IS_NOT_OURS
#include <gtest/gtest.h>

#include <string>

#include "controls/anomalies/anomalies.h"

namespace tollgate::anomalies {
namespace {

TEST(Anomalies, LookWithoutTheHeapOnceThereIsState) {
  Anomalies anomalies(7, {.actors = 64, .routes = 16, .templates = 64});
  std::string text;
  while (text.size() < 20'000) text += "plain words, caf\u00e9 and \u8bf7\u603b\u7ed3 ";
  const std::string_view texts[] = {text};
  const Policy policy;
  std::size_t before = 0;
  for (int request = 0; request < 3; ++request) {
    before = heap::asked_for;
    Asked asked;
    asked.features = measure(texts, anomalies.key());
    asked.actor = anomalies.hash_of("actor");
    asked.route = anomalies.hash_of("chat");
    anomalies.observe(policy, asked);
    anomalies.learn(asked.actor, asked.route, Ended{.input = 10});
  }
  EXPECT_EQ(heap::asked_for, before);
}

}  // namespace
}  // namespace tollgate::anomalies

#endif
