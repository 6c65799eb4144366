// Output on its way to where it is counted, looked at for repetition: each choice by itself.
// Internal to the pipeline.
//
// One thread; one answer's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "controls/prompts/repetition.h"
#include "dialects/reply.h"

namespace tollgate::pipeline {

inline bool watches_output(const config::Route& route) {
  return route.prompt.on_repeating_output == prompts::OnRepeating::kEnd;
}

class WatchedOutput final : public dialects::OutputSink {
 public:
  // Borrows `counted`, to which all goes on.
  explicit WatchedOutput(dialects::OutputSink& counted) : counted_(counted) {}

  void text(std::int64_t choice, std::string_view piece) override {
    counted_.text(choice, piece);
    const std::size_t at = std::clamp<std::int64_t>(choice, 0, kChoicesMax - 1);
    if (at >= choices_.size()) choices_.resize(at + 1);
    repeats_ = choices_[at].read(piece) || repeats_;
  }

  // Whether any of it does.
  bool repeats() const { return repeats_; }

 private:
  static constexpr std::int64_t kChoicesMax = 128;  // More are looked at as the last.

  dialects::OutputSink& counted_;
  std::vector<prompts::Repetition> choices_;
  bool repeats_ = false;
};

}  // namespace tollgate::pipeline
