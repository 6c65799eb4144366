// Which answer is relayed: the upstream's as it came, or as the caller is to read it.
#include <chrono>

#include "pipeline/forward.h"
#include "pipeline/sealed_call.h"
#include "pipeline/translated_call.h"

namespace tollgate::pipeline {

Task<void> Forwarder::relay_answer(const Work& work, UpstreamCall& call, Forwarded& result) {
  const translation::Passage passage = passage_of(work.plan, work.plan.route->surface);
  if (passage.spoken != passage.asked) {
    const auto created = std::chrono::floor<std::chrono::seconds>(clock_.wall());
    TranslatedCall translated(call, passage,
                              {.id = work.id,
                               .model = work.plan.model->name,
                               .created = created.time_since_epoch().count(),
                               .input = work.plan.input.tokens});
    co_await relay(work, translated, result);
  } else if (work.plan.kept.any()) {
    const Kept& kept = work.plan.kept;
    SealedCall sealed(call, {.names = kept.store ? &work.attempted : nullptr,
                             .previous = kept.previous,
                             .previous_name = kept.previous_sealed});
    co_await relay(work, sealed, result);
  } else {
    co_await relay(work, call, result);
  }
}

}  // namespace tollgate::pipeline
