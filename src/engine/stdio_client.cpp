#include "engine/stdio_client.hpp"

#include <utility>

#include "base/log.hpp"

namespace nexus::engine {

stdio_client::stdio_client(worker& owner, int read_fd, int write_fd,
                           std::function<void()> on_finished)
    : duplex_client(owner, {}), stream_(owner.reactor().adopt(read_fd, write_fd)),
      lines_(owner.shared().limits.body_bytes), on_finished_(std::move(on_finished)) {
  stream_->set_handler(*this);
}

stdio_client::~stdio_client() {
  net::close_after_flush(std::move(stream_));
}

void stdio_client::on_data(std::string_view bytes) {
  const auto take = [this](std::string& line) {
    if (!ended_ && line.find_first_not_of(" \t") != std::string::npos)
      serve(line);
  };
  if (!lines_.feed(bytes, take)) {
    log::error("client", "line_too_long", {{"limit_bytes", on().shared().limits.body_bytes}});
    on_end();
  }
  // A client that writes but does not read is held back.
  if (stream_ && slow())
    stream_->pause_reading();
}

void stdio_client::on_drained() {
  stream_->resume_reading();
}

void stdio_client::on_end() {
  ended_ = true;
  stream_->pause_reading();
  on_idle();
}

void stdio_client::on_error(const error&) {
  ended_ = true;
  if (on_finished_)
    std::exchange(on_finished_, nullptr)();
}

void stdio_client::on_idle() {
  if (ended_ && is_idle() && on_finished_)
    std::exchange(on_finished_, nullptr)();
}

bool stdio_client::slow() const {
  return stream_->queued_bytes() > limits::write_queue_high_bytes;
}

void stdio_client::write(std::string_view text) {
  auto& out = stream_->out();
  const auto begin = out.size();
  out += text;
  for (auto at = begin; at < out.size(); ++at)
    if (out[at] == '\n' || out[at] == '\r')
      out[at] = ' ';
  out += '\n';
  stream_->flush();
}

} // namespace nexus::engine
