// A child process, one message a line, any number of calls under way.

#include <fmt/format.h>
#include <unistd.h>

#include "bench/load/channel.hpp"
#include "net/child_process.hpp"
#include "json/scan.hpp"

namespace nexus::load {
namespace {

/// A server's last words, for the report of why it ended.
class error_tail final : public net::stream_handler {
 public:
  void on_data(std::string_view bytes) override {
    text_ += bytes;
    if (text_.size() > bytes_max)
      text_.erase(0, text_.size() - bytes_max);
  }
  void on_end() override {}
  void on_error(const error& /*reason*/) override {}
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  static constexpr std::size_t bytes_max = 400;
  std::string text_;
};

class stdio_channel final : public channel, private net::stream_handler {
 public:
  stdio_channel(net::reactor& on, const run_options& run, channel_events& events)
      : channel(events), on_(on), run_(run) {}

  void open() override {
    close();
    net::spawn_options options;
    options.argv = run_.to.command;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string_view pair = *entry;
      const auto equals = pair.find('=');
      if (equals != std::string_view::npos)
        options.env.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
    auto started = net::child_process::spawn(on_, options, [](net::exit_status /*how*/) {});
    if (!started)
      return lose(error_class::transport, started.error().message);
    child_ = std::move(*started);
    io_ = std::move(child_->io());
    errors_ = std::move(child_->errors());
    io_->set_handler(*this);
    errors_->set_handler(tail_);
    at_ = step::initializing;
    if (!run_.to.has_session())
      return become_ready();
    handshake_id_ = id_text(events_.next_id());
    say(initialize_body(run_.to, handshake_id_));
  }

  void close() override {
    at_ = step::closed;
    io_.reset();
    errors_.reset();
    child_.reset();
    line_.clear();
  }
  [[nodiscard]] bool ready() const noexcept override { return at_ == step::ready; }

  void send(const id_template& request, const id_text& id) override {
    auto& out = io_->out();
    const auto before = out.size();
    request.append_to(out, id);
    const auto bytes = out.size() - before;
    io_->flush();
    events_.count_bytes(0, bytes);
  }

 private:
  enum class step { closed, initializing, ready };

  void say(std::string_view message) {
    auto& out = io_->out();
    out += message;
    out += '\n';
    io_->flush();
    events_.count_bytes(0, message.size() + 1);
  }

  void become_ready() {
    at_ = step::ready;
    events_.on_ready(*this);
  }

  void on_data(std::string_view bytes) override {
    events_.count_bytes(bytes.size(), 0);
    for (auto end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
      line_ += bytes.substr(0, end);
      bytes.remove_prefix(end + 1);
      json::ensure_padding(line_);
      take_line();
      line_.clear();
      if (at_ == step::closed)
        return;
    }
    line_ += bytes;
  }

  void take_line() {
    if (line_.empty())
      return;
    if (at_ == step::initializing && is_result_of(line_, handshake_id_)) {
      say(initialized_body);
      events_.count_session();
      return become_ready();
    }
    if (events_.on_message(*this, line_) == heard::answer)
      return events_.on_free(*this);
    if (const auto reply = reply_to(line_); !reply.empty())
      say(reply);
  }

  void on_end() override { give_up("the child ended"); }
  void on_error(const error& reason) override { give_up(reason.message); }

  void give_up(std::string_view why) {
    const auto reason = tail_.text().empty()
                            ? std::string(why)
                            : fmt::format("{}; its last words: {}", why, tail_.text());
    close();
    lose(error_class::transport, reason);
  }

  net::reactor& on_;
  const run_options& run_;
  std::unique_ptr<net::child_process> child_;
  net::stream_ptr io_, errors_;
  error_tail tail_;
  step at_ = step::closed;
  std::string line_;
  id_text handshake_id_{first_id};
};

} // namespace

std::unique_ptr<channel> make_stdio_channel(net::reactor& on, const run_options& run,
                                            channel_events& events) {
  return std::make_unique<stdio_channel>(on, run, events);
}

} // namespace nexus::load
