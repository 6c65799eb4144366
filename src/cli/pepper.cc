#include "cli/pepper.h"

#include "storage/key_rows.h"
#include "storage/secret_file.h"
#include "storage/store.h"

namespace tollgate::cli {

FaultOr<authentication::Pepper> pepper_of(const config::Config& config,
                                          storage::Database& database) {
  std::string file = config.authentication.pepper_file;
  if (file.empty() && !config.store.postgres_url.empty()) {
    return fault(FaultKind::kRefusedByPeer,
                 "authentication.api_keys.pepper_file is not named: the gateways of a postgres:// "
                 "ledger and this command must read keys with the same pepper.");
  }
  if (file.empty()) file = storage::beside(config.store.sqlite_path, "pepper");
  FaultOr<authentication::Pepper> pepper = storage::load_or_make_pepper(file);
  if (!pepper) return pepper;
  if (FaultOr<void> same = storage::check_pepper(database, *pepper); !same) {
    return std::unexpected(same.error());
  }
  return pepper;
}

}  // namespace tollgate::cli
