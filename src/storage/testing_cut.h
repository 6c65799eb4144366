// A connection that is cut where a test wants it: stands between a client and a PostgreSQL server.
// For tests.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/testing_postgres.h"

namespace tollgate::storage {

class CutConnection {
 public:
  enum class Cut : std::uint8_t {
    kNever,
    kBeforeTheServer,  // What the client sends next reaches nobody.
    kBeforeTheClient,  // The server does it, and its answer reaches nobody.
    kSilently,         // Nothing passes any more, and nobody is told.
    kCommitIsLate,     // The next COMMIT reaches the server when it is let through.
  };

  explicit CutConnection(const PostgresServer& server) : server_(server) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~CutConnection() {
    stopping_ = true;
    thread_.join();
    close(listener_);
    for (const Pair& pair : pairs_) end(pair);
    if (late_server_ >= 0) close(late_server_);
  }
  CutConnection(const CutConnection&) = delete;

  std::string url_of(std::string_view schema) const {
    return "postgres://tollgate@127.0.0.1:" + std::to_string(port_) +
           "/postgres?sslmode=disable&options=-csearch_path%3D" + std::string(schema);
  }
  // Once; every connection afterwards is whole again.
  void cut(Cut how) { cut_ = how; }
  bool holds_commit() const { return holds_commit_; }
  // The commit that is late arrives.
  void let_through() const {
    EXPECT_EQ(send(late_server_, late_.data(), late_.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(late_.size()));
  }

 private:
  struct Pair {
    int client = -1;
    int server = -1;
  };

  static void end(const Pair& pair) {
    close(pair.client);
    close(pair.server);
  }
  static bool pass(int from, int to) {
    std::array<char, 65536> bytes;
    const ssize_t got = read(from, bytes.data(), bytes.size());
    if (got <= 0) return false;
    return to < 0 || send(to, bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) == got;
  }

  void accept_one() {
    Pair pair;
    pair.client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    pair.server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = server_.directory() + "/.s.PGSQL." + std::to_string(server_.port());
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    if (connect(pair.server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      end(pair);
      return;
    }
    pairs_.push_back(pair);
  }

  // False: the pair has ended.
  bool serve(const Pair& pair, const pollfd& client, const pollfd& server) {
    if (cut_ == Cut::kSilently) return true;
    if (client.revents != 0) {
      if (cut_ == Cut::kBeforeTheServer) {
        cut_ = Cut::kNever;
        return false;
      }
      if (cut_ == Cut::kCommitIsLate && hold_commit(pair)) return false;
      if (cut_ != Cut::kCommitIsLate && !pass(pair.client, pair.server)) return false;
    }
    if (server.revents != 0) {
      if (cut_ == Cut::kBeforeTheClient) {
        (void)pass(pair.server, -1);
        cut_ = Cut::kNever;
        return false;
      }
      if (!pass(pair.server, pair.client)) return false;
    }
    return true;
  }

  // True: it was one. The client is told that the connection broke, the server is not.
  bool hold_commit(const Pair& pair) {
    std::array<char, 65536> bytes;
    const ssize_t got = read(pair.client, bytes.data(), bytes.size());
    if (got <= 0) return true;
    late_.assign(bytes.data(), static_cast<std::size_t>(got));
    // A text ends with a zero byte; BEGIN … READ COMMITTED holds the word as well.
    if (late_.find(std::string_view("COMMIT", 7)) == std::string::npos) {
      (void)send(pair.server, late_.data(), late_.size(), MSG_NOSIGNAL);
      return false;
    }
    late_server_ = dup(pair.server);
    cut_ = Cut::kNever;
    holds_commit_ = true;
    return true;
  }

  void run() {
    while (!stopping_) {
      std::vector<pollfd> sockets{{listener_, POLLIN, 0}};
      for (const Pair& pair : pairs_) {
        sockets.push_back({pair.client, POLLIN, 0});
        sockets.push_back({pair.server, POLLIN, 0});
      }
      poll(sockets.data(), sockets.size(), 10);
      std::vector<Pair> kept;
      for (std::size_t i = 0; i < pairs_.size(); ++i) {
        if (serve(pairs_[i], sockets[1 + 2 * i], sockets[2 + 2 * i])) {
          kept.push_back(pairs_[i]);
        } else {
          end(pairs_[i]);
        }
      }
      pairs_ = std::move(kept);
      if (sockets[0].revents != 0) accept_one();
    }
  }

  const PostgresServer& server_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<Cut> cut_{Cut::kNever};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> holds_commit_{false};
  std::string late_;
  int late_server_ = -1;
  std::vector<Pair> pairs_;  // The thread's own.
  std::thread thread_;
};

}  // namespace tollgate::storage
