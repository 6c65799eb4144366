// A request that is held for, as the forwarder knows it: the head lines of the reply that the
// model made, the input as it is to be billed, and the settlement. Internal to the pipeline.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/forward.h"
#include "pipeline/life.h"

namespace tollgate::pipeline {

// The evidence of the limits that are enforced; a hold's is in the order of its charges.
std::span<const audit::LimitEvidence> enforced(const Charges& charges, const Hold& hold,
                                               Arena& arena);
// What a settlement of that request is booked for.
Booking booking_of(const audit::Record& record, const authentication::Identity& caller,
                   const Plan& plan);

class Pipeline::HeldRequest final : public Attempted {
 public:
  // Borrows all. `limits` are those that are enforced: a caller is not told to slow down for
  // others.
  HeldRequest(Life& life, std::string_view body, const Plan& plan, Hold& hold,
              const Booking& booking, std::span<const audit::LimitEvidence> limits)
      : life_(life), body_(body), plan_(plan), hold_(hold), booking_(booking), limits_(limits) {}

  void write_headers(const Forwarded& so_far, std::string& headers) override;
  const Plan& billed(std::optional<Tokens> reported) override;
  void settle(const Forwarded& result) override;
  std::string name_of(std::string_view id) const override;

  // What the input was counted at, or the bound that it was held at.
  const Count& counted() const;

 private:
  void count_now();
  const Services& at() const { return life_.pipeline.services_; }

  Life& life_;
  const std::string_view body_;
  const Plan& plan_;
  Hold& hold_;
  Booking booking_;
  const std::span<const audit::LimitEvidence> limits_;
  std::optional<Plan> billed_;  // Where it was held at a bound.
  bool counted_ = false;
};

}  // namespace tollgate::pipeline
