// Keys of another gateway's shape, "sk-…", taken over by their SHA-256 alone: whoever ran that
// gateway can compute it, and their callers go on with the keys that they have.
//
// What we keep is HMAC-SHA-256(pepper, that SHA-256), and the id is the begin of it, so that a
// key is found by its digest and neither the time of the look-up nor the id tells anything of the
// key to whoever lacks the pepper. Neither digest is a credential: shown as one it is hashed like
// any other secret, and is unknown.
//
// How hard such a key is to guess cannot be known from its hash: that is for whoever imports it.
//
// Pure. Safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controls/authentication/authentication.h"

namespace tollgate::authentication {

inline constexpr std::string_view kImportedPrefix = "im_";  // Of ids; no secret of ours holds one.
inline constexpr std::size_t kImportedSecretMax = 256;
inline constexpr std::size_t kImportedIdLength = kImportedPrefix.size() + kKeyIdLength;

struct ImportedKey {
  std::array<char, kImportedIdLength> id_text{};
  Digest digest{};  // What the store keeps.

  std::string_view id() const { return {id_text.data(), id_text.size()}; }
};

inline bool is_imported(std::string_view id) { return id.starts_with(kImportedPrefix); }

// Whether `secret` can be such a key: not of our own shape, 1 to kImportedSecretMax bytes.
bool may_be_imported(std::string_view secret);

// Of the key whose SHA-256 that is.
ImportedKey imported_key(const Pepper& pepper, const Digest& sha256);
// Of the key itself.
ImportedKey imported_key(const Pepper& pepper, std::string_view secret);

// "sha256:" and 64 hexadecimal digits.
std::optional<Digest> read_imported_digest(std::string_view text);

}  // namespace tollgate::authentication
