// Patterns of subjects: which workload belongs to which tenant.
//
// A pattern is a text in which `*` stands for one or more characters. At its end `*` stands for
// the whole rest; elsewhere it stays within one part, between the separators ':' and '/'. So
// `system:serviceaccount:search:*` is every account of that namespace and of no other, and
// `spiffe://example.org/ns/*/sa/gateway` is one account of every namespace.
//
// Pure. Safe from any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tollgate::authentication {

inline constexpr std::size_t kPatternBytesMax = 512;

// Linear in the text for a pattern with its `*` at the end; never more than their product.
bool matches(std::string_view pattern, std::string_view text);

// Whether some text matches both.
bool overlap(std::string_view a, std::string_view b);

struct TenantBySubject {
  std::string pattern;
  std::string tenant;
};

// The tenant of the first pattern that `subject` matches.
std::optional<std::string_view> tenant_of(std::span<const TenantBySubject> patterns,
                                          std::string_view subject);

// Two patterns that one subject could match and that name different tenants; for the
// configuration to refuse.
std::optional<std::pair<std::string_view, std::string_view>> find_overlap(
    std::span<const TenantBySubject> patterns);

}  // namespace tollgate::authentication
