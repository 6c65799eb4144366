// The head of a request to an upstream, up to what is its own and from there. Internal to the
// pipeline.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "config/config.h"

namespace tollgate::pipeline {

// The request line, with `path` (which may have a query) behind the endpoint's own, the host and
// the credential, of `place`. No line end behind the last.
void begin_upstream_head(const config::Upstream& upstream, int place, std::string_view path,
                         std::string& out, std::string_view method = "POST");
// The same without a credential.
void begin_head(const config::Endpoint& to, std::string_view method, std::string_view path,
                std::string& out);

// version-trace-parent-flags of W3C Trace Context, and nothing else.
bool is_traceparent(std::string_view text);

// Whose request it is, and the frame of its body.
void end_upstream_head(std::string_view id, std::size_t body_bytes, std::string& out,
                       std::string_view content_type = "application/json");

}  // namespace tollgate::pipeline
