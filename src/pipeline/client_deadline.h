// How long a caller waits for an answer, as its client says: the headers that SDKs and proxies
// send.
//
//   x-stainless-timeout, x-stainless-read-timeout   seconds: the SDKs of OpenAI and Anthropic
//   x-envoy-expected-rq-timeout-ms                  milliseconds: Envoy, of what it forwards
//   grpc-timeout                                    up to 8 digits and a unit, H M S m u n
//
// Sources: openai-node and openai-python (client.ts, _base_client.py); Envoy, "HTTP header
// manipulation of the router"; gRPC over HTTP2, "Timeout".
//
// Pure. What cannot be read says nothing.
#pragma once

#include <optional>

#include "base/units.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

// The shortest that it says, at least a millisecond; nothing: it says none.
std::optional<Duration> time_allowed_by(const RequestHead& head);

}  // namespace tollgate::pipeline
