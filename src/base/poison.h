// Marks memory that is kept for later, so that AddressSanitizer ends the process at whoever still
// reads it: what is recycled between requests must not leak from one into the next. Costs
// nothing in other builds.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define TOLLGATE_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TOLLGATE_POISONS 1
#endif
#endif

#ifdef TOLLGATE_POISONS
#include <sanitizer/asan_interface.h>
#endif

namespace tollgate {

#ifdef TOLLGATE_POISONS
inline void poison(const void* memory, std::size_t bytes) {
  ASAN_POISON_MEMORY_REGION(memory, bytes);
}
inline void unpoison(const void* memory, std::size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
}
#else
inline void poison(const void*, std::size_t) {}
inline void unpoison(const void*, std::size_t) {}
#endif

}  // namespace tollgate
