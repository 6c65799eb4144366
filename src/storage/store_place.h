// Where a store's own files lie: the lock that keeps a second gateway out, and the directory of a
// store that ends with its process.
//
// Blocking disk I/O, at start and stop.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/fault.h"

namespace tollgate::storage {

// One gateway at a time: let go by the kernel however the process ends.
class StoreLock {
 public:
  // `file` is made where it is not there. `what` is told to be taken: a database, a directory.
  static FaultOr<std::unique_ptr<StoreLock>> take(const std::string& file, std::string_view what);
  // Whether somebody has it now. Taking a look is in nobody's way.
  static bool is_taken(const std::string& file);
  StoreLock(const StoreLock&) = delete;
  ~StoreLock();

 private:
  explicit StoreLock(int descriptor) : descriptor_(descriptor) {}
  const int descriptor_;
};

// A directory that goes with this object.
class TemporaryDirectory {
 public:
  static FaultOr<std::unique_ptr<TemporaryDirectory>> make();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

// The directory of what is a gateway's own, made with mode 0700 where it is not there.
FaultOr<void> make_state_directory(const std::string& path);

}  // namespace tollgate::storage
