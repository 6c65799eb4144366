#include "controls/anomalies/actor_state.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tollgate::anomalies {

namespace {

constexpr float kFast = 1.0F / 16;
constexpr float kSlow = 1.0F / 256;
constexpr float kDrift = 1.0F / 128;
// What is so in more than this part of the requests, where at most a third of that is usual.
constexpr float kOften = 0.6F;
constexpr float kSeldom = 0.2F;
// What comes up at all, where it is next to never there.
constexpr float kNever = 0.02F;
constexpr float kSlack = 0.75F;
constexpr float kShifted = 9.0F;
constexpr std::uint32_t kDriftHistory = kOwnHistory;
constexpr float kDeviationMin = 0.25F;  // Of the logarithm: a fifth more or less is no news.
constexpr std::int64_t kDay = 24 * 3600;
constexpr std::uint32_t kHoursHistory = 500;
constexpr std::uint32_t kTemplatesMin = 32;
constexpr std::uint32_t kTemplateHours = 8;

std::int64_t seconds_of(WallTime now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
}

std::size_t hour_of_week(std::int64_t seconds) {
  return static_cast<std::size_t>(seconds / 3600) % ActorState::kHours;
}

// What is usual: the actor's own, the route's while it has little, or nobody can tell.
struct Usual {
  const ActorState& actor;
  const ActorState& route;
  bool is_own() const { return actor.requests >= kOwnHistory; }
  bool is_known() const { return is_own() || route.requests >= kRouteHistory; }
  float slow(Figure figure) const {
    const ActorState& of = is_own() ? actor : route;
    return of.rates[static_cast<std::size_t>(figure)].slow;
  }
};

bool is_often(const Usual& usual, Figure figure) {
  return usual.is_known() && usual.actor.rates[static_cast<std::size_t>(figure)].fast > kOften &&
         usual.slow(figure) < kSeldom;
}

bool is_encoded(const Features& features) {
  return features.bytes >= 200 && features.encoded >= 300;
}
bool is_repetitive(const Features& features) {
  return features.longest_run >= 256 || (features.words >= 64 && features.repetition() >= 800) ||
         (features.sampled >= 256 && features.distinct_grams <= 200);
}
bool is_even(const Features& features) {
  return features.sampled >= 128 && features.entropy <= 375;
}

// Near to something that was asked just before, and not the same again.
bool is_variant(const ActorState& actor, const Features& features) {
  if (features.simhash == 0) return false;
  const auto exact = static_cast<std::uint32_t>(features.exact);
  bool near = false;
  bool same = false;
  for (std::size_t i = 0; i < ActorState::kRing; ++i) {
    near |= actor.ring[i] != 0 && distance(actor.ring[i], features.simhash) <= kNearBits;
    same |= actor.ring[i] == features.simhash && actor.ring_exact[i] == exact;
  }
  return near && !same;
}

// Whether there are more templates in this hour than in any that was usual.
bool add_template(ActorState& actor, const Features& features, std::int64_t seconds) {
  if (features.simhash == 0) return false;
  const auto hour = static_cast<std::uint32_t>(seconds / 3600);
  int count = 0;
  for (const std::uint64_t part : actor.templates) count += std::popcount(part);
  if (hour != actor.templates_hour) {
    if (count > 0) {
      const float weight = actor.templates_hours < kTemplateHours
                               ? 1.0F / static_cast<float>(actor.templates_hours + 1)
                               : 1.0F / kTemplateHours;
      actor.templates_mean += weight * (static_cast<float>(count) - actor.templates_mean);
      ++actor.templates_hours;
    }
    actor.templates.fill(0);
    actor.templates_hour = hour;
    count = 0;
  }
  // Of the smallest of the hashes of its words, which most variants share.
  const std::uint32_t place = (features.minhash[0] ^ features.minhash[1]) & 255;
  std::uint64_t& part = actor.templates[place >> 6];
  const std::uint64_t bit = std::uint64_t{1} << (place & 63);
  const bool is_new = (part & bit) == 0;
  part |= bit;
  return is_new && actor.templates_hours >= kTemplateHours &&
         count >= static_cast<int>(kTemplatesMin) &&
         static_cast<float>(count) > 4 * actor.templates_mean;
}

bool add_hour(ActorState& actor, std::int64_t seconds) {
  const std::size_t hour = hour_of_week(seconds);
  constexpr std::size_t kHours = ActorState::kHours;
  const bool nearly = actor.hours[hour] != 0 || actor.hours[(hour + 1) % kHours] != 0 ||
                      actor.hours[(hour + kHours - 1) % kHours] != 0;
  const bool odd =
      !nearly && actor.requests >= kHoursHistory && seconds - actor.first_seconds >= 14 * kDay;
  if (++actor.hours[hour] == UINT8_MAX) {
    // What was there at all stays.
    for (std::uint8_t& count : actor.hours) count = static_cast<std::uint8_t>((count + 1) / 2);
  }
  return odd;
}

bool add_known(ActorState& actor, Known& known, std::uint32_t name, std::int64_t seconds) {
  const float novelty = known.novelty;
  const bool is_new = known.add(name, static_cast<std::uint32_t>(seconds / 3600));
  return is_new && actor.requests >= kOwnHistory && seconds - actor.first_seconds >= kDay &&
         novelty < kNever;
}

void add_rate(ActorState& actor, ActorState& route, Figure figure, bool so) {
  actor.rates[static_cast<std::size_t>(figure)].add(so);
  route.rates[static_cast<std::size_t>(figure)].add(so);
}

void add_drift(ActorState& actor, ActorState& route, Drift ActorState::* figure, float value) {
  Drift& own = actor.*figure;
  Drift& all = route.*figure;
  const Drift& scale = own.count >= kDriftHistory ? own : all;
  own.add(scale, value);
  if (&actor != &route) all.add(all, value);
}

}  // namespace

void Rate::add(bool so) {
  const float value = so ? 1.0F : 0.0F;
  fast += kFast * (value - fast);
  slow += kSlow * (value - slow);
}

float Drift::deviation(const Drift& scale, float value) const {
  const std::uint32_t needed = &scale == this ? kDriftHistory : kRouteHistory;
  if (scale.count < needed) return 0;
  const float width = std::max(kDeviationMin, std::sqrt(scale.variance));
  return std::clamp((value - scale.mean) / width, -3.0F, 3.0F);
}

void Drift::add(const Drift& scale, float value) {
  const float above = deviation(scale, value);
  sum = std::clamp(sum + above - kSlack, 0.0F, 2 * kShifted);
  if (count < UINT32_MAX) ++count;
  // While it learns, the plain mean; then what is far out moves it no more than what is near.
  const float weight = std::max(kDrift, 1.0F / static_cast<float>(count));
  float off = value - mean;
  if (count > kDriftHistory) {
    const float most = 3 * std::max(kDeviationMin, std::sqrt(variance));
    off = std::clamp(off, -most, most);
  }
  mean += weight * off;
  variance += weight * (off * off * (1 - weight) - variance);
}

bool Drift::has_shifted() const { return sum >= kShifted; }

bool Known::add(std::uint32_t name, std::uint32_t hour) {
  if (name == 0) return false;
  std::size_t oldest = 0;
  bool found = false;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    if (names[i] == name) {
      hours[i] = hour;
      found = true;
    }
    if (hours[i] < hours[oldest]) oldest = i;
  }
  novelty += kSlow * ((found ? 0.0F : 1.0F) - novelty);
  if (found) return false;
  names[oldest] = name;
  hours[oldest] = hour;
  return true;
}

Signs observe(ActorState& actor, ActorState& route, const Asked& asked) {
  const Features& features = asked.features;
  const std::int64_t seconds = seconds_of(asked.now);
  Signs signs;
  for (ActorState* const of : {&actor, &route}) {
    if (of->requests == 0) of->first_seconds = seconds;
  }
  const Usual usual{actor, route};
  const auto comes_up = [&](Sign sign, Figure figure, bool so) {
    if (so && usual.is_known() && usual.slow(figure) < kNever) signs.add(sign);
    add_rate(actor, route, figure, so);
  };
  comes_up(Sign::kEncoded, Figure::kEncoded, is_encoded(features));
  comes_up(Sign::kRepetitive, Figure::kRepetitive, is_repetitive(features));
  comes_up(Sign::kLowEntropy, Figure::kEven, is_even(features));

  const bool variant = is_variant(actor, features);
  add_rate(actor, route, Figure::kVariant, variant);
  if (variant && is_often(usual, Figure::kVariant)) signs.add(Sign::kNearDuplicates);
  if (features.simhash != 0) {
    const std::uint32_t place = actor.ring_next++ % ActorState::kRing;
    actor.ring[place] = features.simhash;
    actor.ring_exact[place] = static_cast<std::uint32_t>(features.exact);
  }
  if (add_template(actor, features, seconds)) signs.add(Sign::kManyTemplates);

  if (actor.tokens.has_shifted()) signs.add(Sign::kTokenShift);
  if (actor.spend.has_shifted()) signs.add(Sign::kSpendShift);
  if (is_often(usual, Figure::kRefused)) signs.add(Sign::kRefusals);
  if (is_often(usual, Figure::kFailed)) signs.add(Sign::kErrors);

  if (add_known(actor, actor.models, asked.model, seconds)) signs.add(Sign::kNewModel);
  const auto route_name = static_cast<std::uint32_t>(asked.route);
  if (add_known(actor, actor.routes, route_name, seconds)) signs.add(Sign::kNewRoute);
  if (add_known(actor, actor.agents, asked.agent, seconds)) signs.add(Sign::kNewAgent);
  if (add_hour(actor, seconds)) signs.add(Sign::kOddHour);

  for (ActorState* const of : {&actor, &route}) {
    of->last_seconds = seconds;
    if (of->requests < UINT32_MAX) ++of->requests;
  }
  return signs;
}

void learn(ActorState& actor, ActorState& route, const Ended& ended) {
  add_rate(actor, route, Figure::kRefused, ended.refused);
  add_rate(actor, route, Figure::kFailed, ended.failed);
  if (ended.refused || ended.failed) return;
  if (ended.input > 0) {
    const float value = std::log2(1.0F + static_cast<float>(ended.input));
    add_drift(actor, route, &ActorState::tokens, value);
  }
  if (ended.cost.micro_usd > 0) {
    const float value = std::log2(1.0F + static_cast<float>(ended.cost.micro_usd));
    add_drift(actor, route, &ActorState::spend, value);
  }
}

}  // namespace tollgate::anomalies
