#include "identity/session_store.h"

#include <gtest/gtest.h>

#include "base/hand_executor.h"
#include "identity/testing_web.h"
#include "redis/testing_server.h"

namespace tollgate::identity {
namespace {

using testing::Running;

Task<Stored> get(SessionStore& store, std::string key, Executor& executor) {
  Waiter<Stored> waiter(executor);
  const auto submit = [&](Waiter<Stored>& waits) { return store.get(std::move(key), waits); };
  co_return co_await waiter.ask(submit);
}

// Runs what is posted until all of them are answered.
void finish(HandExecutor& executor, const std::vector<std::unique_ptr<Running<Stored>>>& all) {
  for (const auto& each : all) {
    while (!each->done()) {
      if (!executor.run()) std::this_thread::yield();
    }
  }
}

TEST(SessionStore, FindsWhatIsKept) {
  redis::RedisServer server;
  server.tell({"SET", "session:a", "{}"});
  server.tell({"HSET", "session:hash", "a", "b"});
  SessionStore store(Secret(server.url()));
  HandExecutor executor;
  std::vector<std::unique_ptr<Running<Stored>>> all;
  for (const char* key : {"session:a", "session:b", "session:hash"}) {
    all.push_back(std::make_unique<Running<Stored>>(get(store, key, executor)));
  }
  finish(executor, all);
  ASSERT_TRUE(all[0]->value() && all[1]->value());
  EXPECT_EQ(*all[0]->value(), "{}");
  EXPECT_EQ(*all[1]->value(), std::nullopt);
  EXPECT_FALSE(all[2]->value());
}

TEST(SessionStore, AStoreThatIsDownIsAFaultAndComesBack) {
  redis::RedisServer server;
  SessionStore store(Secret(server.url()));
  HandExecutor executor;
  server.kill();
  std::vector<std::unique_ptr<Running<Stored>>> all;
  all.push_back(std::make_unique<Running<Stored>>(get(store, "a", executor)));
  finish(executor, all);
  EXPECT_FALSE(all[0]->value());
  server.start();
  all.push_back(std::make_unique<Running<Stored>>(get(store, "a", executor)));
  finish(executor, all);
  EXPECT_TRUE(all[1]->value());
}

// Many round trips' worth of questions wait together, not one after the other.
TEST(SessionStore, NobodyWaitsLongerThanItsPatience) {
  redis::RedisServer server;
  SessionStore store(Secret(server.url()));
  HandExecutor executor;
  std::vector<std::unique_ptr<Running<Stored>>> all;
  all.push_back(std::make_unique<Running<Stored>>(get(store, "a", executor)));
  finish(executor, all);
  server.pause();
  const auto before = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < 8 * SessionStore::kAtOnceMax; ++i) {
    all.push_back(std::make_unique<Running<Stored>>(get(store, "a", executor)));
  }
  finish(executor, all);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 4 * SessionStore::kPatience);
  EXPECT_FALSE(all.back()->value());
  server.resume();
}

TEST(SessionStore, WhoAsksAfterItsEndIsAnswered) {
  redis::RedisServer server;
  SessionStore store(Secret(server.url()));
  HandExecutor executor;
  store.stop();
  const Running<Stored> asked(get(store, "a", executor));
  ASSERT_TRUE(asked.done());
  EXPECT_FALSE(asked.value());
}

}  // namespace
}  // namespace tollgate::identity
