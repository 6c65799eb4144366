#include "base/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/poison.h"

namespace tollgate {
namespace {

TEST(Arena, CopiesTextThatOutlivesItsSource) {
  Arena arena;
  std::string source = "tenant";
  const std::string_view copy = arena.copy(source);
  source.assign(source.size(), 'x');
  EXPECT_EQ(copy, "tenant");
  EXPECT_TRUE(arena.copy(std::string_view()).empty());
}

TEST(Arena, MakesValueInitialisedElements) {
  Arena arena;
  for (int round = 0; round < 3; ++round) {
    const std::span<std::int64_t> made = arena.make<std::int64_t>(100);
    ASSERT_EQ(made.size(), 100u);
    for (std::int64_t& each : made) {
      ASSERT_EQ(each, 0);
      each = -1;  // What the next round must not see.
    }
    arena.reset();
  }
  EXPECT_TRUE(arena.make<int>(0).empty());
}

TEST(Arena, GivesALargePieceABlockOfItsOwn) {
  Arena arena;
  const std::string_view small = arena.copy("small");
  const std::string large(3 * Arena::kBlockBytes, 'l');
  const std::string_view copy = arena.copy(large);
  EXPECT_EQ(arena.copy("after"), "after");
  EXPECT_EQ(copy, large);
  EXPECT_EQ(small, "small");
}

TEST(Arena, UsesItsFirstBlockAgain) {
  Arena arena;
  const void* first = arena.allocate(64);
  arena.allocate(10 * Arena::kBlockBytes);
  arena.reset();
  EXPECT_EQ(arena.allocate(64), first);
}

TEST(Arena, ResetsWhenEmptyAndWhenAllWasLarge) {
  Arena arena;
  arena.reset();
  arena.allocate(2 * Arena::kBlockBytes);
  arena.reset();
  EXPECT_NE(arena.allocate(1), nullptr);
}

#ifdef TOLLGATE_POISONS
TEST(ArenaDeathTest, LetsNobodyReadWhatAnEarlierRequestLeft) {
  Arena arena;
  const std::string_view secret = arena.copy("of the last request");
  arena.reset();
  EXPECT_DEATH(EXPECT_EQ(secret[3], 't'), "use-after-poison");
}
#endif

// Whatever was asked before: pieces are aligned, never overlap and keep what was written.
TEST(Arena, KeepsPiecesApartForAnyHistory) {
  std::mt19937_64 random{3};
  Arena arena;
  for (int request = 0; request < 200; ++request) {
    struct Piece {
      unsigned char* bytes;
      std::size_t size;
      unsigned char mark;
    };
    std::vector<Piece> pieces;
    for (int step = 0; step < 60; ++step) {
      const std::size_t size = random() % (random() % 16 == 0 ? 9'000 : 200);
      const std::size_t align = std::size_t{1} << (random() % 5);
      auto* bytes = static_cast<unsigned char*>(arena.allocate(size, align));
      ASSERT_NE(bytes, nullptr);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(bytes) % align, 0u);
      const auto mark = static_cast<unsigned char>(random());
      std::memset(bytes, mark, size);
      pieces.push_back({bytes, size, mark});
    }
    for (const Piece& piece : pieces) {
      for (std::size_t i = 0; i < piece.size; ++i) ASSERT_EQ(piece.bytes[i], piece.mark);
    }
    arena.reset();
  }
}

}  // namespace
}  // namespace tollgate
