// What a gateway that serves is told from outside: signals, and a file that changes.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "cli/commands.h"
#include "cli/file_watch.h"
#include "cli/gateway.h"
#include "cli/signals.h"
#include "config/reload.h"

namespace tollgate::cli {

void print_addresses(const Gateway& gateway) {
  for (const Gateway::Address& address : gateway.listeners()) {
    fmt::print("tollgate: listening on {} ({})\n", address.url, address.name);
  }
  fmt::print("tollgate: admin on {}\n", gateway.admin_url());
  fmt::print("tollgate: ready\n");
  std::fflush(stdout);
}

namespace {

// How often a changed file is looked for.
constexpr Duration kWatchEvery = std::chrono::seconds(1);

enum class Cause : std::uint8_t { kSignal, kFile };

// What stands against taking `next` over; empty: nothing.
std::string refusal_of(Gateway& gateway, const std::shared_ptr<const config::Config>& next,
                       Cause cause) {
  if (cause == Cause::kFile) {
    const std::vector<std::string> gone = config::vanished(*gateway.config(), *next);
    if (!gone.empty()) {
      gateway.reload_failed();
      return fmt::format("{} would be gone or do less; send SIGHUP to take it over all the same",
                         fmt::join(gone, ", "));
    }
  }
  const FaultOr<void> done = gateway.reload(next);
  return done ? std::string() : done.error().message;
}

// Returns the file of prices that it names now, also where it is not taken over: mending that file
// may be all that it takes.
std::string reload_from(Gateway& gateway, const std::string& file, Cause cause) {
  notify_service_manager("RELOADING=1");
  config::Loaded loaded = config::load_file(file, config::process_environment());
  if (!loaded.config) {
    for (const config::Problem& problem : loaded.problems) {
      fmt::print(stderr, "tollgate: {}\n", config::format(problem));
    }
    fmt::print(stderr, "tollgate: {} was not taken over; the configuration in force stays\n", file);
    gateway.reload_failed();
  } else if (const std::string refused = refusal_of(gateway, loaded.config, cause);
             !refused.empty()) {
    fmt::print(stderr, "tollgate: {} was not taken over: {}\n", file, refused);
  } else {
    fmt::print("tollgate: configuration {} in force\n", loaded.config->version);
    std::fflush(stdout);
  }
  notify_service_manager("READY=1");
  return std::move(loaded.prices_file);
}

}  // namespace

int run_until_stopped(Gateway& gateway, const std::string& file) {
  notify_service_manager("READY=1");
  FileWatch watch(file);
  std::string prices_file = gateway.config()->prices_file;
  std::optional<FileWatch> prices(std::in_place, prices_file);
  while (true) {
    const Signal signal = wait_signal(kWatchEvery);
    if (signal == Signal::kStop) break;
    // Both are looked at each time: what one has settled may lie in the other.
    const bool is_changed = watch.settled_anew();
    const bool are_prices_changed = !prices_file.empty() && prices->settled_anew();
    const bool is_asked = signal == Signal::kReload;
    if (is_asked) {
      watch.taken();
      prices->taken();
    }
    if (!is_asked && !is_changed && !are_prices_changed) continue;
    std::string named = reload_from(gateway, file, is_asked ? Cause::kSignal : Cause::kFile);
    if (named == prices_file) continue;
    prices_file = std::move(named);
    prices.emplace(prices_file);
  }
  notify_service_manager("STOPPING=1");
  fmt::print("tollgate: draining; a second signal ends it at once\n");
  std::fflush(stdout);
  const auto again = [] { return wait_signal(Duration(0)) == Signal::kStop; };
  if (FaultOr<void> stopped = gateway.stop(again); !stopped) return faulty(stopped.error());
  fmt::print("tollgate: stopped\n");
  return kDone;
}

std::string vocabulary_directory() {
  if (const char* named = std::getenv("TOLLGATE_VOCABULARIES"); named != nullptr && *named != 0) {
    return named;
  }
  std::error_code ignored;
  for (const char* place : {TOLLGATE_VOCABULARY_DIR, "/usr/share/tollgate/vocabularies"}) {
    if (std::filesystem::is_directory(place, ignored)) return place;
  }
  return (std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "vocabularies")
      .string();
}

}  // namespace tollgate::cli
