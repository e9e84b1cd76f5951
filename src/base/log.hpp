#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace nexus::log {

enum class level : std::uint8_t { trace, debug, info, warn, error, off };
enum class format : std::uint8_t { text, json };

/// One named value of a log line. Names carry their unit (`elapsed_ms`, `body_bytes`).
struct field {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;

  field(std::string_view n, std::string_view v) : name(n), value(v) {}
  field(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
  field(std::string_view n, const std::string& v) : name(n), value(std::string_view(v)) {}
  field(std::string_view n, bool v) : name(n), value(v) {}
  field(std::string_view n, double v) : name(n), value(v) {}
  template <class Integer>
  requires std::is_integral_v<Integer> field(std::string_view n, Integer v)
      : name(n), value(static_cast<std::int64_t>(v)) {}
};

/// Starts the writer thread. Lines go to stderr; a reader of stderr that stalls loses the oldest
/// lines, never the gateway's time.
/// @thread main, before any other call
void start(level minimum, format form);
/// Writes what is queued and stops the writer.
void stop();
[[nodiscard]] bool enabled(level at) noexcept;
/// Changes the level of a running process (reload).
void set_level(level minimum) noexcept;

/// Writes one line: component, event, fields.
/// @thread any
void write(level at, std::string_view component, std::string_view event,
           std::initializer_list<field> fields = {});

inline void debug(std::string_view component, std::string_view event,
                  std::initializer_list<field> fields = {}) {
  if (enabled(level::debug))
    write(level::debug, component, event, fields);
}
inline void info(std::string_view component, std::string_view event,
                 std::initializer_list<field> fields = {}) {
  if (enabled(level::info))
    write(level::info, component, event, fields);
}
inline void warn(std::string_view component, std::string_view event,
                 std::initializer_list<field> fields = {}) {
  if (enabled(level::warn))
    write(level::warn, component, event, fields);
}
inline void error(std::string_view component, std::string_view event,
                  std::initializer_list<field> fields = {}) {
  if (enabled(level::error))
    write(level::error, component, event, fields);
}

} // namespace nexus::log
