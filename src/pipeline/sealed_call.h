// An answer of an upstream about a response that it keeps, with the ids that the caller is to know:
// what all controls read. Internal to the pipeline.
//
// One answer's; borrows the call.
#pragma once

#include <string>
#include <string_view>

#include "dialects/sealed_response.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

class SealedCall final : public UpstreamCall {
 public:
  SealedCall(UpstreamCall& call, const dialects::SealedResponse::Terms& terms)
      : call_(call), response_(terms) {}

  int status() const override { return call_.status(); }
  std::string_view header(std::string_view name) const override { return call_.header(name); }
  bool sent() const override { return call_.sent(); }
  void cancel() override { call_.cancel(); }
  void release() override {}  // Whoever opened the call does.

  // kBroken: also an id that cannot be bound to the caller.
  Task<FaultOr<std::string_view>> read() override;
  Task<FaultOr<std::string_view>> read_whole(Bytes limit) override;

 private:
  UpstreamCall& call_;
  dialects::SealedResponse response_;
  std::string written_;
};

}  // namespace tollgate::pipeline
