// A real redis-server of a test's own: on a unix socket in a directory that goes with it (and on
// a free port of the loopback where TLS is asked for), ended by its pid. For tests.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "redis/client.h"

namespace tollgate::redis {

inline Instant in_time(Duration wait) {
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now()) + wait;
}

class RedisServer {
 public:
  struct Options {
    std::string password;
    bool tls = false;  // On a port; with a certificate for localhost that the test makes.
    bool old = false;  // Knows no HELLO, so nothing but RESP2.
    bool asks_certificate = false;  // With TLS: of clients, too.
  };
  static constexpr std::chrono::seconds kStarts{10};

  RedisServer() : RedisServer(Options()) {}
  explicit RedisServer(const Options& options) : options_(options) {
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-redis-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    if (options.tls) make_certificate();
    start();
  }
  ~RedisServer() {
    kill();
    std::filesystem::remove_all(directory_);
  }
  RedisServer(const RedisServer&) = delete;

  // Empty again: it keeps nothing on the disk.
  void start() {
    if (options_.tls) port_ = free_port();
    std::vector<std::string> words = {"redis-server",
                                      "--port",
                                      "0",
                                      "--save",
                                      "",
                                      "--appendonly",
                                      "no",
                                      "--unixsocket",
                                      socket(),
                                      "--dir",
                                      directory_.string(),
                                      "--daemonize",
                                      "no",
                                      "--logfile",
                                      file("log"),
                                      "--enable-debug-command",
                                      "yes"};
    const auto say = [&words](std::string name, std::string value) {
      words.push_back(std::move(name));
      words.push_back(std::move(value));
    };
    if (!options_.password.empty()) say("--requirepass", options_.password);
    if (options_.old) words.insert(words.end(), {"--rename-command", "HELLO", ""});
    if (options_.tls) {
      say("--tls-port", std::to_string(port_));
      say("--bind", "127.0.0.1");
      say("--tls-cert-file", file("server.pem"));
      say("--tls-key-file", file("server.key"));
      say("--tls-ca-cert-file", file("server.pem"));
      say("--tls-auth-clients", options_.asks_certificate ? "yes" : "no");
    }
    pid_ = run(words);
    wait_ready();
  }
  // At once, as kill -9 does.
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    std::filesystem::remove(socket());
  }
  void pause() { ::kill(pid_, SIGSTOP); }
  void resume() { ::kill(pid_, SIGCONT); }

  std::string socket() const { return file("redis.sock"); }
  std::string file(std::string_view name) const { return (directory_ / name).string(); }
  std::uint16_t port() const { return port_; }
  Endpoint endpoint() const {
    Endpoint endpoint;
    endpoint.socket = socket();
    endpoint.password = options_.password;
    return endpoint;
  }
  std::string url() const {
    return options_.password.empty() ? "unix://" + socket()
                                     : "unix://:" + options_.password + "@" + socket();
  }

  // One command, answered.
  Reply tell(std::initializer_list<std::string_view> command) {
    auto client = Client::create(endpoint());
    (*client)->add(command);
    auto replies = (*client)->exchange(in_time(kStarts));
    EXPECT_TRUE(replies) << replies.error().message;
    return replies ? std::move(replies->front()) : Reply();
  }

 private:
  // Debian's redis-tools holds the server under another name; by its own it is in redis-server.
  static std::string program() {
    for (const char* path : {"/usr/bin/redis-server", "/usr/bin/redis-check-rdb"})
      if (access(path, X_OK) == 0) return path;
    return "redis-server";
  }
  static pid_t run(const std::vector<std::string>& words, std::string path = program()) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const pid_t child = fork();
    if (child != 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = open("/dev/null", O_RDWR);
    for (const int file : {0, 1, 2}) dup2(nothing, file);
    execvp(path.c_str(), arguments.data());
    _exit(127);
  }
  static std::uint16_t free_port() {
    const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(file, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(getsockname(file, reinterpret_cast<sockaddr*>(&address), &length), 0);
    close(file);
    return ntohs(address.sin_port);
  }
  void make_certificate() const {
    const pid_t made =
        run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", file("server.key"), "-out", file("server.pem"), "-days", "1",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"},
            "openssl");
    int status = 0;
    waitpid(made, &status, 0);
    EXPECT_EQ(status, 0) << "openssl made no certificate";
  }
  void wait_ready() {
    const auto deadline = std::chrono::steady_clock::now() + kStarts;
    while (std::chrono::steady_clock::now() < deadline) {
      auto client = Client::create(endpoint());
      (*client)->add({"PING"});
      if (auto replies = (*client)->exchange(in_time(std::chrono::seconds(1))))
        if (replies->front().kind != Reply::Kind::kError) return;
      usleep(2'000);
    }
    FAIL() << "redis-server did not start; is Debian's package redis-tools installed? "
           << std::ifstream(file("log")).rdbuf();
  }

  const Options options_;
  std::filesystem::path directory_;
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace tollgate::redis
