#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace nexus {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "nexus: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

} // namespace nexus
