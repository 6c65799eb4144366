// `tollgate demo`: everything that the product is, with nothing to configure and no network.
#include "cli/demo.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "admin/new_key.h"
#include "base/json_writer.h"
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
constexpr Tenant kTenants[] = {{"acme", "alice"}, {"search", ""}, {"intern", "ivan"}};

int faulty(const Fault& fault) {
  fmt::print(stderr, "tollgate: {}\n", fault.message);
  return kRuntimeFault;
}

// The directory asked for, or a new one of our own.
FaultOr<fs::path> state_directory(const std::string& asked) {
  std::error_code error;
  if (asked.empty()) {
    std::string name = (fs::temp_directory_path() / "tollgate-demo-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      return fault(FaultKind::kRefusedByPeer, "cannot make a temporary directory");
    }
    return fs::path(name);
  }
  fs::create_directories(asked, error);
  if (error) {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("cannot make {}: {}", asked, error.message()));
  }
  return fs::absolute(asked);
}

FaultOr<void> write_file(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return fault(FaultKind::kRefusedByPeer, "cannot write " + path.string());
  std::error_code ignored;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write, ignored);
  return {};
}

FaultOr<DemoKeys> make_keys(Gateway& gateway) {
  DemoKeys keys;
  const FaultOr<authentication::Pepper> pepper =
      storage::load_or_make_pepper(gateway.store().beside("pepper"));
  if (!pepper) return std::unexpected(pepper.error());
  for (const Tenant& tenant : kTenants) {
    const admin::KeyWish wish{tenant.name, tenant.user, {}, "demo", std::nullopt};
    const FaultOr<admin::MadeKey> made = admin::make_key(wish, *pepper, wall_now());
    if (!made) return std::unexpected(made.error());
    if (FaultOr<void> kept = gateway.store().keys().create(made->record); !kept) {
      return std::unexpected(kept.error());
    }
    keys[tenant.name] = made->secret;
  }
  return keys;
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

What was decided, and what it cost:
  tollgate audit query -c {state}/tollgate.yaml
  tollgate spend -c {state}/tollgate.yaml
  curl {admin}/metrics

)",
             fmt::arg("state", state.string()), fmt::arg("url", url),
             fmt::arg("key", keys.at("acme")), fmt::arg("admin", gateway.admin_url()));
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

int demo(const DemoOptions& options) {
  block_signals();
  const FaultOr<fs::path> state = state_directory(options.state);
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

  const DemoAddresses at{options.port, options.admin_port, (*model)->url(), (*rogue)->url(),
                         (*state / "tollgate.db").string()};
  const std::string file = (*state / "tollgate.yaml").string();
  if (FaultOr<void> written = write_file(file, demo_yaml(at)); !written) {
    return faulty(written.error());
  }
  const std::shared_ptr<const config::Config> config = load_config(file);
  if (!config) return kWrongUse;
  FaultOr<std::unique_ptr<Gateway>> gateway = Gateway::start(config, {vocabulary_directory()});
  if (!gateway) {
    fmt::print(stderr, "tollgate: {}\n", gateway.error().message);
    fmt::print(stderr, "          (--port and --admin-port choose other ports)\n");
    return kRuntimeFault;
  }
  const FaultOr<DemoKeys> keys = make_keys(**gateway);
  if (!keys) return faulty(keys.error());
  if (FaultOr<void> written = write_file(*state / "keys.json", keys_file(**gateway, *keys));
      !written) {
    return faulty(written.error());
  }
  if (options.attack) {
    const int code = play_attacks(**gateway, *keys, (*model)->stats());
    const FaultOr<void> stopped = (*gateway)->stop();
    return stopped ? code : faulty(stopped.error());
  }
  print_welcome(**gateway, *keys, *state);
  print_addresses(**gateway);
  return run_until_stopped(**gateway, file);
}

}  // namespace tollgate::cli
