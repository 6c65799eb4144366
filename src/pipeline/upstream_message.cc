// The request as the upstream gets it.
#include <algorithm>

#include "pipeline/forward.h"
#include "pipeline/upstream_head.h"

namespace tollgate::pipeline {

namespace {

std::string_view upstream_path(dialects::Dialect speaks, dialects::Surface surface) {
  std::string_view path = dialects::standard_path(surface);
  // An OpenAI base URL ends in its version ("…/v1"), an Anthropic one does not.
  if (speaks == dialects::Dialect::kOpenAi) path.remove_prefix(std::string_view("/v1").size());
  return path;
}

bool is_version_date(std::string_view text) {
  return text.size() == 10 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || c == '-';
         });
}

}  // namespace

void write_upstream_head(const UpstreamMessage& message, std::size_t body_bytes, std::string& out) {
  begin_upstream_head(message.upstream, message.endpoint,
                      upstream_path(message.upstream.speaks, message.surface), out);
  if (message.upstream.speaks == dialects::Dialect::kAnthropic) {
    const std::string_view asked = message.caller.header("anthropic-version");
    out += "\r\nanthropic-version: ";
    out += is_version_date(asked) ? asked : std::string_view("2023-06-01");
  }
  if (const std::string_view trace = message.caller.header("traceparent"); is_traceparent(trace)) {
    out += "\r\ntraceparent: ";
    out += trace;
  }
  out += message.delivery == dialects::Delivery::kStreamed ? "\r\nAccept: text/event-stream"
                                                           : "\r\nAccept: application/json";
  end_upstream_head(message.id, body_bytes, out);
}

}  // namespace tollgate::pipeline
