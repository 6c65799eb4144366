// CHECK ends the process on a bug of ours, in release builds too.
//
// Nothing that a client or a provider sends may reach a failing CHECK; the fuzzers prove it.
#pragma once

namespace tollgate {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace tollgate

#define CHECK(condition)                                        \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::tollgate::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
