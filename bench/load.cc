// The load of the benchmarks where wrk does not do: an open loop at a fixed rate, streams, and a
// fleet of streams held open at once.
//
//   bench_load --port N --bodies FILE [--key SECRET] [--connections N] [--seconds N]
//              [--requests N] [--rate N] [--once]
//
// FILE has a JSON body a line, sent in turn with a running number in its fresh places. With --rate
// a request is due at its instant of the schedule whether or not those before it are done, and its
// latency is counted from there, so a server that stalls cannot hide it; without, each connection
// asks again when it has its answer.
// With --once every connection asks one time, all at once; the line `open` is printed when each
// has had the first bytes of its reply. Ends with one line of JSON.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

struct Options {
  int port = 0;
  int connections = 64;
  int seconds = 2;
  long requests = -1;  // Ends after so many; -1: after the seconds.
  int rate = 0;
  bool once = false;
  std::string bodies;
  std::string key;
};

struct Connection {
  int fd = -1;
  bool busy = false;
  bool answered = false;  // It has had bytes of the reply at work.
  Clock::time_point due;
  std::string in;  // The head, until it is whole; of a chunked body its last bytes.
  bool head_done = false;
  bool chunked = false;
  std::size_t body_left = 0;
  const std::string* message = nullptr;
};

class Load {
 public:
  explicit Load(Options options);
  void run();
  void report() const;

 private:
  void connect(Connection& connection);
  const std::string& fresh_message();  // The next one; nobody has sent it before.
  void ask(Connection& connection, Clock::time_point due);
  void read(Connection& connection);
  bool take(Connection& connection, std::string_view bytes);  // True: the reply is whole.
  void finish(Connection& connection);
  void fail(Connection& connection);
  void ask_those_due(Clock::time_point now);

  Options options_;
  std::vector<std::string> messages_;
  std::size_t next_message_ = 0;
  std::vector<Connection> connections_;
  std::vector<std::size_t> idle_;
  std::deque<Clock::time_point> waiting_;  // Due and without a free connection.
  Clock::time_point next_due_;
  int epoll_ = -1;
  bool asking_ = true;
  long asked_ = 0;
  int open_ = 0;

  long done_ = 0;
  long errors_ = 0;
  long not_ok_ = 0;
  long events_ = 0;
  long reads_ = 0;
  std::vector<float> latencies_us_;
  double elapsed_ = 0;
};

Load::Load(Options options) : options_(std::move(options)), connections_(options_.connections) {
  std::ifstream file(options_.bodies);
  for (std::string body; std::getline(file, body);) {
    if (body.empty()) continue;
    messages_.push_back(
        fmt::format("POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nauthorization: "
                    "Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
                    options_.port, options_.key, body.size(), body));
  }
  if (messages_.empty()) {
    fmt::print(stderr, "bench_load: no bodies in {}\n", options_.bodies);
    std::exit(1);
  }
}

void Load::connect(Connection& connection) {
  if (connection.fd >= 0) ::close(connection.fd);
  connection = {};
  connection.fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(options_.port));
  if (::connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  const int on = 1;
  setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event watch{.events = EPOLLIN,
                    .data = {.u64 = std::uint64_t(&connection - connections_.data())}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &watch);
  idle_.push_back(static_cast<std::size_t>(&connection - connections_.data()));
}

const std::string& Load::fresh_message() {
  constexpr std::string_view kPlace = "Order ";
  std::string& message = messages_[next_message_ % messages_.size()];
  const std::string number = fmt::format("{:07}", next_message_++ % 10'000'000);
  std::size_t at = message.find("\r\n\r\n");
  while ((at = message.find(kPlace, at)) != std::string::npos) {
    at += kPlace.size();
    message.replace(at, number.size(), number);
  }
  return message;
}

void Load::ask(Connection& connection, Clock::time_point due) {
  connection.busy = true;
  connection.answered = connection.head_done = connection.chunked = false;
  connection.in.clear();
  connection.due = due;
  connection.message = &fresh_message();
  ++asked_;
  const ssize_t sent =
      send(connection.fd, connection.message->data(), connection.message->size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(connection.message->size())) fail(connection);
}

void Load::fail(Connection& connection) {
  ++errors_;
  ++done_;
  connect(connection);
}

bool Load::take(Connection& connection, std::string_view bytes) {
  if (!connection.head_done) {
    connection.in += bytes;
    const std::size_t end = connection.in.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const std::string head = connection.in.substr(0, end + 2);
    if (head.compare(0, 12, "HTTP/1.1 200") != 0) ++not_ok_;
    connection.head_done = true;
    connection.chunked = strcasestr(head.c_str(), "\r\ntransfer-encoding:") != nullptr;
    if (const char* length = strcasestr(head.c_str(), "\r\ncontent-length:")) {
      connection.body_left = std::strtoul(length + 17, nullptr, 10);
    }
    const std::string rest = connection.in.substr(end + 4);
    connection.in.clear();
    return take(connection, rest);
  }
  if (!connection.chunked) {
    connection.body_left -= std::min(connection.body_left, bytes.size());
    return connection.body_left == 0;
  }
  // An event ends in an empty line; one that falls between two reads is seen with the last byte.
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char before = i > 0 ? bytes[i - 1] : connection.in.empty() ? ' ' : connection.in.back();
    events_ += bytes[i] == '\n' && before == '\n';
  }
  connection.in += bytes;
  constexpr std::string_view kEnd = "\r\n0\r\n\r\n";
  if (connection.in.ends_with(kEnd)) return true;
  if (connection.in.size() > kEnd.size())
    connection.in.erase(0, connection.in.size() - kEnd.size());
  return false;
}

void Load::finish(Connection& connection) {
  latencies_us_.push_back(
      std::chrono::duration<float, std::micro>(Clock::now() - connection.due).count());
  ++done_;
  connection.busy = false;
  const auto index = static_cast<std::size_t>(&connection - connections_.data());
  if (!waiting_.empty()) {
    const Clock::time_point due = waiting_.front();
    waiting_.pop_front();
    ask(connection, due);
  } else if (asking_ && options_.rate == 0 && !options_.once) {
    ask(connection, Clock::now());
  } else {
    idle_.push_back(index);
  }
}

void Load::read(Connection& connection) {
  char buffer[65536];
  const ssize_t got = recv(connection.fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    const bool busy = connection.busy;
    std::erase(idle_, static_cast<std::size_t>(&connection - connections_.data()));
    if (busy) {
      fail(connection);
    } else {
      connect(connection);
    }
    return;
  }
  ++reads_;
  if (!connection.answered) {
    connection.answered = true;
    if (options_.once && ++open_ == options_.connections) {
      fmt::print("open\n");
      std::fflush(stdout);
    }
  }
  if (take(connection, std::string_view(buffer, static_cast<std::size_t>(got)))) finish(connection);
}

void Load::ask_those_due(Clock::time_point now) {
  if (options_.rate == 0) return;
  for (; asking_ && next_due_ <= now; next_due_ += nanoseconds(1'000'000'000 / options_.rate)) {
    if (idle_.empty()) {
      waiting_.push_back(next_due_);
      continue;
    }
    Connection& connection = connections_[idle_.back()];
    idle_.pop_back();
    ask(connection, next_due_);
  }
}

void Load::run() {
  epoll_ = epoll_create1(0);
  for (Connection& connection : connections_) connect(connection);
  const Clock::time_point start = next_due_ = Clock::now();
  const Clock::time_point end = start + std::chrono::seconds(options_.seconds);
  if (options_.rate == 0) {
    idle_.clear();
    for (Connection& connection : connections_) ask(connection, Clock::now());
  }
  std::vector<epoll_event> ready(256);
  const Clock::time_point patience = end + std::chrono::seconds(60);
  while (asking_ || done_ < asked_) {
    const Clock::time_point now = Clock::now();
    const bool enough = options_.requests >= 0 ? asked_ >= options_.requests : now >= end;
    if (asking_ && (enough || options_.once)) {
      asking_ = false;
      waiting_.clear();
    }
    if (now > patience) break;
    ask_those_due(now);
    const nanoseconds wait = options_.rate > 0 && asking_
                                 ? std::clamp<nanoseconds>(next_due_ - now, nanoseconds(0),
                                                           std::chrono::milliseconds(10))
                                 : std::chrono::milliseconds(10);
    const timespec timeout{.tv_sec = 0, .tv_nsec = static_cast<long>(wait.count())};
    const int count =
        epoll_pwait2(epoll_, ready.data(), static_cast<int>(ready.size()), &timeout, nullptr);
    for (int i = 0; i < count; ++i) read(connections_[ready[i].data.u64]);
  }
  elapsed_ = std::chrono::duration<double>(Clock::now() - start).count();
}

void Load::report() const {
  std::vector<float> sorted = latencies_us_;
  std::ranges::sort(sorted);
  const auto at = [&](double share) {
    return sorted.empty() ? 0.0F
                          : sorted[static_cast<std::size_t>(share * double(sorted.size() - 1))];
  };
  fmt::print(R"({{"requests":{},"errors":{},"not_ok":{},"unfinished":{},"events":{},"reads":{},)"
             R"("seconds":{:.3f},"p50_us":{:.1f},"p99_us":{:.1f},"max_us":{:.1f}}})"
             "\n",
             done_, errors_, not_ok_, asked_ - done_, events_, reads_, elapsed_, at(0.5), at(0.99),
             at(1));
}

std::string text_after(int argc, char** argv, std::string_view name, std::string otherwise) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (argv[i] == name) return argv[i + 1];
  }
  return otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](std::string_view name, int otherwise) {
    return std::stoi(text_after(argc, argv, name, std::to_string(otherwise)));
  };
  Options options;
  options.port = number("--port", 0);
  options.connections = number("--connections", options.connections);
  options.seconds = number("--seconds", options.seconds);
  options.requests = number("--requests", -1);
  options.rate = number("--rate", 0);
  options.bodies = text_after(argc, argv, "--bodies", "");
  options.key = text_after(argc, argv, "--key", "none");
  for (int i = 1; i < argc; ++i) options.once |= std::string_view(argv[i]) == "--once";
  Load load(options);
  load.run();
  load.report();
}
