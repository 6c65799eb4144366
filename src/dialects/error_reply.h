// What an upstream says is wrong with a request, in either dialect, so that it can be told in
// our own serialisation and never as it came.
//
// Pure. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tollgate::dialects {

struct UpstreamError {
  std::string type;
  std::string code;
  std::string param;
  std::string message;  // At most 2,000 bytes.
};

// Nothing where `body` is no error of either dialect. `body` must have RequestReader::kPadding
// readable bytes behind its end.
std::optional<UpstreamError> read_error(std::string_view body);

}  // namespace tollgate::dialects
