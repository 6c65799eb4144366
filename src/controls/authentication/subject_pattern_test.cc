#include "controls/authentication/subject_pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tollgate::authentication {
namespace {

// What the header says, written down as it reads: try everything that a `*` could stand for.
bool matches_slowly(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() != '*') {
    return !text.empty() && text.front() == pattern.front() &&
           matches_slowly(pattern.substr(1), text.substr(1));
  }
  const bool last = pattern.size() == 1;
  for (std::size_t taken = 1; taken <= text.size(); ++taken) {
    const char c = text[taken - 1];
    if (!last && (c == ':' || c == '/')) return false;
    if (matches_slowly(pattern.substr(1), text.substr(taken))) return true;
  }
  return false;
}

std::string random_text(std::mt19937_64& random, std::string_view letters, std::size_t size) {
  std::string made(random() % (size + 1), ' ');
  for (char& c : made) c = letters[random() % letters.size()];
  return made;
}

TEST(SubjectPattern, MatchesWithinItsParts) {
  const struct {
    std::string_view pattern;
    std::string_view text;
    bool matched;
  } rows[] = {
      {"system:serviceaccount:search:*", "system:serviceaccount:search:indexer", true},
      {"system:serviceaccount:search:*", "system:serviceaccount:search:", false},
      {"system:serviceaccount:search:*", "system:serviceaccount:search", false},
      {"system:serviceaccount:search:*", "system:serviceaccount:search2:indexer", false},
      {"system:serviceaccount:search:*", "System:serviceaccount:search:indexer", false},
      {"system:serviceaccount:*:indexer", "system:serviceaccount:search:indexer", true},
      {"system:serviceaccount:*:indexer", "system:serviceaccount:a:b:indexer", false},
      {"system:serviceaccount:*:indexer", "system:serviceaccount::indexer", false},
      {"spiffe://example.org/ns/search/*", "spiffe://example.org/ns/search/sa/indexer", true},
      {"spiffe://example.org/ns/*/sa/x", "spiffe://example.org/ns/search/sa/x", true},
      {"spiffe://example.org/ns/*/sa/x", "spiffe://example.org/ns/a/b/sa/x", false},
      {"repo:acme/*:ref:refs/heads/main", "repo:acme/site:ref:refs/heads/main", true},
      {"repo:acme/*:ref:refs/heads/main", "repo:acme/site:ref:refs/heads/main2", false},
      {"a*b*c", "axbxbc", true},
      {"a*b*c", "abc", false},
      {"alice", "alice", true},
      {"alice", "alice2", false},
      {"", "", true},
  };
  for (const auto& [pattern, text, matched] : rows) {
    EXPECT_EQ(matches(pattern, text), matched) << pattern << ' ' << text;
  }
}

TEST(SubjectPattern, MatchesWhatItsWordsSayForAnyText) {
  std::mt19937_64 random{31};
  int matched = 0;
  for (int step = 0; step < 200'000; ++step) {
    const std::string pattern = random_text(random, "ab:/**", 7);
    const std::string text = random_text(random, "aab:/", 9);
    ASSERT_EQ(matches(pattern, text), matches_slowly(pattern, text)) << pattern << ' ' << text;
    matched += matches(pattern, text) ? 1 : 0;
  }
  EXPECT_GT(matched, 1000);
}

// Two patterns overlap exactly where some text matches both: every text of up to five letters is
// tried, and patterns of this size that share a text share one so short.
TEST(SubjectPattern, FindsTheTextThatTwoPatternsShare) {
  std::vector<std::string> texts = {""};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].size() == 6) continue;
    for (const char c : {'a', 'b', ':'}) texts.push_back(texts[i] + c);
  }
  std::mt19937_64 random{32};
  int overlapping = 0;
  for (int step = 0; step < 3'000; ++step) {
    const std::string a = random_text(random, "ab:*", 3);
    const std::string b = random_text(random, "ab:*", 3);
    const bool share = std::ranges::any_of(
        texts, [&](const std::string& text) { return matches(a, text) && matches(b, text); });
    ASSERT_EQ(overlap(a, b), share) << a << ' ' << b;
    ASSERT_EQ(overlap(b, a), share) << a << ' ' << b;
    overlapping += share ? 1 : 0;
  }
  EXPECT_GT(overlapping, 100);
}

TEST(SubjectPattern, GivesTheTenantOfTheFirstThatFits) {
  const std::vector<TenantBySubject> patterns = {{"a:*", "first"}, {"b:*", "second"}};
  EXPECT_EQ(tenant_of(patterns, "a:x"), "first");
  EXPECT_EQ(tenant_of(patterns, "b:x"), "second");
  EXPECT_EQ(tenant_of(patterns, "c:x"), std::nullopt);
  EXPECT_EQ(find_overlap(patterns), std::nullopt);
}

TEST(SubjectPattern, TellsWhichTwoDisagree) {
  const std::vector<TenantBySubject> patterns = {
      {"ns:*:gateway", "edge"}, {"ns:other:gateway2", "other"}, {"ns:search:*", "search"}};
  const auto both = find_overlap(patterns);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->first, "ns:*:gateway");
  EXPECT_EQ(both->second, "ns:search:*");
  // For one tenant they do not disagree.
  const std::vector<TenantBySubject> same = {{"ns:*", "a"}, {"ns:search:*", "a"}};
  EXPECT_EQ(find_overlap(same), std::nullopt);
}

TEST(SubjectPattern, TakesNoLongTimeForHostileTexts) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "a*";
  EXPECT_FALSE(matches(pattern + "b:", std::string(16'000, 'a')));
  EXPECT_TRUE(overlap(pattern, std::string(500, 'a')));
}

}  // namespace
}  // namespace tollgate::authentication
