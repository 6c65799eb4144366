// The gateway as a whole: who owns what, and how it starts, reloads and stops.
//
// One worker a core, each with a loop, listeners, an upstream pool and a pipeline of its own;
// one more loop for the admin address, so that a query of the books never holds up a request.
// What the workers share is the store, the metrics, the vocabularies and the configuration in
// force.
//
// Used from the thread that starts it; start() returns when every address is bound.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fault.h"
#include "config/config.h"
#include "config/load.h"
#include "storage/store.h"

namespace tollgate::cli {

struct GatewayOptions {
  std::string vocabularies;  // Directory of the vocabulary files.
};

class Gateway {
 public:
  static FaultOr<std::unique_ptr<Gateway>> start(
      const std::shared_ptr<const config::Config>& config, const GatewayOptions& options);
  ~Gateway();
  Gateway(const Gateway&) = delete;

  // "http://127.0.0.1:8080" of a listener, as bound.
  struct Address {
    std::string name;
    std::string url;
  };
  const std::vector<Address>& listeners() const;
  const std::string& admin_url() const;
  const config::Secret& admin_token() const;
  storage::Store& store();
  std::shared_ptr<const config::Config> config() const;  // In force.

  // Puts the next configuration in force: requests that have begun keep theirs. A Fault leaves
  // the old one in force and tells all that needs a restart (config/reload.h).
  FaultOr<void> reload(const std::shared_ptr<const config::Config>& next);
  void reload_failed();  // A configuration that did not load; for the metrics.

  // Accepts no more, lets what is at work end within edge.drain_timeout or until `hurry`, which
  // is asked again and again, says so, then cuts it; settles and records everything, and
  // returns. A Fault tells what could not be kept.
  FaultOr<void> stop(const std::function<bool()>& hurry = {});

 private:
  struct Parts;
  explicit Gateway(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Prints the start lines that people and tests read: the addresses, then "ready".
void print_addresses(const Gateway& gateway);

// Runs until SIGTERM or SIGINT; a second one cuts what is still at work. SIGHUP reloads, and so
// does a change of `file` that has settled and takes no limit, budget or route away. An exit
// code.
int run_until_stopped(Gateway& gateway, const std::string& file);

// A Fault where a gateway serves from the database at `ledger` now: its directory is not ours to
// write in.
FaultOr<void> storage_is_free(const std::string& ledger);

// Where the vocabulary files are: $TOLLGATE_VOCABULARIES, else as installed or built.
std::string vocabulary_directory();

}  // namespace tollgate::cli
