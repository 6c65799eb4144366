// Whether a file is another one than it was: for reloads without a signal.
//
// A file that is being written changes from one look to the next; it counts as changed when two
// looks have found the same.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

namespace tollgate::cli {

class FileWatch {
 public:
  // The file as it is now has been read already.
  explicit FileWatch(std::string path) : path_(std::move(path)), taken_(look()), last_(taken_) {}

  // Looks. True once for every change that the look before had found, too.
  bool settled_anew() {
    const Look now = look();
    const bool settled = now == last_ && now != Look();
    last_ = now;
    if (!settled || now == taken_) return false;
    taken_ = now;
    return true;
  }

  // The file as it is now is about to be read for another reason.
  void taken() { taken_ = last_ = look(); }

 private:
  // Size, moment of the last change, number of the file; all nothing where it is not there.
  using Look = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::uint64_t>;

  Look look() const {
    struct stat found{};
    if (stat(path_.c_str(), &found) != 0) return {};
    return {found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ino};
  }

  const std::string path_;
  Look taken_;
  Look last_;
};

}  // namespace tollgate::cli
