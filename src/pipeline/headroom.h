// Whether the input of a request may be held at a bound, so that nobody need count it.
//
// To count exactly is the dearest step on the path of a request. Where every limit and budget that
// it is held on has plenty left (half of it), the count decides nothing: a token is a byte at
// least, so what is held at a token a byte is held at no less than it can cost, and what the
// provider reports settles it. The ledger refuses a hold at a bound where something is near
// (Charges::at_a_bound); who was far at the last hold is kept here, so that whoever is near is
// counted at once. One request in kSampleEvery of a model is counted whatever is left: so the error
// of a provider's figures is seen, and a model whose figures do not agree with ours is counted
// until kAgreeing of them have agreed.
//
// No I/O; one thread; of a fixed size, where a place that another took means to count.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "pipeline/counting.h"
#include "pipeline/ports.h"
#include "tokens/count_errors.h"

namespace tollgate::pipeline {

class Headroom {
 public:
  static constexpr std::uint32_t kSampleEvery = 16;
  static constexpr std::uint32_t kAgreeing = 64;

  // What decides on which limits and budgets a request is held, or nearly all of it.
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
  void refused(std::uint64_t key);
  // What a request was counted at and what its provider reported.
  void compared(std::string_view model, const Count& counted, Tokens reported);

 private:
  static constexpr std::size_t kPlaces = 1 << 14;
  struct Model {
    std::string name;
    std::uint32_t turn = 0;
    std::uint32_t doubts = 0;  // How many have to agree until it is believed again.
  };
  Model& model_of(std::string_view name);

  std::vector<std::uint64_t> far_ = std::vector<std::uint64_t>(kPlaces);
  std::vector<Model> models_;  // Of the configurations so far: few.
};

// Whether all that the input is held on has plenty left.
bool is_far(const Charges& charges, const Hold& hold);

// Whether what a provider reports may be taken for an input that is bounded so: its text has two
// to eight bytes a token, and the rest is known but for what is unsure. What lies outside is
// counted.
bool is_credible(Tokens reported, const Count& bound);

// A provider that reports less than this part of what we counted reports nonsense.
inline constexpr Tokens kUnderReport = 2;

}  // namespace tollgate::pipeline
