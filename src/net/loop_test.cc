// In which order a turn of the loop does its work.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "net/loop_state.h"

namespace tollgate::net {
namespace {

class Work final : public Runnable {
 public:
  Work(Loop::State& loop, std::string name, std::vector<std::string>& story)
      : loop_(loop), name_(std::move(name)), story_(story) {
    loop.enqueue(*this);
  }
  void run() override { start(live()); }

 private:
  Task<void> live() {
    story_.push_back("work " + name_);
    co_await loop_.gather();
    story_.push_back("send " + name_);
  }
  Loop::State& loop_;
  const std::string name_;
  std::vector<std::string>& story_;
};

TEST(Loop, SendsTogetherWhatATurnHasToSend) {
  Loop::State loop;
  std::vector<std::string> story;
  Work a(loop, "a", story);
  Work b(loop, "b", story);
  Work c(loop, "c", story);
  loop.turn(Duration{0});
  EXPECT_EQ(story,
            (std::vector<std::string>{"work a", "work b", "work c", "send a", "send b", "send c"}));
}

TEST(Loop, SendsAtOnceWhereNothingElseIsToDo) {
  Loop::State loop;
  std::vector<std::string> story;
  Work alone(loop, "alone", story);
  loop.turn(Duration{0});
  EXPECT_EQ(story, (std::vector<std::string>{"work alone", "send alone"}));
}

// However many are at work, what is ready waits for a few of them only.
TEST(Loop, KeepsNothingBackForLong) {
  Loop::State loop;
  std::vector<std::string> story;
  std::vector<std::unique_ptr<Work>> crowd;
  for (int i = 0; i < 200; ++i) {
    crowd.push_back(std::make_unique<Work>(loop, std::to_string(i), story));
  }
  loop.turn(Duration{0});
  ASSERT_EQ(story.size(), 400U);
  const auto first = std::find(story.begin(), story.end(), "send 0");
  const auto last = std::find(story.begin(), story.end(), "work 199");
  EXPECT_LT(first, last);
}

}  // namespace
}  // namespace tollgate::net
