#include "engine/stdio_channel.hpp"

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "base/log.hpp"
#include "json/scan.hpp"

extern char** environ; // NOLINT: POSIX declares it nowhere

namespace nexus::engine {
namespace {

/// Lines of stderr that are kept for error texts.
constexpr std::size_t last_words_count = 3;
/// A child that goes away shows it in several ways, in any order: by its exit and by the ends of
/// stdout and stderr. So long after the first of them the others are awaited, to lose no answer and
/// to tell the whole reason.
constexpr milliseconds last_bytes_wait{250};

std::atomic<std::size_t> stopping{0};

std::vector<std::pair<std::string, std::string>> child_environment(const config::server& settings) {
  std::map<std::string, std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto cut = text.find('=');
    if (cut != std::string_view::npos)
      merged.emplace(std::string(text.substr(0, cut)), std::string(text.substr(cut + 1)));
  }
  for (const auto& name : settings.env_unset)
    merged.erase(name);
  for (const auto& [name, value] : settings.env)
    merged[name] = value;
  return {merged.begin(), merged.end()};
}

} // namespace

std::size_t stopping_children() noexcept {
  return stopping.load();
}

/// Reads the child's stderr into the log, at a bounded rate.
class stdio_channel::error_reader final : public net::stream_handler {
 public:
  error_reader(net::reactor& on, std::string name) : reactor_(on), name_(std::move(name)) {}

  /// @param on_ended called once the child cannot write any more
  void attach(net::stream_ptr stream, unique_function<void()> on_ended) {
    stream_ = std::move(stream);
    on_ended_ = std::move(on_ended);
    stream_->set_handler(*this);
  }
  [[nodiscard]] bool ended() const noexcept { return stream_ == nullptr; }
  [[nodiscard]] std::string last_words() const {
    return fmt::format("{}", fmt::join(last_, " | "));
  }

 private:
  void on_data(std::string_view bytes) override {
    for (;;) {
      const auto end = bytes.find('\n');
      const auto room = limits::child_stderr_line_bytes_max - line_.size();
      line_ += bytes.substr(0, std::min(end, room));
      if (end == std::string_view::npos)
        return;
      take_line();
      bytes.remove_prefix(end + 1);
    }
  }
  void on_end() override {
    if (!line_.empty())
      take_line();
    finish();
  }
  void on_error(const error&) override { finish(); }
  void finish() {
    stream_.reset();
    on_ended_();
  }

  void take_line() {
    if (!line_.empty() && line_.back() == '\r')
      line_.pop_back();
    if (!line_.empty() && limit_.allow(reactor_.now())) {
      if (const auto lost = limit_.take_suppressed(); lost > 0)
        log::warn("server", "stderr_lines_dropped", {{"server", name_}, {"lines", lost}});
      log::info("server", "stderr", {{"server", name_}, {"line", line_}});
      if (last_.size() == last_words_count)
        last_.pop_front();
      last_.push_back(line_);
    }
    line_.clear();
  }

  net::reactor& reactor_;
  std::string name_;
  net::stream_ptr stream_;
  unique_function<void()> on_ended_;
  std::string line_;
  std::deque<std::string> last_;
  rate_limit limit_{limits::child_stderr_lines_per_second};
};

/// While the child is being stopped, what it still writes is read and dropped: a closed or a full
/// pipe could keep it from ending in order.
struct stdio_channel::child_holder final : net::stream_handler {
  std::unique_ptr<net::child_process> child;
  std::unique_ptr<error_reader> errors;
  stdio_channel* owner = nullptr;
  bool is_stopping = false;
  std::shared_ptr<child_holder> self; ///< keeps itself until the child is gone

  void on_data(std::string_view) override {}
  void on_end() override {}
  void on_error(const error&) override {}
};

stdio_channel::stdio_channel(net::reactor& on, channel_handler& handler)
    : reactor_(on), handler_(&handler), lines_(limits::stdio_line_bytes_max),
      last_bytes_([this] { closed(); }) {}

result<std::unique_ptr<stdio_channel>>
stdio_channel::open(net::reactor& on, const config::server& settings, channel_handler& handler) {
  std::unique_ptr<stdio_channel> self(new stdio_channel(on, handler));
  auto holder = std::make_shared<child_holder>();
  auto spawned =
      net::child_process::spawn(on, {settings.argv, child_environment(settings), settings.cwd},
                                [holder](net::exit_status status) {
                                  if (holder->is_stopping)
                                    stopping.fetch_sub(1);
                                  auto keep = std::move(holder->self);
                                  if (holder->owner != nullptr)
                                    holder->owner->on_exit(status);
                                });
  if (!spawned)
    return std::unexpected(spawned.error());
  holder->child = std::move(*spawned);
  holder->owner = self.get();
  self->child_ = std::move(holder);
  self->pid_ = self->child_->child->pid();
  self->child_->errors = std::make_unique<error_reader>(on, settings.name);
  self->child_->errors->attach(std::move(self->child_->child->errors()),
                               [child = self->child_.get()] {
                                 if (child->owner != nullptr)
                                   child->owner->wind_up();
                               });
  self->child_->child->io()->set_handler(*self);
  log::debug("server", "child_started", {{"server", settings.name}, {"pid", self->pid_}});
  return self;
}

stdio_channel::~stdio_channel() {
  if (!child_)
    return; // it could not be started
  child_->owner = nullptr;
  if (!child_->child->running())
    return;
  child_->child->io()->set_handler(*child_);
  child_->is_stopping = true;
  stopping.fetch_add(1);
  child_->self = child_;
  child_->child->stop(limits::child_stop_grace);
}

void stdio_channel::send(std::string_view message) {
  auto& io = child_->child->io();
  if (!io)
    return;
  // White space between tokens may hold line breaks; within strings JSON escapes them.
  auto& out = io->out();
  const auto begin = out.size();
  out += message;
  for (auto at = begin; at < out.size(); ++at)
    if (out[at] == '\n' || out[at] == '\r')
      out[at] = ' ';
  out += '\n';
  io->flush();
}

std::size_t stdio_channel::queued_bytes() const noexcept {
  const auto& io = child_->child->io();
  return io ? io->queued_bytes() : 0;
}

std::string stdio_channel::last_words() const {
  return child_->errors->last_words();
}

void stdio_channel::on_data(std::string_view bytes) {
  if (handler_ == nullptr)
    return; // closed already
  const bool fits = lines_.feed(bytes, [this](std::string& line) {
    heard_ = true;
    json::ensure_padding(line);
    handler_->on_channel_text(line);
  });
  if (!fits)
    closed(
        fmt::format("the server wrote a line of more than {} bytes", limits::stdio_line_bytes_max));
}

void stdio_channel::on_end() {
  stdout_ended_ = true;
  wind_up();
}

void stdio_channel::on_error(const error& reason) {
  stdout_ended_ = true;
  if (ending_.empty())
    ending_ = "the server's pipe failed: " + reason.message;
  wind_up();
}

void stdio_channel::on_exit(net::exit_status status) {
  ending_ = "the server process ended with " + status.to_string();
  wind_up();
}

void stdio_channel::wind_up() {
  const bool exited = !child_->child->running();
  if (exited && stdout_ended_ && child_->errors->ended())
    return closed();
  // A child that closes only its stderr is well.
  if ((exited || stdout_ended_) && !last_bytes_.armed())
    reactor_.arm(last_bytes_, last_bytes_wait);
}

void stdio_channel::closed(std::string reason) {
  last_bytes_.cancel();
  if (handler_ == nullptr)
    return;
  if (reason.empty())
    reason = ending_.empty() ? "the server closed its stdout" : ending_;
  if (const auto words = last_words(); !words.empty())
    reason += "; its stderr said: " + words;
  auto* const handler = handler_;
  handler_ = nullptr;
  handler->on_channel_closed(reason, !heard_);
}

} // namespace nexus::engine
