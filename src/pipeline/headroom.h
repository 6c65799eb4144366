// Whether the input of a request may be held at a bound, so that nobody need count it.
//
// To count exactly is the dearest step on the path of a request. Where every limit and budget that
// it is held on has plenty left, the count changes nothing: a token is a byte at least, so what is
// held at a token a byte is held at no less than it can cost, and what the provider reports
// settles it. So a request is counted when a limit or budget is near, when nothing is known of
// them yet, and one in kSampleEvery whatever they have left: the error of the provider's figures
// is seen, and whose figures do not agree with ours is counted always for the next kDistrusted.
//
// What was far at the last hold is taken to be far at the next; where that is wrong the hold is
// refused or takes more than it need, and never too little. No I/O; one thread; of a fixed size,
// where a place that another took means to count.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

class Headroom {
 public:
  static constexpr std::uint32_t kSampleEvery = 16;
  static constexpr std::uint32_t kDistrusted = 256;  // Requests of a model.

  // All that decides on which limits and budgets a request is held.
  struct Subject {
    std::string_view config_version;
    std::string_view tenant;
    std::string_view user;
    std::string_view credential_id;
    IpAddress client_ip;
    std::string_view path;
    std::string_view model;  // As it was asked.
  };
  static std::uint64_t key_of(const Subject& subject);

  // Whether a bound will do for the next request of `key`, on `model` of the configuration.
  bool suffices(std::uint64_t key, std::string_view model);
  // How much there was left after a hold.
  void held(std::uint64_t key, const Charges& charges, const Hold& hold);
  // What a request was counted at and what its provider reported.
  void compared(std::string_view model, Tokens counted, Tokens reported);

 private:
  static constexpr std::size_t kPlaces = 1 << 14;
  struct Doubt {
    std::string model;
    std::uint32_t left = 0;  // Requests that are to be counted.
  };
  Doubt* doubt_of(std::string_view model);

  std::vector<std::uint64_t> far_ = std::vector<std::uint64_t>(kPlaces);
  std::vector<Doubt> doubts_;  // Of the models that were ever in doubt: few.
  std::uint32_t turn_ = 0;
};

// Whether all that the input is held on has so much left that counting it changes nothing: half of
// it, or as much again a thousand times.
bool is_far(const Charges& charges, const Hold& hold);

// Whether what a provider reports may be taken for the input of which `bound` is known: text has
// two to eight bytes a token. What lies outside is counted.
bool is_credible(Tokens reported, Tokens bound);

// How far a provider's count of the input may lie above an exact count of ours: control tokens of
// a chat template that no formula tells.
inline constexpr Tokens kInputSlack = 64;
// A provider that reports less than this part of what we counted reports nonsense.
inline constexpr Tokens kUnderReport = 2;

}  // namespace tollgate::pipeline
