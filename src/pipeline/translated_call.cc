#include "pipeline/translated_call.h"

namespace tollgate::pipeline {

// A piece that ends no event tells nothing yet.
Task<FaultOr<std::string_view>> TranslatedCall::read() {
  while (!broken_) {
    const FaultOr<std::string_view> piece = co_await call_.read();
    if (!piece || piece->empty()) co_return piece;
    written_.clear();
    const FaultOr<void> carried = translator_.feed(*piece, written_);
    if (!carried) broken_ = carried.error();
    if (!written_.empty()) co_return std::string_view(written_);
  }
  co_return std::unexpected(*broken_);
}

Task<FaultOr<std::string_view>> TranslatedCall::read_whole(Bytes limit) {
  const FaultOr<std::string_view> body = co_await call_.read_whole(limit);
  if (!body) co_return body;
  written_.clear();
  const FaultOr<void> carried = translator_.whole(passage_, terms_, *body, written_);
  if (!carried) co_return std::unexpected(carried.error());
  co_return std::string_view(written_);
}

}  // namespace tollgate::pipeline
