#include "pipeline/places.h"

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "config/scalars.h"

namespace tollgate::pipeline {

namespace {

// What tells conversations apart: the first texts of each, up to so many bytes. A prompt grows at
// its end.
constexpr std::size_t kTextsTold = 8;
constexpr std::size_t kBytesTold = 256;

std::uint64_t with(std::uint64_t hash, std::string_view text) {
  return (hash ^ std::hash<std::string_view>{}(text)) * 0x9e3779b97f4a7c15ULL;
}

// Providers limit by model, so each has an endpoint of its own there.
std::vector<attempts::Endpoint*> look_up(const config::Config& config, const config::Model& model,
                                         attempts::Endpoints& endpoints) {
  const config::Upstream& upstream = config.upstreams[static_cast<std::size_t>(model.upstream)];
  std::vector<attempts::Endpoint*> made;
  for (int place = 0; place < upstream.places(); ++place) {
    const auto at = static_cast<std::size_t>(upstream.endpoint_at(place));
    const std::uint64_t whom =
        with(with(1, upstream.credential_at(place).reveal()), model.upstream_name);
    made.push_back(&endpoints.of(upstream.name, config::format_url(upstream.endpoints[at]), whom));
  }
  return made;
}

}  // namespace

void make_known(const config::Config& config, attempts::Endpoints& endpoints) {
  for (const config::Model& model : config.models) (void)look_up(config, model, endpoints);
}

Places::Places(attempts::Endpoints* shared)
    : own_(shared == nullptr ? std::make_unique<attempts::Endpoints>() : nullptr),
      endpoints_(shared == nullptr ? *own_ : *shared) {}

std::span<attempts::Endpoint* const> Places::of(const config::Config& config,
                                                const config::Model& model) {
  const auto index = static_cast<std::size_t>(&model - config.models.data());
  CHECK(index < config.models.size());
  for (const Known& known : known_) {
    if (known.config == &config && known.version == config.version) return known.models[index];
  }
  Known& made = known_[oldest_];
  oldest_ = 1 - oldest_;
  made = {&config, config.version, {}};
  for (const config::Model& each : config.models) {
    made.models.push_back(look_up(config, each, endpoints_));
  }
  return made.models[index];
}

attempts::RetryBudget& Places::budget(const config::Upstream& upstream) {
  return budgets_[upstream.name];
}

std::uint64_t conversation_of(std::string_view tenant, const dialects::Request& request) {
  using dialects::Text;
  using dialects::TextKind;
  // Up to what a user said first: what comes behind it grows from turn to turn.
  std::int64_t last = 0;
  for (const Text& text : request.texts) {
    if (text.kind != TextKind::kRole || text.text != "user") continue;
    last = text.index;
    break;
  }
  std::uint64_t hash = with(1, tenant);
  std::size_t told = 0;
  for (const Text& text : request.texts) {
    if (text.kind != TextKind::kContent || text.index > last) continue;
    hash = with(hash, text.text.substr(0, kBytesTold));
    if (++told == kTextsTold) break;
  }
  return told == 0 ? 0 : std::max<std::uint64_t>(hash, 1);
}

}  // namespace tollgate::pipeline
