// What a cached verdict asks of the heap: nothing. Apart from the other tests, as the sanitizers
// have an operator new of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TOLLGATE_HEAP_IS_NOT_OURS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TOLLGATE_HEAP_IS_NOT_OURS
#endif
#endif

#ifndef TOLLGATE_HEAP_IS_NOT_OURS
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "controls/authentication/token_cache.h"

namespace {
thread_local long allocations = 0;
}

// Counts what the heap is asked for by this thread.
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* made = std::malloc(bytes)) return made;
  std::abort();
}
void operator delete(void* freed) noexcept { std::free(freed); }
void operator delete(void* freed, std::size_t) noexcept { std::free(freed); }

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
  const long before = allocations;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(cache.find(digest_of(token), stamp, kNow, arena));
    cache.keep(digest_of(token), stamp, alice, kNow);
    arena.reset();
  }
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace tollgate::authentication
#endif
