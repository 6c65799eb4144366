// The name of a workload in the SPIFFE standard: spiffe://trust.domain/path.
//
// Read as strictly as its standard writes it, so that two spellings are never one workload: the
// scheme and the trust domain in lower case, path segments of letters, digits, '.', '-' and '_',
// none of them empty, "." or "..", nothing escaped, no slash at the end.
//
// Pure. Safe from any thread.
#pragma once

#include <optional>
#include <string_view>

namespace tollgate::authentication {

inline constexpr std::size_t kSpiffeIdBytesMax = 2048;
inline constexpr std::size_t kTrustDomainBytesMax = 255;

// Views into the text that was read.
struct SpiffeId {
  std::string_view trust_domain;
  std::string_view path;  // "/ns/search/sa/indexer"; empty: the trust domain itself.
};

std::optional<SpiffeId> read_spiffe_id(std::string_view text);

bool is_trust_domain(std::string_view text);

}  // namespace tollgate::authentication
