// What becomes of a request whose upstream gives no answer that a caller can use: how it is told,
// what it is charged, and what kind of failure it was. Internal to the pipeline.
#pragma once

#include "pipeline/forward.h"

namespace tollgate::pipeline {

// What was held is what it may have cost: for work whose size nobody can tell.
void bill_held(const Forwarder::Work& work, Forwarded& result);

// Of a stream of which nothing but the head came, and whose end is known.
void bill_begun(const Forwarder::Work& work, Forwarded& result);

void cut_by_caller(Forwarded& result);

// Nothing: it is ours, for want of memory or as the caller's key was revoked.
std::optional<attempts::Failure> failure_of(const Stop& stop, const Fault& fault);

// Why there is no answer, or no more of it.
Refusal refusal_of(const Forwarder::Work& work, const Fault& fault);

// There is none, and the caller has no byte of one.
void fail(const Forwarder::Work& work, const Fault& fault, Forwarded& result);
// The same of a provider's error, result.status, that is not the caller's to mend.
void fail_by_status(const Forwarder::Work& work, Forwarded& result);

}  // namespace tollgate::pipeline
