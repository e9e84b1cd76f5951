#pragma once

#include <deque>
#include <memory>
#include <string>

#include "base/rate_limit.hpp"
#include "config/config.hpp"
#include "engine/channel.hpp"
#include "net/child_process.hpp"

namespace nexus::engine {

/// Cuts a byte stream into lines of bounded length; CR before LF and a BOM that begins a line are
/// dropped.
class line_splitter {
 public:
  /// @returns false when a line exceeds the limit; the splitter is then unusable
  template <class Sink>
  [[nodiscard]] bool feed(std::string_view bytes, Sink&& on_line);
  [[nodiscard]] std::size_t pending_bytes() const noexcept { return partial_.size(); }
  explicit line_splitter(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

 private:
  static void trim(std::string& line) {
    if (!line.empty() && line.back() == '\r')
      line.pop_back();
    if (line.starts_with("\xef\xbb\xbf"))
      line.erase(0, 3);
  }
  std::size_t line_bytes_max_;
  std::string partial_;
};

/// A child process that speaks newline-delimited JSON. Its stderr goes to the log.
class stdio_channel final : public channel, private net::stream_handler {
 public:
  /// Starts the child. @errors net::errc::spawn_failed
  [[nodiscard]] static result<std::unique_ptr<stdio_channel>>
  open(net::reactor& on, const config::server& settings, channel_handler& handler);
  /// Stops the child politely in the background: stdin closes, then SIGTERM, then SIGKILL.
  ~stdio_channel() override;

  void send(std::string_view message) override;
  [[nodiscard]] std::size_t queued_bytes() const noexcept override;
  [[nodiscard]] int pid() const noexcept override { return pid_; }
  /// The last lines that the child wrote to stderr, for error texts; may be empty.
  [[nodiscard]] std::string last_words() const;

 private:
  /// Outlives the channel until the child is gone.
  struct child_holder;
  class error_reader;

  stdio_channel(net::reactor& on, channel_handler& handler);
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_error(const error& reason) override;
  void on_exit(net::exit_status status);
  /// The child exited or closed its stdout: ends the channel when there is nothing more to learn.
  void wind_up();
  /// @param reason by default, how the child went away
  void closed(std::string reason = {});

  net::reactor& reactor_;
  channel_handler* handler_;
  std::shared_ptr<child_holder> child_;
  line_splitter lines_;
  int pid_ = 0;
  bool heard_ = false;
  bool stdout_ended_ = false;
  std::string ending_; ///< how the child exited, or how its pipe failed; empty until then
  net::timer last_bytes_;
};

/// The number of children that are being stopped in the background, in the whole process.
[[nodiscard]] std::size_t stopping_children() noexcept;

// ---- Implementation ----------------------------------------------------------------------------

template <class Sink>
bool line_splitter::feed(std::string_view bytes, Sink&& on_line) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const auto piece = bytes.substr(0, end);
    if (partial_.size() + piece.size() > line_bytes_max_) {
      partial_ = {};
      return false;
    }
    partial_ += piece;
    if (end == std::string_view::npos)
      return true;
    bytes.remove_prefix(end + 1);
    trim(partial_);
    if (!partial_.empty()) {
      on_line(partial_);
      partial_.clear();
      // A single huge answer must not keep its memory for the life of the channel.
      if (partial_.capacity() > 1024 * 1024)
        partial_.shrink_to_fit();
    }
  }
  return true;
}

} // namespace nexus::engine
