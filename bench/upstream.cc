// The upstream of the benchmarks: one thread, one epoll, the same answer to everything.
//
//   bench_upstream --listen PORT [--chunks N] [--chunk-ms N]
//
// A request whose body holds `"stream":true` gets N server-sent events of about 199 bytes, one
// each --chunk-ms milliseconds (0: as fast as they go), then usage if it was asked for and
// `[DONE]`; any other gets a chat completion of 1,004 bytes. It understands of HTTP only what
// the three clients of the benchmark send: Content-Length bodies, one request at a time.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kAnswer =
    "A gateway that sits in front of a model has three duties. It must know who asks, so that "
    "every request belongs to somebody who is accountable for it. It must decide what that caller "
    "may ask, before anything leaves the building. And it must keep the books while the answer is "
    "still on its way, because a number that is added up afterwards is a number that nobody could "
    "have acted on. In practice the third duty is the one that is skipped: counting tokens costs "
    "time, and a stream that is cut by its reader has no last line that says what it used.";
constexpr int kAnswerTokens = 120;
constexpr std::size_t kReplyBytes = 1004;

std::string whole_reply() {
  const std::string head =
      R"({"id":"chatcmpl-bench","object":"chat.completion","created":1750000000,"model":"small",)"
      R"("choices":[{"index":0,"message":{"role":"assistant","content":")";
  const std::string tail = fmt::format(
      R"("}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":400,"completion_tokens":{0},)"
      R"("total_tokens":{1}}},"system_fingerprint":")",
      kAnswerTokens, kAnswerTokens + 400);
  std::string body = head + std::string(kAnswer) + tail;
  body.append(kReplyBytes - 2 - body.size(), 'f');
  body += "\"}";
  return fmt::format(
      "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
      body.size(), body);
}

std::string chunked(std::string_view event) {
  return fmt::format("{:x}\r\n{}\r\n", event.size(), event);
}

// One event of about 199 bytes, a word or two of text.
std::string event(std::string_view delta, std::string_view end) {
  return fmt::format(
      R"(data: {{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1750000000,)"
      R"("model":"small","system_fingerprint":"fp_bench","choices":[{{"index":0,"delta":{{{}}},)"
      R"("finish_reason":{}}}]}})"
      "\n\n",
      delta, end);
}

struct Options {
  int port = 0;
  int chunks = 100;
  int chunk_ms = 0;
};

struct Connection {
  int fd = -1;
  std::string in;
  std::string out;
  std::size_t written = 0;
  int chunks_left = 0;  // Of the stream at work.
  bool streaming = false;
  bool usage_asked = false;
  Clock::time_point due;
};

class Upstream {
 public:
  explicit Upstream(Options options) : options_(options), whole_(whole_reply()) {
    for (int i = 0; i < options.chunks; ++i) {
      const std::size_t at = static_cast<std::size_t>(i) * 5 % (kAnswer.size() - 5);
      const std::string text = fmt::format(R"("content":"{}")", kAnswer.substr(at, 5));
      events_.push_back(chunked(event(text, "null")));
    }
  }

  void run();

 private:
  void accept_all();
  bool readable(Connection& connection);  // False: it is closed.
  void answer(Connection& connection, std::string_view body);
  void more(Connection& connection);
  bool flush(Connection& connection);
  void tick();
  void close(Connection& connection);

  Options options_;
  std::string whole_;
  std::vector<std::string> events_;
  int epoll_ = -1;
  int listener_ = -1;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::vector<int> streams_;
};

void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

void Upstream::run() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(options_.port));
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (listen(listener_, 4096) != 0) fail("listen");
  socklen_t length = sizeof address;
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  fmt::print("listening on {}\n", ntohs(address.sin_port));
  std::fflush(stdout);

  epoll_ = epoll_create1(0);
  epoll_event watch{.events = EPOLLIN, .data = {.fd = listener_}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &watch);
  std::vector<epoll_event> ready(512);
  while (true) {
    const int wait = streams_.empty() ? -1 : 1;
    const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), wait);
    for (int i = 0; i < count; ++i) {
      const int fd = ready[i].data.fd;
      if (fd == listener_) {
        accept_all();
        continue;
      }
      const auto found = connections_.find(fd);
      if (found == connections_.end()) continue;
      Connection& connection = *found->second;
      if ((ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !readable(connection)) continue;
      if (ready[i].events & EPOLLOUT) flush(connection);
    }
    if (!streams_.empty()) tick();
  }
}

void Upstream::accept_all() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto connection = std::make_unique<Connection>();
    connection->fd = fd;
    epoll_event watch{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.fd = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &watch);
    connections_[fd] = std::move(connection);
  }
}

void Upstream::close(Connection& connection) {
  std::erase(streams_, connection.fd);
  ::close(connection.fd);
  connections_.erase(connection.fd);
}

std::size_t content_length(std::string_view head) {
  constexpr std::string_view kName = "\r\ncontent-length:";
  for (std::size_t at = 0; (at = head.find("\r\n", at)) != head.npos; at += 2) {
    if (strncasecmp(head.data() + at, kName.data(), kName.size()) != 0) continue;
    std::string_view value = head.substr(at + kName.size());
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    std::size_t length = 0;
    std::from_chars(value.data(), value.data() + value.size(), length);
    return length;
  }
  return 0;
}

bool Upstream::readable(Connection& connection) {
  char buffer[32768];
  while (true) {
    const ssize_t got = recv(connection.fd, buffer, sizeof buffer, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
      close(connection);
      return false;
    }
    if (got < 0) break;
    connection.in.append(buffer, static_cast<std::size_t>(got));
    if (static_cast<std::size_t>(got) < sizeof buffer) break;
  }
  while (true) {
    const std::size_t end = connection.in.find("\r\n\r\n");
    if (end == std::string::npos) return true;
    const std::size_t body = content_length(std::string_view(connection.in).substr(0, end + 2));
    if (connection.in.size() < end + 4 + body) return true;
    answer(connection, std::string_view(connection.in).substr(end + 4, body));
    connection.in.erase(0, end + 4 + body);
  }
}

void Upstream::answer(Connection& connection, std::string_view body) {
  const bool stream = body.find("\"stream\":true") != body.npos;
  if (!stream) {
    connection.out += whole_;
    flush(connection);
    return;
  }
  connection.out +=
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
  connection.usage_asked = body.find("\"include_usage\":true") != body.npos;
  connection.chunks_left = options_.chunks;
  connection.streaming = true;
  connection.due = Clock::now();
  if (options_.chunk_ms > 0) streams_.push_back(connection.fd);
  do {
    more(connection);
  } while (options_.chunk_ms == 0 && connection.streaming);
}

// The next event of a stream, or its end, in a write of its own.
void Upstream::more(Connection& connection) {
  if (connection.chunks_left > 0) {
    connection.out += events_[static_cast<std::size_t>(options_.chunks - connection.chunks_left)];
    --connection.chunks_left;
    connection.due += std::chrono::milliseconds(options_.chunk_ms);
  } else {
    connection.out += chunked(event("", "\"stop\""));
    if (connection.usage_asked) {
      connection.out += chunked(fmt::format(
          R"(data: {{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1750000000,)"
          R"("model":"small","choices":[],"usage":{{"prompt_tokens":400,"completion_tokens":{0},)"
          R"("total_tokens":{1}}}}})"
          "\n\n",
          options_.chunks * 2, options_.chunks * 2 + 400));
    }
    connection.out += chunked("data: [DONE]\n\n") + "0\r\n\r\n";
    connection.streaming = false;
    std::erase(streams_, connection.fd);
  }
  flush(connection);
}

bool Upstream::flush(Connection& connection) {
  while (connection.written < connection.out.size()) {
    const ssize_t sent = send(connection.fd, connection.out.data() + connection.written,
                              connection.out.size() - connection.written, MSG_NOSIGNAL);
    if (sent < 0) return false;
    connection.written += static_cast<std::size_t>(sent);
  }
  connection.out.clear();
  connection.written = 0;
  return true;
}

void Upstream::tick() {
  const Clock::time_point now = Clock::now();
  const std::vector<int> streams = streams_;
  for (const int fd : streams) {
    Connection& connection = *connections_.at(fd);
    while (connection.streaming && connection.due <= now) more(connection);
  }
}

int number_after(int argc, char** argv, std::string_view name, int otherwise) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (argv[i] == name) return std::atoi(argv[i + 1]);
  }
  return otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.port = number_after(argc, argv, "--listen", 0);
  options.chunks = number_after(argc, argv, "--chunks", options.chunks);
  options.chunk_ms = number_after(argc, argv, "--chunk-ms", options.chunk_ms);
  Upstream(options).run();
}
