// What a cached verdict asks of the heap: nothing. Apart from the other tests, as the sanitizers
// have an operator new of their own.
#include "base/testing_heap.h"

#ifndef TOLLGATE_HEAP_IS_NOT_OURS
#include <gtest/gtest.h>

#include "controls/authentication/token_cache.h"

namespace tollgate::authentication {
namespace {

TEST(TokenCache, FindsAndKeepsWithoutTheHeapOnceWarm) {
  constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
  constexpr std::string_view kRoles[] = {"engineer", "ops"};
  Identity alice;
  alice.tenant = "acme";
  alice.subject = "f:550e8400-e29b-41d4-a716-446655440000:alice";
  alice.roles = kRoles;
  alice.expires = kNow + std::chrono::hours(1);
  const Digest stamp = digest_of("stamp");
  const std::string token(1024, 't');
  TokenCache cache(16);
  Arena arena;
  cache.keep(digest_of(token), stamp, alice, kNow);
  ASSERT_TRUE(cache.find(digest_of(token), stamp, kNow, arena));
  arena.reset();
  const std::size_t before = heap::asked_for;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(cache.find(digest_of(token), stamp, kNow, arena));
    cache.keep(digest_of(token), stamp, alice, kNow);
    arena.reset();
  }
  EXPECT_EQ(heap::asked_for, before);
}

}  // namespace
}  // namespace tollgate::authentication
#endif
