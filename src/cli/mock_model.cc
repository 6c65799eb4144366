// `tollgate mock-model`: the built-in model server on an address of its own.
#include "mock/mock_model.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <thread>

#include "cli/commands.h"
#include "cli/countdown.h"
#include "cli/gateway.h"
#include "cli/signals.h"

namespace tollgate::cli {

namespace {

// "127.0.0.1:8081", "[::1]:0".
bool split_address(const std::string& listen, std::string& host, std::uint16_t& port) {
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  host = listen.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const char* end = listen.data() + listen.size();
  const auto read = std::from_chars(listen.data() + colon + 1, end, port);
  return read.ec == std::errc() && read.ptr == end;
}

}  // namespace

int mock_model(const MockModelOptions& options) {
  block_signals();
  net::ListenerOptions listen;
  if (!split_address(options.listen, listen.host, listen.port)) {
    return wrong_use(fmt::format("--listen wants HOST:PORT, not `{}`", options.listen));
  }
  const std::optional<mock::Fail> fail = mock::fail_named(options.fail);
  if (!fail) {
    return wrong_use(fmt::format("unknown --fail `{}`; known are {}", options.fail,
                                 fmt::join(mock::fail_names(), ", ")));
  }
  const auto vocabulary = tokens::Vocabulary::load("o200k_base", vocabulary_directory());
  if (!vocabulary) return faulty(vocabulary.error());
  const mock::Policy policy{options.tokens_per_second, options.usage == "on", *fail};
  mock::Stats stats;
  net::Loop loop;
  mock::MockModel model(loop, **vocabulary, policy, stats);
  listen.name = "mock";
  listen.edge.connections_max = 50'000;
  const std::string host = listen.host;
  const auto listener = net::Listener::open(loop, std::move(listen), model);
  if (!listener) return faulty(listener.error());
  const bool v6 = host.find(':') != std::string::npos;
  fmt::print("mock-model: listening on http://{}{}{}:{}\nmock-model: ready\n", v6 ? "[" : "", host,
             v6 ? "]" : "", (*listener)->port());
  std::fflush(stdout);
  std::thread thread([&loop] { loop.run(); });
  while (wait_signal(std::chrono::hours(1)) != Signal::kStop) {
  }
  close_now(loop, **listener);
  loop.stop();
  thread.join();
  return kDone;
}

}  // namespace tollgate::cli
