// What the gateway knows of how callers behave (controls/anomalies), in a file of its own, so that
// a start knows it again. Each gateway keeps its own; what is lost or damaged is learned anew.
//
// The file is replaced as a whole: after a crash the one before is there. Blocking disk I/O.
#pragma once

#include <string>

#include "base/fault.h"
#include "controls/anomalies/anomalies.h"

namespace tollgate::storage {

// False: there is no such file. A Fault: there is one that cannot be read or is not whole, or of
// another pepper or version; nothing of it was taken.
FaultOr<bool> load_anomalies(const std::string& path, anomalies::Anomalies& anomalies);

class AnomalySnapshot {
 public:
  // `anomalies` outlive it.
  AnomalySnapshot(std::string path, const anomalies::Anomalies& anomalies)
      : path_(std::move(path)), anomalies_(anomalies) {}

  // Writes what has changed since the last time. One thread at a time.
  FaultOr<void> save();

 private:
  const std::string path_;
  const anomalies::Anomalies& anomalies_;
  std::string last_;  // The checksum of what lies in the file.
};

}  // namespace tollgate::storage
