#include "bench/mock/stdio_front.hpp"

#include <unistd.h>

namespace nexus::mock {

stdio_front::stdio_front(const options& settings, net::reactor& on)
    : reactor_(on), server_(settings, settings.server),
      stream_(on.adopt(STDIN_FILENO, STDOUT_FILENO)) {
  stream_->set_handler(*this);
}

int stdio_front::run() {
  constexpr seconds sleep_max{1};
  while (!status_ && (!ended_ || !waiting_.empty() || stream_->queued_bytes() > 0)) {
    reactor_.wait(waiting_.until_next(std::chrono::steady_clock::now(), sleep_max));
    while (const auto due = waiting_.pop(std::chrono::steady_clock::now())) {
      // There is no connection to drop but the process itself.
      if (due->dropped)
        return 1;
      stream_->out() += due->body;
      stream_->out() += '\n';
      stream_->flush();
    }
  }
  return status_.value_or(0);
}

void stdio_front::on_data(std::string_view bytes) {
  for (auto end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
    line_ += bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    take_line();
    line_.clear();
  }
  line_ += bytes;
}

void stdio_front::take_line() {
  json::ensure_padding(line_);
  auto given = server_.answer(line_);
  if (!given.body.empty() || given.dropped)
    waiting_.push(std::chrono::steady_clock::now() + given.delay, std::move(given));
}

} // namespace nexus::mock
