// The wire forms of the mock's answers on OpenAI's Responses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mock/wire.h"

namespace tollgate::mock {

std::string whole_response(const Wire& wire, std::string_view text, const ToolCall* call,
                           std::string_view finish);

// The events of a stream, in order; each is numbered.
class ResponseStream {
 public:
  std::string opening(const Wire& wire, const ToolCall* call);
  std::string piece(std::string_view piece);
  std::string arguments(std::string_view piece);
  std::string closing(const Wire& wire, const ToolCall* call, std::string_view finish);

 private:
  std::string event(std::string_view type, std::string_view rest);

  std::int64_t sequence_ = 0;
  std::string said_;
  std::string serial_;  // Of the call.
  bool is_custom_ = false;
};

}  // namespace tollgate::mock
