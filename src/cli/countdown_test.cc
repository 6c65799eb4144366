#include "cli/countdown.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <coroutine>
#include <future>
#include <string_view>
#include <thread>

namespace tollgate::cli {
namespace {

// Lets a request wait until the test lets it go on.
class Waiting final : public pipeline::Handler {
 public:
  Task<void> serve(pipeline::Exchange& exchange) override {
    came.set_value();
    co_await *this;
    const pipeline::ReplyHead head;
    co_await exchange.reply(head, "done");
  }
  void refuse_malformed(const pipeline::RequestHead&, std::string_view, std::string&,
                        std::string&) override {}

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
  void await_resume() const {}
  void go_on() { waiter_.resume(); }

  std::promise<void> came;

 private:
  std::coroutine_handle<> waiter_;
};

int ask(std::uint16_t port) {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
  EXPECT_EQ(send(file, kRequest.data(), kRequest.size(), 0), std::ssize(kRequest));
  return file;
}

// What it counts down is there however late the last connection ends.
TEST(CloseNow, OutlivesNobodysPatience) {
  net::Loop loop;
  Waiting handler;
  net::ListenerOptions options;
  options.host = "127.0.0.1";
  const auto opened = net::Listener::open(loop, std::move(options), handler);
  ASSERT_TRUE(opened) << opened.error().message;
  net::Listener& listener = **opened;
  std::thread thread([&] { loop.run(); });
  const int caller = ask(listener.port());
  handler.came.get_future().wait();

  EXPECT_FALSE(close_now(loop, listener, Duration(1)));
  loop.post([&] { handler.go_on(); });
  const auto connections = [&] {
    std::promise<int> count;
    loop.post([&] { count.set_value(listener.connections()); });
    return count.get_future().get();
  };
  int turns = 0;
  while (connections() > 0 && ++turns < 1'000'000) {
  }
  EXPECT_EQ(connections(), 0);
  EXPECT_TRUE(close_now(loop, listener));

  loop.stop();
  thread.join();
  close(caller);
}

}  // namespace
}  // namespace tollgate::cli
