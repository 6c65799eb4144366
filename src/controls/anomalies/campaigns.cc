#include "controls/anomalies/campaigns.h"

#include <array>
#include <bit>

namespace tollgate::anomalies {

namespace {

// What several actors send is passed over so often before it gives way to what is new.
constexpr int kPassedOver = 8;

// Shorter texts are alike by chance: what many callers ask in one sentence.
constexpr std::uint32_t kContentWordsMin = 16;

std::uint64_t bit_of(std::uint64_t hash) { return std::uint64_t{1} << (hash >> 58); }

bool is_flagged(const Template& kept, std::int64_t seconds) {
  return kept.flagged_seconds != 0 && seconds - kept.flagged_seconds <= Campaigns::kWindow;
}

}  // namespace

Campaigns::Campaigns(std::size_t templates) : templates_(templates), index_(templates * 16) {}

std::size_t Campaigns::place_of(const Minhash& minhash, std::size_t band) const {
  const std::uint64_t pair = std::uint64_t{minhash[band]} << 32 | minhash[band + kMinhashes / 2];
  const std::uint64_t hash = (pair ^ band * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;
  return (hash ^ hash >> 32) & (index_.size() - 1);
}

Template* Campaigns::find(const Features& features, std::int64_t seconds) {
  std::array<std::uint32_t, kBands> told{};
  for (std::size_t band = 0; band < kBands; ++band) {
    told[band] = index_[place_of(features.minhash, band)];
  }
  // Variants that are far from the first one have templates of their own, which may be nearer to
  // this text than the one that was found to be a campaign: that one goes before them.
  constexpr int kFlagged = kMinhashes;
  Template* best = nullptr;
  int most = -1;
  const Template* before = nullptr;
  for (const std::uint32_t one : told) {
    if (one == 0) continue;
    Template& kept = templates_[one - 1];
    if (&kept == before || &kept == best) continue;
    before = &kept;
    if (kept.simhash == 0 || seconds - kept.last_seconds > kWindow) continue;
    const bool flagged = is_flagged(kept, seconds);
    if (distance(kept.simhash, features.simhash) > (flagged ? kNearBitsFlagged : kNearBits)) {
      continue;
    }
    const int count = agreeing(kept.minhash, features.minhash);
    const int rank = count + (flagged ? kFlagged : 0);
    if (count < kAgreeing || rank <= most) continue;
    most = rank;
    best = &kept;
  }
  return best;
}

Template& Campaigns::take_place(std::int64_t seconds) {
  for (int passed = 0;; ++passed) {
    Template& place = templates_[next_];
    next_ = (next_ + 1) & (templates_.size() - 1);
    const bool is_shared =
        std::popcount(place.actors) > 1 && seconds - place.last_seconds <= kWindow;
    if (!is_shared || passed >= kPassedOver) return place;
  }
}

void Campaigns::point_to(const Minhash& minhash, const Template& kept) {
  const auto one = static_cast<std::uint32_t>(&kept - templates_.data()) + 1;
  for (std::size_t band = 0; band < kBands; ++band) {
    std::uint32_t& told = index_[place_of(minhash, band)];
    // What leads to a campaign goes on doing so, but to another.
    if (told != 0 && !is_flagged(kept, kept.last_seconds) &&
        is_flagged(templates_[told - 1], kept.last_seconds)) {
      continue;
    }
    told = one;
  }
}

bool Campaigns::observe(const Features& features, std::uint64_t actor, WallTime now) {
  if (features.words < kContentWordsMin) return false;
  const std::int64_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  Template* kept = find(features, seconds);
  if (kept == nullptr) {
    kept = &take_place(seconds);
    *kept = {.minhash = features.minhash, .simhash = features.simhash, .begun_seconds = seconds};
  } else if (seconds - kept->begun_seconds > kWindow) {
    kept->begun_seconds = seconds;
    kept->actors = 0;
    kept->variants = 0;
  }
  kept->last_seconds = seconds;
  point_to(features.minhash, *kept);
  kept->actors |= bit_of(actor * 0x9e3779b97f4a7c15);
  kept->variants |= bit_of(features.exact);
  if (std::popcount(kept->actors) >= kActors && std::popcount(kept->variants) >= kVariants) {
    kept->flagged_seconds = seconds;
  }
  return is_flagged(*kept, seconds);
}

void Campaigns::restore(const Template& kept) {
  if (kept.simhash == 0) return;
  Template& place = templates_[next_];
  next_ = (next_ + 1) & (templates_.size() - 1);
  place = kept;
  point_to(kept.minhash, place);
}

}  // namespace tollgate::anomalies
