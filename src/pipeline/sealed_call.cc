#include "pipeline/sealed_call.h"

#include "dialects/request.h"

namespace tollgate::pipeline {

// A piece that ends no event tells nothing yet.
Task<FaultOr<std::string_view>> SealedCall::read() {
  for (;;) {
    const FaultOr<std::string_view> piece = co_await call_.read();
    if (!piece || piece->empty()) co_return piece;
    written_.clear();
    const FaultOr<void> named = response_.feed(*piece, written_);
    if (!named) co_return std::unexpected(named.error());
    if (!written_.empty()) co_return std::string_view(written_);
  }
}

Task<FaultOr<std::string_view>> SealedCall::read_whole(Bytes limit) {
  const FaultOr<std::string_view> body = co_await call_.read_whole(limit);
  if (!body) co_return body;
  written_.clear();
  const FaultOr<void> named = response_.whole(*body, written_);
  if (!named) co_return std::unexpected(named.error());
  written_.reserve(written_.size() + dialects::RequestReader::kPadding);
  co_return std::string_view(written_);
}

}  // namespace tollgate::pipeline
