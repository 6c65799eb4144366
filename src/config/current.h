// The configuration in force, swapped whole by a reload while requests keep the one they
// started with.
//
// Safe from any thread. A reader that asks often keeps what it got and looks at version()
// first, which is one load.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "config/config.h"

namespace tollgate::config {

class Current {
 public:
  explicit Current(std::shared_ptr<const Config> first) : config_(std::move(first)) {}

  std::shared_ptr<const Config> get() const {
    const std::lock_guard lock(mutex_);
    return config_;
  }
  void swap(std::shared_ptr<const Config> next) {
    const std::lock_guard lock(mutex_);
    config_ = std::move(next);
    swaps_.fetch_add(1, std::memory_order_release);
  }
  // Grows with every swap.
  std::uint64_t swaps() const { return swaps_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Config> config_;
  std::atomic<std::uint64_t> swaps_ = 0;
};

}  // namespace tollgate::config
