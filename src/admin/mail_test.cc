// Mail whose server's name is asked of a name server that says nothing.
#include "admin/mail.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace {

constexpr const char* kHangs = "hangs.example";

// How many look-ups hang, until they may end.
struct Hanging {
  std::mutex mutex;
  std::condition_variable changed;
  int began = 0;
  int ended = 0;
  bool may_end = false;

  static Hanging& look_ups() {
    static Hanging hanging;
    return hanging;
  }
  void hang() {
    std::unique_lock lock(mutex);
    ++began;
    changed.notify_all();
    changed.wait(lock, [this] { return may_end; });
    ++ended;
    changed.notify_all();
  }
};

}  // namespace

// In place of the system's, for the whole test program.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** found) {
  if (name != nullptr && std::strcmp(name, kHangs) == 0) {
    Hanging::look_ups().hang();
    return EAI_AGAIN;
  }
  using Resolve = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto resolve = reinterpret_cast<Resolve>(dlsym(RTLD_NEXT, "getaddrinfo"));
  return resolve(name, service, hints, found);
}

namespace tollgate::admin {
namespace {

// Runs what was posted when it is told to.
struct Posted final : Executor {
  void post(std::function<void()> work) override {
    const std::lock_guard lock(mutex);
    all.push_back(std::move(work));
  }
  void run() {
    for (const auto& work : std::exchange(all, {})) work();
  }
  std::mutex mutex;
  std::vector<std::function<void()>> all;
};

Task<void> send(Mail& mail, const MailRequest& request, std::optional<FaultOr<void>>& result) {
  result = co_await mail.send(request);
}

TEST(SmtpMail, EndsWhileANameServerHangs) {
  Posted loop;
  auto mail = std::make_unique<SmtpMail>(loop);
  MailRequest request;
  request.asked = "alerts.to";
  request.url = std::string("smtps://") + kHangs;
  request.from = "gateway@example.com";
  request.to = {"ops@example.com"};
  request.timeout = std::chrono::hours(1);
  std::optional<FaultOr<void>> result;
  start(send(*mail, request, result));
  Hanging& hanging = Hanging::look_ups();
  {
    std::unique_lock lock(hanging.mutex);
    hanging.changed.wait(lock, [&] { return hanging.began == 1; });
  }
  mail->close();
  std::future<void> end = std::async(std::launch::async, [&mail] { mail.reset(); });
  const bool has_ended = end.wait_for(std::chrono::seconds(30)) == std::future_status::ready;
  {
    std::unique_lock lock(hanging.mutex);
    EXPECT_EQ(hanging.ended, 0);
    hanging.may_end = true;
    hanging.changed.notify_all();
    hanging.changed.wait(lock, [&] { return hanging.ended == 1; });
  }
  EXPECT_TRUE(has_ended) << "it waits for the name server";
  end.wait();
  loop.run();
  ASSERT_TRUE(result);
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().kind, FaultKind::kCancelled);
}

}  // namespace
}  // namespace tollgate::admin
