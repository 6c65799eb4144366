// The one table: each reason with its stable code, its status and its words in each dialect.
#pragma once

#include <string_view>

#include "base/refusal.h"
#include "dialects/surface.h"

namespace tollgate::pipeline {

struct RefusalRow {
  Reason reason;
  std::string_view code;  // Ours, stable: x-tollgate-reason and the audit record.
  int openai_status;
  std::string_view openai_type;
  std::string_view openai_code;
  int anthropic_status;
  std::string_view anthropic_type;
  std::string_view anthropic_code;  // details.error_code; may be empty.
  enum class Retry : std::uint8_t { kNo, kNever, kAfter } retry;  // kNever: x-should-retry: false.
};

const RefusalRow& row_of(Reason reason);

// What cannot be put on record is not done.
Refusal unrecorded();

}  // namespace tollgate::pipeline
