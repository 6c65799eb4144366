// `tollgate serve`.
#include "cli/commands.h"
#include "cli/gateway.h"
#include "cli/load_config.h"
#include "cli/signals.h"

namespace tollgate::cli {

int serve(const ServeOptions& options) {
  block_signals();
  const std::shared_ptr<const config::Config> config = load_config(options.config);
  if (!config) return kWrongUse;
  FaultOr<std::unique_ptr<Gateway>> gateway = Gateway::start(config, {vocabulary_directory()});
  if (!gateway) return faulty(gateway.error());
  print_addresses(**gateway);
  return run_until_stopped(**gateway, options.config);
}

}  // namespace tollgate::cli
