#include "controls/authentication/token_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/sha256.h"

namespace tollgate::authentication {

namespace {

// Takes the next `size` bytes of `text`.
std::string_view take(std::string_view& text, std::size_t size) {
  const std::string_view taken = text.substr(0, size);
  text.remove_prefix(size);
  return taken;
}

}  // namespace

Digest digest_of(std::string_view token) { return sha256(token); }

Digest stamp_of(std::span<const Digest> parts) {
  return sha256({reinterpret_cast<const char*>(parts.data()), parts.size_bytes()});
}

TokenCache::TokenCache(std::size_t capacity) {
  CHECK(capacity >= kWays);
  const std::size_t rows = std::bit_ceil((capacity + kWays - 1) / kWays);
  entries_.resize(rows * kWays);
  mask_ = rows - 1;
}

std::span<const TokenCache::Entry> TokenCache::row_of(const Digest& digest) const {
  std::uint64_t place = 0;
  std::memcpy(&place, digest.data(), sizeof place);
  return std::span(entries_).subspan((place & mask_) * kWays, kWays);
}

std::optional<Identity> TokenCache::find(const Digest& digest, const Digest& stamp, WallTime now,
                                         Arena& arena) const {
  for (const Entry& entry : row_of(digest)) {
    // A clock that leapt back makes no verdict live longer.
    if (now >= entry.dies || now < entry.since) continue;
    if (entry.digest != digest || entry.stamp != stamp) continue;
    std::string_view text = arena.copy(entry.text);
    const std::span<const std::uint32_t> sizes = entry.sizes;
    const std::span<std::string_view> parts = arena.make<std::string_view>(sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) parts[i] = take(text, sizes[i]);
    Identity identity;
    identity.tenant = parts[0];
    identity.subject = parts[1];
    identity.credential_kind = entry.kind;
    identity.credential_id = parts[2];
    identity.verifier = parts[3];
    identity.roles = parts.subspan(4, entry.roles);
    identity.scopes = parts.subspan(4 + entry.roles);
    identity.expires = entry.expires;
    identity.certificate = entry.certificate;
    return identity;
  }
  return std::nullopt;
}

void TokenCache::keep(const Digest& digest, const Digest& stamp, const Identity& identity,
                      WallTime now) {
  CHECK(identity.expires.has_value());
  const WallTime dies = std::min(*identity.expires, now + kTimeToLive);
  if (dies <= now) return;  // It passes within its leeway only: verified each time.
  const std::span<const Entry> row = row_of(digest);
  const auto same = std::ranges::find(row, digest, &Entry::digest);
  const auto chosen = same != row.end() ? same : std::ranges::min_element(row, {}, &Entry::dies);
  Entry& entry = entries_[static_cast<std::size_t>(&*chosen - entries_.data())];
  entry.digest = digest;
  entry.stamp = stamp;
  entry.since = now;
  entry.dies = dies;
  entry.expires = *identity.expires;
  entry.kind = identity.credential_kind;
  entry.certificate = identity.certificate;
  entry.roles = static_cast<std::uint32_t>(identity.roles.size());
  entry.text.clear();
  entry.sizes.clear();
  const auto add = [&entry](std::string_view part) {
    entry.text += part;
    entry.sizes.push_back(static_cast<std::uint32_t>(part.size()));
  };
  add(identity.tenant);
  add(identity.subject);
  add(identity.credential_id);
  add(identity.verifier);
  for (const std::string_view role : identity.roles) add(role);
  for (const std::string_view scope : identity.scopes) add(scope);
}

void TokenCache::clear() {
  for (Entry& entry : entries_) entry = Entry{};
}

}  // namespace tollgate::authentication
