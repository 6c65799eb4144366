#include "storage/anomaly_snapshot.h"

#include <fmt/format.h>

#include "storage/whole_file.h"

namespace tollgate::storage {
namespace {

constexpr std::uintmax_t kBytesMax = std::uintmax_t{256} << 20;
constexpr std::size_t kChecksum = 32;

}  // namespace

FaultOr<bool> load_anomalies(const std::string& path, anomalies::Anomalies& anomalies) {
  const std::optional<std::string> bytes = whole_file(path, kBytesMax);
  if (!bytes) return false;
  if (!anomalies.restore(*bytes)) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{}: what was learned of how callers behave cannot be read; it is "
                             "learned anew, and until then little is unusual.",
                             path));
  }
  return true;
}

FaultOr<void> AnomalySnapshot::save() {
  const std::string bytes = anomalies_.snapshot();
  if (bytes.size() < kChecksum) return {};
  const std::string_view checksum = std::string_view(bytes).substr(bytes.size() - kChecksum);
  if (checksum == last_) return {};
  if (FaultOr<void> kept = replace_file(path_, bytes); !kept) return kept;
  last_ = checksum;
  return {};
}

}  // namespace tollgate::storage
