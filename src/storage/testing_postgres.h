// A real PostgreSQL server of a test's own: in a directory that goes with it, on a unix socket and
// a free port of the loopback, ended by its pid. For tests.
//
// PostgreSQL does not run as root, so it is started as another user then.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tollgate::storage {

class PostgresServer {
 public:
  static constexpr std::chrono::seconds kWaits{60};

  // Where its programs are; empty: it is not installed.
  static std::string programs() {
    for (int version = 30; version >= 12; --version) {
      const std::string found = "/usr/lib/postgresql/" + std::to_string(version) + "/bin";
      if (access((found + "/initdb").c_str(), X_OK) == 0) return found;
    }
    return {};
  }
  // One for all tests of the program. None where it is not installed.
  static PostgresServer* shared() {
    static const std::unique_ptr<PostgresServer> server = [] {
      auto started = programs().empty() ? nullptr : std::make_unique<PostgresServer>();
      if (started) started->tell("CREATE ROLE nobody");  // Without any right.
      return started;
    }();
    return server.get();
  }

  // `settings` as on its command line: "fsync=off".
  explicit PostgresServer(std::vector<std::string> settings = {}) : settings_(std::move(settings)) {
    make_place();
    const pid_t made = run({"initdb", "-D", data(), "-U", "tollgate", "-E", "UTF8", "--locale=C",
                            "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256"},
                           "initdb.log");
    int status = -1;
    waitpid(made, &status, 0);
    EXPECT_EQ(status, 0) << "initdb failed: " << said("initdb.log");
    start();
  }
  // A standby of `primary`, which was started with the settings replicated().
  struct StandbyOf {
    const PostgresServer& primary;
  };
  static std::vector<std::string> replicated() {
    return {"wal_level=replica", "max_wal_senders=4", "hot_standby=on", "fsync=on"};
  }
  explicit PostgresServer(const StandbyOf& of) : settings_(of.primary.settings_) {
    const PostgresServer& primary = of.primary;
    make_place();
    const pid_t made =
        run({"pg_basebackup", "-D", data(), "-h", primary.directory(), "-p",
             std::to_string(primary.port()), "-U", "tollgate", "-R", "-X", "stream", "-c", "fast"},
            "basebackup.log");
    int status = -1;
    waitpid(made, &status, 0);
    EXPECT_EQ(status, 0) << "pg_basebackup failed: " << said("basebackup.log");
    start();
  }
  // In order: what it was sent by then stays, and no more.
  void stop() {
    ::kill(pid_, SIGINT);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  void promote() const { EXPECT_EQ(tell("SELECT pg_promote()"), "t"); }

  ~PostgresServer() {
    if (getpid() != owner_) return;  // A child of the test; the server is its parent's.
    kill();
    std::filesystem::remove_all(directory_);
  }
  PostgresServer(const PostgresServer&) = delete;

  void start() {
    std::vector<std::string> words = {
        "postgres", "-D",       data(), "-k", directory_.string(), "-p", std::to_string(port_),
        "-h",       "127.0.0.1"};
    for (const char* setting :
         {"shared_buffers=16MB", "max_connections=60", "wal_level=minimal", "max_wal_senders=0",
          "autovacuum=off", "jit=off", "recovery_init_sync_method=syncfs"}) {
      words.insert(words.end(), {"-c", setting});
    }
    for (const std::string& setting : settings_) words.insert(words.end(), {"-c", setting});
    pid_ = run(words, "log");
    wait_ready();
  }
  // At once, all of it, as a machine that loses its power.
  void kill() {
    if (pid_ <= 0) return;
    const std::vector<pid_t> children = signal_all(SIGKILL);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
    for (const pid_t child : children) {
      wait_until([&] { return ::kill(child, 0) != 0; });
    }
  }
  // As an operator does: connections are ended, what is committed stays.
  void restart() {
    ::kill(pid_, SIGINT);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
    start();
  }
  // Nothing of it runs, and its connections stay open.
  void pause() { signal_all(SIGSTOP); }
  void resume() { signal_all(SIGCONT); }

  // A schema of its own, empty.
  std::string fresh_url() {
    static std::atomic<int> count{0};
    const std::string schema = "t" + std::to_string(++count);
    tell("CREATE SCHEMA " + schema);
    return url_of(schema);
  }
  std::string url_of(std::string_view schema) const {
    return url() + "&options=-csearch_path%3D" + std::string(schema);
  }
  std::string url() const {
    return "postgres://tollgate@/postgres?host=" + directory_.string() +
           "&port=" + std::to_string(port_);
  }
  // By the network: user and password must be right.
  std::string url_by_port(std::string_view user, std::string_view password,
                          std::string_view database = "postgres") const {
    return "postgres://" + std::string(user) + ":" + std::string(password) +
           "@127.0.0.1:" + std::to_string(port_) + "/" + std::string(database);
  }
  int port() const { return port_; }
  std::string directory() const { return directory_.string(); }

  // One statement by the server's owner. The first value of its answer.
  std::string tell(const std::string& sql) const {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url().c_str()),
                                                                  PQfinish);
    PQsetNoticeReceiver(connection.get(), [](void*, const PGresult*) {}, nullptr);
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection.get(), sql.c_str()), PQclear);
    const ExecStatusType status = PQresultStatus(result.get());
    EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        << sql << ": " << PQerrorMessage(connection.get());
    if (status != PGRES_TUPLES_OK || PQntuples(result.get()) == 0) return {};
    return PQgetvalue(result.get(), 0, 0);
  }

  // Until `holds`, at most kWaits.
  template <class Holds>
  static bool wait_until(const Holds& holds) {
    const auto deadline = std::chrono::steady_clock::now() + kWaits;
    while (!holds()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      poll(nullptr, 0, 5);
    }
    return true;
  }

  static int free_port() {
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

 private:
  void make_place() {
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-pg-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    if (const passwd* other = other_user()) {
      EXPECT_EQ(chown(name.c_str(), other->pw_uid, other->pw_gid), 0);
    }
    port_ = free_port();
  }
  std::string data() const { return (directory_ / "data").string(); }
  std::string said(const char* log) const {
    std::ifstream file(directory_ / log);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static const passwd* other_user() {
    if (getuid() != 0) return nullptr;
    const passwd* found = getpwnam("postgres");
    return found != nullptr ? found : getpwnam("nobody");
  }

  pid_t run(const std::vector<std::string>& words, const char* log) const {
    const std::string program = programs() + "/" + words.front();
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const std::string log_path = (directory_ / log).string();
    const passwd* other = other_user();
    const pid_t child = fork();
    if (child != 0) return child;
    if (other != nullptr &&
        (setgroups(0, nullptr) != 0 || setgid(other->pw_gid) != 0 || setuid(other->pw_uid) != 0)) {
      _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    const int nothing = open("/dev/null", O_RDONLY);
    const int out = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(nothing, 0);
    for (const int file : {1, 2}) dup2(out, file);
    if (chdir("/") != 0) _exit(126);
    execv(program.c_str(), arguments.data());
    _exit(127);
  }

  // Each of its sessions and workers is a process of its own. The server is held while they are
  // listed: one that is gone has no children to list, and they would live on for a moment.
  std::vector<pid_t> signal_all(int signal) const {
    ::kill(pid_, SIGSTOP);
    siginfo_t state;
    waitid(P_PID, static_cast<id_t>(pid_), &state, WSTOPPED | WEXITED | WNOWAIT);
    std::vector<pid_t> children;
    const std::string pid = std::to_string(pid_);
    std::ifstream list("/proc/" + pid + "/task/" + pid + "/children");
    for (pid_t child = 0; list >> child;) children.push_back(child);
    for (const pid_t child : children) ::kill(child, signal);
    ::kill(pid_, signal);
    return children;
  }

  void wait_ready() const {
    const bool ready = wait_until([this] {
      return PQping((url() + "&connect_timeout=2").c_str()) == PQPING_OK ||
             waitpid(pid_, nullptr, WNOHANG) != 0;
    });
    EXPECT_TRUE(ready && ::kill(pid_, 0) == 0) << "postgres did not start: " << said("log");
  }

  const std::vector<std::string> settings_;
  const pid_t owner_ = getpid();
  std::filesystem::path directory_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace tollgate::storage
