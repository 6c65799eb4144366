// A loop's executor, turned by hand. For tests.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "base/executor.h"

namespace tollgate {

// Keeps what is posted, by any thread, until run().
class HandExecutor final : public Executor {
 public:
  void post(std::function<void()> work) override {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
  }
  // What that posts runs as well. False: there was nothing.
  bool run() {
    bool any = false;
    for (std::vector<std::function<void()>> now; !(now = take()).empty(); any = true) {
      for (const std::function<void()>& work : now) work();
    }
    return any;
  }

 private:
  std::vector<std::function<void()>> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(posted_, {});
  }

  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace tollgate
