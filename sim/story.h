// What happened in a run: its last steps in words, and all of it as one number.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace tollgate::sim {

// An invariant does not hold.
struct Violation {
  std::string what;
};

class Story {
 public:
  std::size_t lines_kept = 60;

  void tell(std::string line) {
    for (const char byte : line) digest_ = (digest_ ^ static_cast<unsigned char>(byte)) * kPrime;
    digest_ = (digest_ ^ '\n') * kPrime;
    lines_.push_back(std::move(line));
    if (lines_.size() > lines_kept) lines_.pop_front();
  }
  const std::deque<std::string>& last_lines() const { return lines_; }
  std::uint64_t digest() const { return digest_; }

 private:
  static constexpr std::uint64_t kPrime = 1099511628211ULL;  // FNV-1a.

  std::deque<std::string> lines_;
  std::uint64_t digest_ = 14695981039346656037ULL;
};

}  // namespace tollgate::sim
