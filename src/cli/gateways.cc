// `tollgate gateways`: who shares the store, and the end of one that never comes back.
#include "storage/gateways.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "admin/forms.h"
#include "base/money.h"
#include "cli/author.h"
#include "cli/commands.h"
#include "cli/load_config.h"
#include "storage/gateway_name.h"
#include "storage/store.h"

namespace tollgate::cli {

namespace {

std::string state_of(const storage::GatewayStanding& gateway) {
  if (gateway.retired) return "retired " + admin::rfc3339(*gateway.retired);
  if (gateway.alive) return "alive";
  if (gateway.seen) return "silent since " + admin::rfc3339(*gateway.seen);
  return "not at work";
}

int list(const GatewaysOptions& options, const config::Config& config,
         storage::Database& database) {
  // A store of one gateway has no seats: the lock beside it tells.
  const bool alone = config.store.postgres_url.empty();
  const bool runs = alone && storage::gateway_runs(config.store.sqlite_path);
  const FaultOr<std::vector<storage::GatewayStanding>> gateways =
      storage::list_gateways(database, runs ? storage::kOnlyGateway : std::string_view());
  if (!gateways) return faulty(gateways.error());
  if (options.json) {
    fmt::print("{}\n", admin::gateways_json(*gateways));
    return kDone;
  }
  fmt::print("{:<18} {:<35} {:<18} {:>14} {:>14} {:>6} {:>12} {:>14}\n", "GATEWAY", "STATE", "SEAT",
             "LEASED USD", "EXPIRED USD", "OPEN", "RECORDS", "TRAIL BYTES");
  for (const storage::GatewayStanding& gateway : *gateways) {
    fmt::print("{:<18} {:<35} {:<18} {:>14} {:>14} {:>6} {:>12} {:>14}\n", gateway.name,
               state_of(gateway), gateway.seat.empty() ? "-" : gateway.seat,
               format_usd(gateway.leased), format_usd(gateway.expired),
               gateway.open ? std::to_string(*gateway.open) : "damaged", gateway.records,
               gateway.trail_bytes);
  }
  return kDone;
}

// Whether a person at a terminal says so.
bool agrees(const std::string& name) {
  fmt::print(stderr,
             "The gateway {} will never serve again. Its open requests are booked at what they "
             "held,\nand what it had leased counts as spent until its windows end.\nType its name "
             "to retire it: ",
             name);
  std::string answer;
  return std::getline(std::cin, answer) && answer == name;
}

int retire(const GatewaysOptions& options, storage::Database& database) {
  if (!options.yes) {
    if (isatty(STDIN_FILENO) == 0) {
      return wrong_use("retiring a gateway cannot be undone: say --yes, or answer on a terminal");
    }
    if (!agrees(options.name)) return wrong_use("it was not confirmed, so nothing was done");
  }
  const FaultOr<storage::Retirement> done =
      storage::retire_gateway(database, command_author(), options.name);
  if (!done) return faulty(done.error());
  if (done->refused != storage::Retirement::Refused::kNo) {
    return faulty({FaultKind::kRefusedByPeer, done->because});
  }
  if (options.json) {
    fmt::print("{}\n", admin::retirement_json(*done));
    return kDone;
  }
  fmt::print("{} is retired\n", done->gateway);
  fmt::print("{} requests had not ended; they are booked at {} USD, which they held\n",
             done->closed, format_usd(done->booked));
  fmt::print("{} USD that it had leased count as spent until their windows end\n",
             format_usd(done->unproven));
  return kDone;
}

}  // namespace

int gateways(const GatewaysOptions& options) {
  const std::shared_ptr<const config::Config> config = load_store_settings(options.config);
  if (!config) return kWrongUse;
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) return faulty(database.error());
  return options.action == GatewaysOptions::Action::kList ? list(options, *config, **database)
                                                          : retire(options, **database);
}

}  // namespace tollgate::cli
