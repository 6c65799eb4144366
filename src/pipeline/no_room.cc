#include "pipeline/ports.h"

namespace tollgate::pipeline {

Refusal no_room(overload::Lack lack) {
  Refusal refusal;
  refusal.rule = "edge.buffered_bytes_max";
  switch (lack) {
    case overload::Lack::kMemory:
      refusal.reason = Reason::kOverloaded;
      refusal.message =
          "The gateway keeps as many bytes of requests and answers in memory as it may.";
      break;
    case overload::Lack::kTenant:
      refusal.reason = Reason::kConcurrencyLimited;
      refusal.message =
          "With this one, the requests of your tenant that are in memory now would take more of it "
          "than those of one tenant may. Wait until some of them have ended, or send smaller ones.";
      break;
    case overload::Lack::kForGood:
      refusal.reason = Reason::kBodyTooLarge;
      refusal.message =
          "The gateway may not keep as many bytes in memory as this request takes, which are those "
          "of its body and of what is written of it.";
      return refusal;
  }
  refusal.retry_after = std::chrono::seconds(1);
  return refusal;
}

}  // namespace tollgate::pipeline
