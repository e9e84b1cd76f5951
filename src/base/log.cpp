#include "base/log.hpp"

#include <atomic>
#include <memory>

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace nexus::log {
namespace {

/// Lines that may wait for a slow stderr.
constexpr std::size_t queue_lines = 8192;

/// The one process-wide object: a log is where components meet that share nothing else.
struct state {
  std::atomic<level> minimum{level::off};
  format form = format::text;
  std::shared_ptr<spdlog::logger> logger;
};

state& current() {
  static state instance;
  return instance;
}

spdlog::level::level_enum to_spdlog(level at) {
  return static_cast<spdlog::level::level_enum>(
      at == level::off ? static_cast<int>(spdlog::level::off) : static_cast<int>(at));
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  out += '"';
}

/// A peer's bytes must not forge lines or terminal sequences in the text form.
void append_text_value(std::string& out, std::string_view text) {
  bool plain = !text.empty();
  for (const char c : text)
    plain = plain && static_cast<unsigned char>(c) > 0x20 && c != '"' && c != '=' && c != 0x7f;
  if (plain)
    out += text;
  else
    append_json_string(out, text);
}

void append_value(std::string& out, const field& f, format form) {
  std::visit(
      [&](const auto& value) {
        using type = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::is_same_v<type, std::string_view>) {
          if (form == format::json)
            append_json_string(out, value);
          else
            append_text_value(out, value);
        } else if constexpr (std::is_same_v<type, bool>) {
          out += value ? "true" : "false";
        } else {
          out += fmt::format("{}", value);
        }
      },
      f.value);
}

} // namespace

void start(level minimum, format form) {
  auto& log = current();
  log.form = form;
  spdlog::init_thread_pool(queue_lines, 1);
  spdlog::sink_ptr sink;
  if (form == format::text && ::isatty(STDERR_FILENO) != 0)
    sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  else
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  log.logger =
      std::make_shared<spdlog::async_logger>("nexus", std::move(sink), spdlog::thread_pool(),
                                             spdlog::async_overflow_policy::overrun_oldest);
  log.logger->set_level(spdlog::level::trace);
  if (form == format::json)
    log.logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})",
                            spdlog::pattern_time_type::utc);
  else
    log.logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-5l%$ %v", spdlog::pattern_time_type::utc);
  log.logger->flush_on(spdlog::level::info);
  log.minimum = minimum;
}

void stop() {
  auto& log = current();
  log.minimum = level::off;
  if (log.logger)
    log.logger->flush();
  log.logger.reset();
  spdlog::shutdown();
}

bool enabled(level at) noexcept {
  return at >= current().minimum.load(std::memory_order_relaxed);
}

void set_level(level minimum) noexcept {
  current().minimum = minimum;
}

void write(level at, std::string_view component, std::string_view event,
           std::initializer_list<field> fields) {
  auto& log = current();
  if (!enabled(at) || !log.logger)
    return;
  std::string line;
  if (log.form == format::json) {
    line += "\"component\":";
    append_json_string(line, component);
    line += ",\"event\":";
    append_json_string(line, event);
    for (const auto& f : fields) {
      line += ',';
      append_json_string(line, f.name);
      line += ':';
      append_value(line, f, log.form);
    }
  } else {
    line = fmt::format("{}: {}", component, event);
    for (const auto& f : fields) {
      line += ' ';
      line += f.name;
      line += '=';
      append_value(line, f, log.form);
    }
  }
  log.logger->log(to_spdlog(at), spdlog::string_view_t(line.data(), line.size()));
}

} // namespace nexus::log
