// What a test program asks of the heap, for tests that say how much that is. To be included by one
// source of a program. The sanitizers have an operator new of their own: with them
// TOLLGATE_HEAP_IS_NOT_OURS is defined, and nothing else.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TOLLGATE_HEAP_IS_NOT_OURS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TOLLGATE_HEAP_IS_NOT_OURS
#endif
#endif

#ifndef TOLLGATE_HEAP_IS_NOT_OURS
#include <cstddef>
#include <cstdlib>
#include <new>

namespace tollgate::heap {
inline thread_local std::size_t asked_for = 0;  // Bytes, by this thread.
}

void* operator new(std::size_t bytes) {
  tollgate::heap::asked_for += bytes;
  if (void* made = std::malloc(bytes)) return made;
  std::abort();
}
void operator delete(void* freed) noexcept { std::free(freed); }
void operator delete(void* freed, std::size_t) noexcept { std::free(freed); }
#endif
