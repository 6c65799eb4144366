// Tokens of our own that something else writes into files and rotates, as the kubelet does.
//
// A file is looked at once in kLookEvery at most and read where it is another by then, so that
// questions beyond the first of a second cost no system call. Bounded: kKept files of kBytesMax.
// Of one loop.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/fault.h"
#include "base/units.h"

namespace tollgate::identity {

class BearerFiles {
 public:
  static constexpr Duration kLookEvery = std::chrono::seconds(1);
  static constexpr std::size_t kBytesMax = std::size_t{16} << 10;
  static constexpr std::size_t kKept = 64;

  // The token in the file of that path; a Fault where there is none.
  FaultOr<std::string> token(const std::string& path, Instant now);

 private:
  // What differs where a file was written or replaced.
  struct Stamp {
    std::int64_t device = 0;
    std::int64_t inode = 0;
    std::int64_t size = -1;
    std::int64_t changed_ns = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct Kept {
    Instant looked{};
    Stamp stamp;
    std::string token;  // Empty: there is none.
  };
  static Stamp stamp_of(const std::string& path);
  static std::string read(const std::string& path);

  std::map<std::string, Kept> kept_;
};

}  // namespace tollgate::identity
