#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tollgate {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "tollgate: bug: CHECK(%s) failed at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace tollgate
