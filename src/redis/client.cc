#include "redis/client.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <utility>

namespace tollgate::redis {

namespace {

constexpr std::size_t kErrorShownMax = 200;

void write_text(std::string_view text, std::string& out) {
  fmt::format_to(std::back_inserter(out), "${}\r\n", text.size());
  out += text;
  out += "\r\n";
}

void write_command(std::span<const std::string_view> arguments, std::string& out) {
  fmt::format_to(std::back_inserter(out), "*{}\r\n", arguments.size());
  for (const std::string_view argument : arguments) write_text(argument, out);
}

// What a server says is foreign: printable, and not too long.
std::string printable(std::string_view text) {
  std::string shown(text.substr(0, kErrorShownMax));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return shown;
}

std::string_view code_of(const Reply& error) {
  return std::string_view(error.text).substr(0, error.text.find(' '));
}

std::string digest_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), bytes.data(), &length, EVP_sha1(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < length; ++i) fmt::format_to(std::back_inserter(hex), "{:02x}", bytes[i]);
  return hex;
}

}  // namespace

Script::Script(std::string text) : text_(std::move(text)), digest_(digest_of(text_)) {}

FaultOr<std::unique_ptr<Client>> Client::create(Endpoint endpoint) {
  std::unique_ptr<Client> client(new Client(std::move(endpoint)));
  if (client->endpoint_.tls) {
    auto trust = Trust::load(client->endpoint_);
    if (!trust) return std::unexpected(std::move(trust.error()));
    client->trust_ = std::move(*trust);
  }
  return client;
}

void Client::close() {
  connection_.reset();
  reader_ = ReplyReader();
}

// ---- Logging in ------------------------------------------------------------------------------

FaultOr<void> Client::connect(Instant deadline) {
  if (connection_ != nullptr) return {};
  reader_ = ReplyReader();
  auto opened = Connection::open(endpoint_, trust_.get(), names_, deadline);
  if (!opened) return std::unexpected(std::move(opened.error()));
  connection_ = std::move(*opened);
  FaultOr<void> done = greet(deadline);
  if (done) done = select(deadline);
  if (done) done = look_at_memory(deadline);
  if (!done) close();
  return done;
}

FaultOr<void> Client::greet(Instant deadline) {
  std::string hello;
  const std::string user = endpoint_.user.empty() ? "default" : endpoint_.user;
  if (endpoint_.password.empty()) {
    write_command(std::array<std::string_view, 2>{"HELLO", "3"}, hello);
  } else {
    write_command(std::array<std::string_view, 5>{"HELLO", "3", "AUTH", user, endpoint_.password},
                  hello);
  }
  auto replies = round_trip(hello, 1, deadline);
  if (!replies) return std::unexpected(std::move(replies.error()));
  if (replies->front().kind != Reply::Kind::kError) return {};
  return log_in(replies->front(), deadline);
}

// A server that does not know HELLO speaks RESP2 and knows AUTH.
FaultOr<void> Client::log_in(const Reply& hello, Instant deadline) {
  if (!hello.is_error("ERR") && !hello.is_error("NOPROTO"))
    return std::unexpected(refused_login(hello));
  std::string login;
  if (endpoint_.password.empty()) {
    write_command(std::array<std::string_view, 1>{"PING"}, login);
  } else if (endpoint_.user.empty()) {
    write_command(std::array<std::string_view, 2>{"AUTH", endpoint_.password}, login);
  } else {
    write_command(std::array<std::string_view, 3>{"AUTH", endpoint_.user, endpoint_.password},
                  login);
  }
  auto replies = round_trip(login, 1, deadline);
  if (!replies) return std::unexpected(std::move(replies.error()));
  if (replies->front().kind == Reply::Kind::kError)
    return std::unexpected(refused_login(replies->front()));
  return {};
}

// Only the code of the error: a server may repeat the command that it did not like, password and
// all.
Fault Client::refused_login(const Reply& error) const {
  Fault made;
  made.kind = FaultKind::kRefusedByPeer;
  if (error.is_error("NOAUTH")) {
    made.message = fmt::format(
        "{}: it asks for a password; put it into the URL, "
        "redis://user:password@host",
        endpoint_.shown());
  } else if (error.is_error("WRONGPASS") || !endpoint_.password.empty()) {
    made.message = fmt::format("{}: it does not accept this user and password ({})",
                               endpoint_.shown(), printable(code_of(error)));
  } else {
    return fault_of(error);
  }
  return made;
}

// Who may not ask, or asks something that is no Redis, is not told, and goes on all the same.
FaultOr<void> Client::look_at_memory(Instant deadline) {
  std::string command;
  write_command(std::array<std::string_view, 2>{"INFO", "memory"}, command);
  auto replies = round_trip(command, 1, deadline);
  if (!replies) return std::unexpected(std::move(replies.error()));
  evicts_by_ = eviction_in(replies->front().text);
  return {};
}

std::optional<std::string> eviction_in(std::string_view info) {
  const auto value_of = [&](std::string_view name) {
    const std::size_t at = info.find(name);
    if (at == std::string_view::npos) return std::string_view();
    const std::string_view rest = info.substr(at + name.size());
    return rest.substr(0, rest.find_first_of("\r\n"));
  };
  const std::string_view most = value_of("\nmaxmemory:");
  const std::string_view policy = value_of("\nmaxmemory_policy:");
  if (most.empty() || policy.empty()) return std::nullopt;
  if (most == "0" || policy == "noeviction") return std::string();
  return printable(policy);
}

FaultOr<void> Client::select(Instant deadline) {
  if (endpoint_.database == 0) return {};
  std::string command;
  const std::string number = std::to_string(endpoint_.database);
  write_command(std::array<std::string_view, 2>{"SELECT", number}, command);
  auto replies = round_trip(command, 1, deadline);
  if (!replies) return std::unexpected(std::move(replies.error()));
  if (replies->front().kind == Reply::Kind::kError)
    return std::unexpected(fault_of(replies->front()));
  return {};
}

// ---- Commands --------------------------------------------------------------------------------

void Client::add(std::span<const std::string_view> arguments) {
  Command command;
  command.begin = unsent_.size();
  write_command(arguments, unsent_);
  command.end = unsent_.size();
  commands_.push_back(command);
}

void Client::add(const Script& script, std::string_view key,
                 std::span<const std::string_view> arguments) {
  Command command;
  command.script = &script;
  command.count = arguments.size() + 4;
  command.begin = unsent_.size();
  fmt::format_to(std::back_inserter(unsent_), "*{}\r\n", command.count);
  write_text("EVALSHA", unsent_);
  write_text(script.digest(), unsent_);
  command.arguments = unsent_.size();
  write_text("1", unsent_);
  write_text(key, unsent_);
  for (const std::string_view argument : arguments) write_text(argument, unsent_);
  command.end = unsent_.size();
  commands_.push_back(command);
}

FaultOr<std::vector<Reply>> Client::exchange(Instant deadline) {
  const std::string bytes = std::exchange(unsent_, {});
  const std::vector<Command> commands = std::exchange(commands_, {});
  if (commands.empty()) return std::vector<Reply>();
  if (auto done = connect(deadline); !done) return std::unexpected(std::move(done.error()));
  auto replies = round_trip(bytes, commands.size(), deadline);
  if (!replies) return replies;
  auto done = send_unknown_scripts(bytes, commands, *replies, deadline);
  if (!done) return std::unexpected(std::move(done.error()));
  return replies;
}

FaultOr<void> Client::send_unknown_scripts(std::string_view sent, std::span<const Command> commands,
                                           std::vector<Reply>& replies, Instant deadline) {
  std::string again;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const Command& command = commands[i];
    if (command.script == nullptr || !replies[i].is_error("NOSCRIPT")) continue;
    places.push_back(i);
    fmt::format_to(std::back_inserter(again), "*{}\r\n", command.count);
    // From the second on the server knows it.
    const bool known = places.size() > 1 && command.script == commands[places.front()].script;
    write_text(known ? "EVALSHA" : "EVAL", again);
    write_text(known ? command.script->digest() : command.script->text(), again);
    again += sent.substr(command.arguments, command.end - command.arguments);
  }
  if (places.empty()) return {};
  auto answers = round_trip(again, places.size(), deadline);
  if (!answers) return std::unexpected(std::move(answers.error()));
  for (std::size_t i = 0; i < places.size(); ++i) replies[places[i]] = std::move((*answers)[i]);
  return {};
}

FaultOr<std::vector<Reply>> Client::round_trip(std::string_view bytes, std::size_t replies,
                                               Instant deadline) {
  std::vector<Reply> all;
  FaultOr<void> done = connection_->write(bytes, deadline);
  while (done && all.size() < replies) {
    auto next = reader_.next();
    if (!next) {
      done =
          fault(next.error().kind, fmt::format("{}: {}", endpoint_.shown(), next.error().message));
    } else if (!*next) {
      std::string came;
      done = connection_->read(came, deadline);
      reader_.feed(came);
    } else if ((*next)->kind != Reply::Kind::kPush) {
      all.push_back(std::move(**next));
    }
  }
  if (done) return all;
  close();
  return std::unexpected(std::move(done.error()));
}

Fault Client::fault_of(const Reply& error) const {
  std::string_view what = "";
  if (error.is_error("MOVED") || error.is_error("ASK") || error.is_error("CLUSTERDOWN")) {
    what =
        "it is one node of a cluster and sends us to another; name a single server (or a proxy "
        "before the cluster)";
  } else if (error.is_error("NOPERM")) {
    what =
        "its user may not do this; shared limits need ~tollgate:* +@connection +eval +evalsha "
        "+@hash +@sortedset +pexpire +time +info; sessions need +@connection +get on their keys";
  } else if (error.is_error("READONLY")) {
    what = "it is a replica that takes no writes; name the primary";
  } else if (error.is_error("OOM")) {
    what = "its memory is full; raise its maxmemory, or give the gateways a server of their own";
  }
  const bool passes = error.is_error("LOADING") || error.is_error("BUSY") ||
                      error.is_error("MASTERDOWN") || error.is_error("READONLY") ||
                      error.is_error("OOM");
  if (error.is_error("LOADING") || error.is_error("BUSY") || error.is_error("MASTERDOWN")) {
    what = "it is not ready yet";
  }
  Fault made;
  // Waiting mends some of them.
  made.kind = passes ? FaultKind::kUnreachable : FaultKind::kRefusedByPeer;
  made.message =
      what.empty() ? fmt::format("{}: {}", endpoint_.shown(), printable(error.text))
                   : fmt::format("{}: {} ({})", endpoint_.shown(), what, printable(code_of(error)));
  return made;
}

}  // namespace tollgate::redis
