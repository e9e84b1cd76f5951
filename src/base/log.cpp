#include "base/log.hpp"

#include <atomic>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "base/log_line.hpp"
#include "base/patient_writer.hpp"

namespace nexus::log {
namespace {

/// Lines that may wait for a slow stderr.
constexpr std::size_t queue_lines = 8192;
/// The end of the process waits so long for a stderr that nobody reads.
constexpr milliseconds farewell_max{1000};

spdlog::level::level_enum to_spdlog(level at) {
  return static_cast<spdlog::level::level_enum>(
      at == level::off ? static_cast<int>(spdlog::level::off) : static_cast<int>(at));
}

/// The writer thread's end of the line. Colours go to a terminal that wants them.
class stderr_sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit stderr_sink(bool coloured) : coloured_(coloured) {}
  void hurry() noexcept { out_.hurry(farewell_max); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t formatted;
    formatter_->format(message, formatted);
    std::string_view line(formatted.data(), formatted.size());
    if (!coloured_ || message.color_range_end <= message.color_range_start) {
      out_.write(line);
      return;
    }
    const auto begin = message.color_range_start;
    const auto count = message.color_range_end - begin;
    out_.write(fmt::format("{}\033[{}m{}\033[m{}", line.substr(0, begin), colour(message.level),
                           line.substr(begin, count), line.substr(begin + count)));
  }
  void flush_() override {}

  static std::string_view colour(spdlog::level::level_enum at) {
    switch (at) {
    case spdlog::level::err:
    case spdlog::level::critical:
      return "1;31"; // bold red
    case spdlog::level::warn:
      return "1;33"; // bold yellow
    case spdlog::level::info:
      return "32"; // green
    default:
      return "36"; // cyan
    }
  }

  const bool coloured_;
  patient_writer out_{STDERR_FILENO};
};

/// The one process-wide object: a log is where components meet that share nothing else.
struct state {
  std::atomic<level> minimum{level::off};
  format form = format::text;
  std::shared_ptr<stderr_sink> sink;
  std::shared_ptr<spdlog::logger> logger;
};

state& current() {
  static state instance;
  return instance;
}

bool stderr_takes_colour() {
  const auto is_set = [](const char* name, std::string_view value) {
    const char* const found = std::getenv(name);
    return found != nullptr && (value.empty() ? *found != 0 : found == value);
  };
  return ::isatty(STDERR_FILENO) != 0 && !is_set("NO_COLOR", "") && !is_set("TERM", "dumb");
}

} // namespace

void start(level minimum, format form) {
  auto& log = current();
  log.form = form;
  spdlog::init_thread_pool(queue_lines, 1);
  log.sink = std::make_shared<stderr_sink>(form == format::text && stderr_takes_colour());
  log.logger = std::make_shared<spdlog::async_logger>(
      "nexus", log.sink, spdlog::thread_pool(), spdlog::async_overflow_policy::overrun_oldest);
  log.logger->set_level(spdlog::level::trace);
  if (form == format::json)
    log.logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})",
                            spdlog::pattern_time_type::utc);
  else
    log.logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-5l%$ %v", spdlog::pattern_time_type::utc);
  log.minimum = minimum;
}

void stop() {
  auto& log = current();
  log.minimum = level::off;
  if (log.sink)
    log.sink->hurry();
  spdlog::shutdown(); // once the queue is written
  log.logger.reset(); // only now: the writer's thread has held it, too
  log.sink.reset();
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
  const std::string line = format_line(log.form, component, event, fields);
  log.logger->log(to_spdlog(at), spdlog::string_view_t(line.data(), line.size()));
}

} // namespace nexus::log
