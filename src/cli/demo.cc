// `tollgate demo`: everything that the product is, with nothing to configure and no network.
#include "cli/demo.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "admin/forms.h"
#include "admin/new_key.h"
#include "base/arena.h"
#include "base/json_writer.h"
#include "cli/author.h"
#include "cli/commands.h"
#include "cli/countdown.h"
#include "cli/demo_config.h"
#include "cli/load_config.h"
#include "cli/signals.h"
#include "cli/wall_time.h"
#include "config/load.h"
#include "storage/secret_file.h"

namespace tollgate::cli {

namespace {

namespace fs = std::filesystem;

// Makes the answers of the mock look like a model's: about as fast as one reads.
constexpr std::int64_t kDemoTokensPerSecond = 200;

struct Tenant {
  const char* name;
  const char* user;
};
constexpr Tenant kTenants[] = {{"acme", "alice"}, {"search", ""},   {"intern", "ivan"},
                               {"agent", "otto"}, {"storm", "rex"}, {"thrifty", "tia"},
                               {"coder", "cora"}};

// Where the demo keeps what it makes: the directory asked for, or one that ends with it.
class State {
 public:
  static FaultOr<State> open(const std::string& asked) {
    if (asked.empty()) {
      std::string name = (fs::temp_directory_path() / "tollgate-demo-XXXXXX").string();
      if (mkdtemp(name.data()) != nullptr) return State(name, Lifetime::kOfTheDemo);
      return fault(FaultKind::kRefusedByPeer, "cannot make a temporary directory");
    }
    std::error_code error;
    fs::create_directories(asked, error);
    if (!error) return State(fs::absolute(asked), Lifetime::kStays);
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("cannot make {}: {}", asked, error.message()));
  }
  State(State&& other) noexcept : path_(std::exchange(other.path_, {})), life_(other.life_) {}
  ~State() {
    std::error_code ignored;
    if (life_ == Lifetime::kOfTheDemo && !path_.empty()) fs::remove_all(path_, ignored);
  }

  std::string file(const char* name) const { return (path_ / name).string(); }
  const fs::path& path() const { return path_; }

 private:
  enum class Lifetime : std::uint8_t { kOfTheDemo, kStays };
  State(fs::path path, Lifetime life) : path_(std::move(path)), life_(life) {}

  fs::path path_;
  Lifetime life_;
};

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

FaultOr<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return fault(FaultKind::kRefusedByPeer, "cannot write " + path);
  std::error_code ignored;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write, ignored);
  return {};
}

// The secrets of an earlier demo in the same directory.
DemoKeys known_keys(const std::string& file) {
  DemoKeys known;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  const std::string text = read_file(file);
  if (parser.parse(text).get(root) != simdjson::SUCCESS) return known;
  for (const Tenant& tenant : kTenants) {
    std::string_view secret;
    if (root["keys"][tenant.name].get(secret) == simdjson::SUCCESS) known[tenant.name] = secret;
  }
  return known;
}

bool works(Gateway& gateway, const authentication::Pepper& pepper, const std::string& tenant,
           const std::string& secret) {
  const Expected<std::string_view> id = authentication::read_key(secret);
  if (!id) return false;
  Arena arena;
  const auto facts = gateway.store().keys().find(*id, arena);
  return facts && facts->tenant == tenant &&
         authentication::verify(pepper.digest(secret), *facts, IpAddress{}, wall_now());
}

FaultOr<std::string> make_key(Gateway& gateway, const authentication::Pepper& pepper,
                              const admin::KeyWish& wish) {
  const FaultOr<admin::MadeKey> made = admin::make_key(wish, pepper, wall_now());
  if (!made) return std::unexpected(made.error());
  const auto kept = gateway.store().keys().create(command_author(), made->record);
  if (!kept) return std::unexpected(kept.error());
  if (const std::string_view why = admin::why_not_done(*kept); !why.empty()) {
    return fault(FaultKind::kRefusedByPeer, std::string(why));
  }
  return made->secret;
}

// A key for each tenant: that of `known` where it works, else a new one.
FaultOr<DemoKeys> make_keys(Gateway& gateway, const DemoKeys& known) {
  DemoKeys keys;
  const FaultOr<authentication::Pepper> pepper =
      storage::load_or_make_pepper(gateway.store().beside("pepper"));
  if (!pepper) return std::unexpected(pepper.error());
  for (const Tenant& tenant : kTenants) {
    const auto old = known.find(tenant.name);
    if (old != known.end() && works(gateway, *pepper, tenant.name, old->second)) {
      keys.insert(*old);
      continue;
    }
    const admin::KeyWish wish{tenant.name, tenant.user, {}, "demo", std::nullopt};
    FaultOr<std::string> secret = make_key(gateway, *pepper, wish);
    if (!secret) return std::unexpected(secret.error());
    keys[tenant.name] = std::move(*secret);
  }
  return keys;
}

// Many keys of one tenant, each for the attacks of this run only.
FaultOr<std::vector<std::string>> make_fleet(Gateway& gateway) {
  constexpr int kKeys = 20;
  const FaultOr<authentication::Pepper> pepper =
      storage::load_or_make_pepper(gateway.store().beside("pepper"));
  if (!pepper) return std::unexpected(pepper.error());
  std::vector<std::string> secrets;
  for (int i = 0; i < kKeys; ++i) {
    const admin::KeyWish wish{"fleet", "", {}, "demo", wall_now() + std::chrono::hours(1), {}};
    FaultOr<std::string> secret = make_key(gateway, *pepper, wish);
    if (!secret) return std::unexpected(secret.error());
    secrets.push_back(std::move(*secret));
  }
  return secrets;
}

std::string keys_file(const Gateway& gateway, const DemoKeys& keys) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("gateway", std::string_view(gateway.listeners().front().url));
  json.member("admin", std::string_view(gateway.admin_url()));
  json.member("admin_token", std::string_view(gateway.admin_token().reveal()));
  json.key("keys");
  json.begin_object();
  for (const auto& [tenant, secret] : keys) json.member(tenant, std::string_view(secret));
  json.end_object();
  json.end_object();
  return out + "\n";
}

// What a shell can call this program by, wherever it is.
std::string own_path() {
  std::error_code error;
  const fs::path path = fs::read_symlink("/proc/self/exe", error);
  return error ? "tollgate" : path.string();
}

void print_welcome(const Gateway& gateway, const DemoKeys& keys, const fs::path& state) {
  const std::string& url = gateway.listeners().front().url;
  fmt::print(R"(
A gateway before a made-up model. Keys, configuration and books are in
  {state}

Try it:
  curl {url}/v1/chat/completions -H "Authorization: Bearer {key}" \
    -H "Content-Type: application/json" \
    -d '{{"model": "small", "messages": [{{"role": "user", "content": "Write 20 words"}}]}}'

An OpenAI SDK, unchanged:
  export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={key}
An Anthropic SDK, unchanged:
  export ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY={key}
A coding agent, unchanged (docs/agents.md), has models `coder` and `claude-haiku` and a key of its
own:
  {coder}

What was decided, and what it cost:
  {self} audit query -c {state}/tollgate.yaml
  {self} spend -c {state}/tollgate.yaml
  curl {admin}/metrics

)",
             fmt::arg("state", state.string()), fmt::arg("url", url),
             fmt::arg("key", keys.at("acme")), fmt::arg("coder", keys.at("coder")),
             fmt::arg("admin", gateway.admin_url()), fmt::arg("self", own_path()));
}

}  // namespace

struct MockServer::Parts {
  Parts(const tokens::Vocabulary& vocabulary, const mock::Policy& policy)
      : model(loop, vocabulary, policy, stats) {}

  net::Loop loop;
  mock::Stats stats;
  mock::MockModel model;
  std::unique_ptr<net::Listener> listener;
  std::thread thread;
};

MockServer::MockServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

MockServer::~MockServer() {
  close_now(parts_->loop, *parts_->listener);
  parts_->loop.stop();
  if (parts_->thread.joinable()) parts_->thread.join();
}

FaultOr<std::unique_ptr<MockServer>> MockServer::start(const tokens::Vocabulary& vocabulary,
                                                       const mock::Policy& policy) {
  auto parts = std::make_unique<Parts>(vocabulary, policy);
  net::ListenerOptions listen;
  listen.name = "mock";
  listen.host = "127.0.0.1";
  FaultOr<std::unique_ptr<net::Listener>> opened =
      net::Listener::open(parts->loop, std::move(listen), parts->model);
  if (!opened) return std::unexpected(opened.error());
  parts->listener = std::move(*opened);
  parts->thread = std::thread([raw = parts.get()] { raw->loop.run(); });
  return std::unique_ptr<MockServer>(new MockServer(std::move(parts)));
}

std::string MockServer::url() const {
  return fmt::format("http://127.0.0.1:{}", parts_->listener->port());
}

const mock::Stats& MockServer::stats() const { return parts_->stats; }

namespace {

// Puts the configuration of the demo into its directory, and never over another one.
FaultOr<void> write_config(const State& state, const DemoAddresses& at) {
  const std::string file = state.file("tollgate.yaml");
  const std::string text = demo_yaml(at);
  const std::string there = read_file(file);
  if (!there.empty() && !there.starts_with(text.substr(0, text.find('\n')))) {
    return fault(FaultKind::kRefusedByPeer,
                 file + " is there and is not the demo's: name another directory with --state");
  }
  return write_file(file, text);
}

int serve_demo(const DemoOptions& options, const State& state, const MockServer& model,
               const MockServer& rogue, const MockServer& leaky,
               const tokens::Vocabulary& vocabulary) {
  const DemoAddresses at{options.port, options.admin_port, model.url(),
                         rogue.url(),  leaky.url(),        state.file("tollgate.db")};
  if (FaultOr<void> free = storage_is_free(at.ledger); !free) return faulty(free.error());
  if (FaultOr<void> written = write_config(state, at); !written) return faulty(written.error());
  const std::string file = state.file("tollgate.yaml");
  const std::shared_ptr<const config::Config> config = load_config(file);
  if (!config) return kWrongUse;
  FaultOr<std::unique_ptr<Gateway>> gateway = Gateway::start(config, {vocabulary_directory()});
  if (!gateway) {
    (void)faulty(gateway.error());
    fmt::print(stderr, "tollgate: (--port and --admin-port choose other ports)\n");
    return kRuntimeFault;
  }
  const std::string keys_path = state.file("keys.json");
  const FaultOr<DemoKeys> keys = make_keys(**gateway, known_keys(keys_path));
  if (!keys) return faulty(keys.error());
  if (FaultOr<void> kept = write_file(keys_path, keys_file(**gateway, *keys)); !kept) {
    return faulty(kept.error());
  }
  if (options.attack) {
    const FaultOr<std::vector<std::string>> fleet = make_fleet(**gateway);
    if (!fleet) return faulty(fleet.error());
    const int code = play_attacks(**gateway, *keys, *fleet, model.stats(), vocabulary);
    const FaultOr<void> stopped = (*gateway)->stop();
    return stopped ? code : faulty(stopped.error());
  }
  print_welcome(**gateway, *keys, state.path());
  print_addresses(**gateway);
  return run_until_stopped(**gateway, file);
}

}  // namespace

int demo(const DemoOptions& options) {
  umask(S_IRWXG | S_IRWXO);  // Keys are among what it writes.
  block_signals();
  const FaultOr<State> state = State::open(options.state);
  if (!state) return faulty(state.error());
  const auto vocabulary = tokens::Vocabulary::load("o200k_base", vocabulary_directory());
  if (!vocabulary) return faulty(vocabulary.error());
  mock::Policy policy;
  policy.tokens_per_second = options.attack ? 0 : kDemoTokensPerSecond;
  mock::Policy rogue_policy;
  rogue_policy.fail = mock::Fail::kOverrun;
  const auto model = MockServer::start(**vocabulary, policy);
  if (!model) return faulty(model.error());
  const auto rogue = MockServer::start(**vocabulary, rogue_policy);
  if (!rogue) return faulty(rogue.error());
  mock::Policy leaky_policy;
  leaky_policy.fail = mock::Fail::kLeak;
  const auto leaky = MockServer::start(**vocabulary, leaky_policy);
  if (!leaky) return faulty(leaky.error());
  return serve_demo(options, *state, **model, **rogue, **leaky, **vocabulary);
}

}  // namespace tollgate::cli
