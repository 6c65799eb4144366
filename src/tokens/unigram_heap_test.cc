// What counting a word of a unigram vocabulary asks of the heap: nothing that grows with the word.
// The sanitizers have an operator new of their own.
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
#include <string>

#include "tokens/vocabulary.h"

namespace {
thread_local std::size_t asked_for = 0;
}

void* operator new(std::size_t bytes) {
  asked_for += bytes;
  if (void* made = std::malloc(bytes)) return made;
  std::abort();
}
void operator delete(void* freed) noexcept { std::free(freed); }
void operator delete(void* freed, std::size_t) noexcept { std::free(freed); }

namespace tollgate::tokens {
namespace {

TEST(Unigram, CountsAWordOfAnyLengthWithoutTheHeap) {
  const auto vocabulary =
      Vocabulary::load(TOLLGATE_SOURCE_DIR "/tests/golden/unigram.json", TOLLGATE_VOCABULARIES);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  Counter counter(**vocabulary);
  const std::string word(1 << 20, 'a');
  EXPECT_GT(counter.count("a word"), 0);
  const std::size_t before = asked_for;
  const Tokens counted = counter.count(word);
  // The word itself, with the space in front of it.
  EXPECT_LE(asked_for - before, 2 * word.size() + 4096);
  EXPECT_EQ(counted, static_cast<Tokens>(counter.ids(word).size()));
}

}  // namespace
}  // namespace tollgate::tokens

#endif
