// How soon a provider serves what is asked, at a price of its own.
//
// No I/O. Safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tollgate {

enum class ServiceTier : std::uint8_t {
  kDefault,   // "default", Anthropic "standard"
  kFlex,      // Later, and cheaper.
  kPriority,  // Sooner, and dearer.
};
inline constexpr int kServiceTierCount = 3;
inline constexpr std::array<std::string_view, kServiceTierCount> kServiceTierNames = {
    "default", "flex", "priority"};

constexpr std::string_view name_of(ServiceTier tier) {
  return kServiceTierNames[static_cast<std::size_t>(tier)];
}

// As a configuration, a request or an answer names it; nothing: by a name without a price here
// ("auto", "batch", "scale").
constexpr std::optional<ServiceTier> service_tier_named(std::string_view name) {
  if (name == "standard" || name == "standard_only") return ServiceTier::kDefault;
  for (std::size_t i = 0; i < kServiceTierNames.size(); ++i) {
    if (kServiceTierNames[i] == name) return static_cast<ServiceTier>(i);
  }
  return std::nullopt;
}

// Some of them.
struct ServiceTiers {
  std::uint8_t bits = 0;
  constexpr bool has(ServiceTier tier) const { return (bits >> static_cast<int>(tier) & 1) != 0; }
  constexpr bool empty() const { return bits == 0; }
  constexpr void add(ServiceTier tier) {
    bits = static_cast<std::uint8_t>(bits | 1U << static_cast<int>(tier));
  }
  friend constexpr bool operator==(ServiceTiers, ServiceTiers) = default;
};

}  // namespace tollgate
