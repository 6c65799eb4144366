// Runs work later on the one thread that a loop's requests belong to: how an answer that comes on
// another thread gets back to a coroutine that waits for it.
#pragma once

#include <functional>

namespace tollgate {

// Any thread.
class Executor {
 public:
  virtual void post(std::function<void()> work) = 0;

 protected:
  ~Executor() = default;
};

}  // namespace tollgate
