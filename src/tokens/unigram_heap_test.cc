// What counting a word of a unigram vocabulary asks of the heap: nothing that grows with the word.
// The sanitizers have an operator new of their own.
#include "base/testing_heap.h"

#ifndef TOLLGATE_HEAP_IS_NOT_OURS
#include <gtest/gtest.h>

#include <string>

#include "tokens/vocabulary.h"

namespace tollgate::tokens {
namespace {

TEST(Unigram, CountsAWordOfAnyLengthWithoutTheHeap) {
  const auto vocabulary =
      Vocabulary::load(TOLLGATE_SOURCE_DIR "/tests/golden/unigram.json", TOLLGATE_VOCABULARIES);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  Counter counter(**vocabulary);
  const std::string word(1 << 20, 'a');
  EXPECT_GT(counter.count("a word"), 0);
  const std::size_t before = heap::asked_for;
  const Tokens counted = counter.count(word);
  // The word itself, with the space in front of it.
  EXPECT_LE(heap::asked_for - before, 2 * word.size() + 4096);
  EXPECT_EQ(counted, static_cast<Tokens>(counter.ids(word).size()));
}

}  // namespace
}  // namespace tollgate::tokens

#endif
