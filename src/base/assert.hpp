#pragma once

namespace nexus {

/// Prints the broken invariant and aborts. Only for mistakes of this program, never for input.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

} // namespace nexus

/// Checks an invariant of this program, in release builds too.
#define NEXUS_ASSERT(expression)                                                                   \
  (static_cast<bool>(expression) ? static_cast<void>(0)                                            \
                                 : ::nexus::assertion_failed(#expression, __FILE__, __LINE__))

/// As NEXUS_ASSERT, for measured hot loops: compiled only into debug builds.
#ifdef NDEBUG
#define NEXUS_DASSERT(expression) static_cast<void>(0)
#else
#define NEXUS_DASSERT(expression) NEXUS_ASSERT(expression)
#endif
