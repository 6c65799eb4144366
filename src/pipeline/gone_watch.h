// While it lives, a caller that leaves cancels the call, and so does a stop. Internal to the
// pipeline.
#pragma once

#include "pipeline/forward.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

class GoneWatch {
 public:
  GoneWatch(Exchange& exchange, Stop& stop, UpstreamCall& call) : exchange_(exchange), stop_(stop) {
    exchange_.on_caller_gone(&call);
    stop_.watch(&call);
  }
  GoneWatch(const GoneWatch&) = delete;
  ~GoneWatch() {
    exchange_.on_caller_gone(nullptr);
    stop_.watch(nullptr);
  }

 private:
  Exchange& exchange_;
  Stop& stop_;
};

}  // namespace tollgate::pipeline
