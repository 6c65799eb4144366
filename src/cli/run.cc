// `tollgate run` and `tollgate init`: a safe gateway from what the environment names.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "admin/forms.h"
#include "admin/new_key.h"
#include "cli/author.h"
#include "cli/commands.h"
#include "cli/gateway.h"
#include "cli/load_config.h"
#include "cli/signals.h"
#include "cli/wall_time.h"
#include "config/templates.h"
#include "storage/secret_file.h"

namespace tollgate::cli {

namespace {

namespace fs = std::filesystem;

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

config::StarterUpstreams found_here(std::uint16_t port, std::uint16_t admin_port) {
  config::StarterUpstreams found;
  found.openai = is_set("OPENAI_API_KEY");
  found.anthropic = is_set("ANTHROPIC_API_KEY");
  if (is_set("OLLAMA_HOST")) found.ollama_host = std::getenv("OLLAMA_HOST");
  if (is_set("VLLM_BASE_URL")) found.vllm_url = std::getenv("VLLM_BASE_URL");
  found.address = fmt::format("127.0.0.1:{}", port);
  found.admin_address = fmt::format("127.0.0.1:{}", admin_port);
  return found;
}

int cannot(const std::string& what) {
  fmt::print(stderr, "tollgate: {}\n", what);
  return kRuntimeFault;
}

bool write_new(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  return static_cast<bool>(file);
}

fs::path default_state() {
  if (is_set("XDG_STATE_HOME")) return fs::path(std::getenv("XDG_STATE_HOME")) / "tollgate";
  if (is_set("HOME")) return fs::path(std::getenv("HOME")) / ".local/state/tollgate";
  return fs::current_path() / "tollgate-state";
}

// The one key of a store that has none yet. Its secret is printed and not kept.
FaultOr<std::string> first_key(Gateway& gateway, const std::string& tenant) {
  if (gateway.store().keys().size() > 0) return std::string();
  const auto pepper = storage::load_or_make_pepper(gateway.store().beside("pepper"));
  if (!pepper) return std::unexpected(pepper.error());
  const auto made =
      admin::make_key({tenant, {}, {}, "made by tollgate run", std::nullopt}, *pepper, wall_now());
  if (!made) return std::unexpected(made.error());
  const auto kept = gateway.store().keys().create(command_author(), made->record);
  if (!kept) return std::unexpected(kept.error());
  if (const std::string_view why = admin::why_not_done(*kept); !why.empty()) {
    return fault(FaultKind::kRefusedByPeer, std::string(why));
  }
  return made->secret;
}

// The configuration of what the environment names, with its ledger at `ledger`.
bool write_starter(const RunOptions& options, const std::string& ledger, const std::string& file) {
  config::StarterUpstreams found = found_here(options.port, options.admin_port);
  if (!found.openai && !found.anthropic && !found.ollama_host && !found.vllm_url) {
    fmt::print(
        "No OPENAI_API_KEY, ANTHROPIC_API_KEY, OLLAMA_HOST or VLLM_BASE_URL is set: a vLLM "
        "at its usual local address is assumed.\n");
  }
  found.ledger = "sqlite://" + ledger;
  return write_new(file, config::init_yaml(found));
}

}  // namespace

FaultOr<void> storage_is_free(const std::string& ledger) {
  if (!storage::gateway_runs(ledger)) return {};
  return fault(FaultKind::kRefusedByPeer,
               fmt::format("another gateway serves from {}: stop it, or name another directory "
                           "with --state. Nothing was changed.",
                           ledger));
}

int init(const InitOptions& options) {
  if (fs::exists(options.file)) {
    return wrong_use(options.file + " is there already; name another file");
  }
  if (!write_new(options.file, config::init_yaml(found_here(options.port, options.admin_port)))) {
    return cannot("cannot write " + options.file);
  }
  fmt::print("wrote {}\nnext:  tollgate check -c {}\n       tollgate serve -c {}\n", options.file,
             options.file, options.file);
  return kDone;
}

int run(const RunOptions& options) {
  block_signals();
  const fs::path state = options.state.empty() ? default_state() : fs::path(options.state);
  std::error_code error;
  fs::create_directories(state, error);
  if (error) return cannot(fmt::format("cannot make {}: {}", state.string(), error.message()));
  const std::string ledger = fs::absolute(state / "tollgate.db").string();
  if (FaultOr<void> free = storage_is_free(ledger); !free) return faulty(free.error());
  const std::string file = (state / "tollgate.yaml").string();
  if (fs::exists(file)) {
    fmt::print("{} is there already and is used as it is; remove it to have it made anew\n", file);
  } else if (!write_starter(options, ledger, file)) {
    return cannot("cannot write " + file);
  }
  const std::shared_ptr<const config::Config> config = load_config(file);
  if (!config) return kWrongUse;
  FaultOr<std::unique_ptr<Gateway>> gateway = Gateway::start(config, {vocabulary_directory()});
  if (!gateway) return faulty(gateway.error());
  const FaultOr<std::string> secret = first_key(**gateway, config->tenants.front().name);
  if (!secret) return faulty(secret.error());
  if (!secret->empty()) fmt::print("key (shown once): {}\n", *secret);
  fmt::print("configuration: {}\n", file);
  print_addresses(**gateway);
  return run_until_stopped(**gateway, file);
}

}  // namespace tollgate::cli
