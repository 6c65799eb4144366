// Hands a Fault on to the caller.
#pragma once

#include <expected>
#include <utility>

// Declares `name` as the value that `expression` gives, or returns its error.
#define TRY(name, expression)                                                       \
  auto name##_or_error = (expression);                                              \
  if (!name##_or_error) return std::unexpected(std::move(name##_or_error.error())); \
  auto& name = *name##_or_error

// The same for an expression without a value.
#define TRY_DO(expression) \
  if (auto done = (expression); !done) return std::unexpected(std::move(done.error()))
