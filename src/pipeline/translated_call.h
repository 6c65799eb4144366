// An answer of an upstream that speaks another dialect than the caller, in the caller's: what all
// controls read. Internal to the pipeline.
//
// One answer's; borrows the call.
#pragma once

#include <string>
#include <string_view>

#include "pipeline/plan.h"
#include "pipeline/ports.h"
#include "translation/translation.h"

namespace tollgate::pipeline {

// What came by `asked`, as the upstream of the plan is asked it.
inline translation::Passage passage_of(const Plan& plan, dialects::Surface asked) {
  return {.asked = asked,
          .spoken = config::spoken_surface(*plan.upstream, asked),
          .cap_field = plan.upstream->output_cap_field,
          .dropped = plan.upstream->dropped_fields,
          .service_tier = plan.tier_written};
}

class TranslatedCall final : public UpstreamCall {
 public:
  TranslatedCall(UpstreamCall& call, const translation::Passage& passage,
                 const translation::AnswerTerms& terms)
      : call_(call), passage_(passage), terms_(terms) {
    translator_.start(passage, terms);
  }

  int status() const override { return call_.status(); }
  std::string_view header(std::string_view name) const override { return call_.header(name); }
  bool sent() const override { return call_.sent(); }
  void cancel() override { call_.cancel(); }
  void release() override {}  // Whoever opened the call does.

  // kBroken: also what cannot be carried over.
  Task<FaultOr<std::string_view>> read() override;
  Task<FaultOr<std::string_view>> read_whole(Bytes limit) override;

 private:
  UpstreamCall& call_;
  const translation::Passage passage_;
  const translation::AnswerTerms terms_;
  translation::AnswerTranslator translator_;
  std::string written_;
  std::optional<Fault> broken_;  // Told once what came before it has been.
};

}  // namespace tollgate::pipeline
