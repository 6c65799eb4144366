// Verdicts on tokens that were verified a moment ago, so that a signature is not checked again
// with every request of one caller.
//
// A verdict is found by the whole SHA-256 of the token and by a stamp: a digest of everything
// that led to the verdict but the token, which are the verifiers' configuration and their keys.
// Another configuration or another set of keys has another stamp, so what was verified under the
// old one is not found any more. A verdict lives for kTimeToLive at most and never beyond its
// token. Only good tokens are kept: whoever sends bad ones fills nothing, and has each of them
// refused by what is true now.
//
// One a loop: it belongs to one thread. Bounded: kWays places for each of `capacity` / kWays
// rows; of a full row the verdict that would die first makes room.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"

namespace tollgate::authentication {

// SHA-256 of a token as it came.
Digest digest_of(std::string_view token);

// One stamp of several digests, in order: of each policy and of each of its key sets.
Digest stamp_of(std::span<const Digest> parts);

class TokenCache {
 public:
  static constexpr Duration kTimeToLive = std::chrono::seconds(60);
  static constexpr std::size_t kWays = 4;

  // `capacity` verdicts, at least kWays; rounded up to kWays times a power of two.
  explicit TokenCache(std::size_t capacity);

  // The identity of the token of `digest`, copied to `arena`; nothing where it must be verified.
  std::optional<Identity> find(const Digest& digest, const Digest& stamp, WallTime now,
                               Arena& arena) const;

  // `identity` must come from a token that was verified at `now`, and say when that expires.
  void keep(const Digest& digest, const Digest& stamp, const Identity& identity, WallTime now);

  void clear();
  std::size_t capacity() const { return entries_.size(); }

 private:
  // An identity as one piece of text and the sizes of its parts, so that handing it out is one
  // copy. The memory of an entry is used again by the next one.
  struct Entry {
    Digest digest{};
    Digest stamp{};
    WallTime since{};
    WallTime dies{};  // Not after `since`: empty.
    WallTime expires{};
    CredentialKind kind{};
    std::optional<Digest> certificate;
    std::uint32_t roles = 0;
    std::string text;
    std::vector<std::uint32_t> sizes;  // Tenant, subject, credential, verifier, roles, scopes.
  };

  std::span<const Entry> row_of(const Digest& digest) const;

  std::vector<Entry> entries_;
  std::size_t mask_;
};

}  // namespace tollgate::authentication
