#include "bench/load/http_link.hpp"

#include <fmt/format.h>
#include <limits>
#include <utility>

namespace nexus::load {

// The server under test decides how large its answers are.
http_link::http_link(net::reactor& on, const run_options& run, http_link_owner& owner)
    : on_(on), run_(run), owner_(owner),
      parser_({.body_bytes_max = std::numeric_limits<std::uint64_t>::max()}) {}

void http_link::open() {
  close();
  connecting_ = on_.connect(connect_options_of(run_), [this](result<net::stream_ptr> connected) {
    const auto finished = std::move(connecting_);
    if (!connected)
      return owner_.on_lost(*this, error_class::transport, connected.error().message);
    stream_ = std::move(*connected);
    stream_->set_handler(*this);
    owner_.on_connected(*this);
  });
}

void http_link::close() {
  connecting_.reset();
  stream_.reset();
  parser_.reset();
  done_ = false;
}

void http_link::send(std::size_t bytes) {
  stream_->flush();
  owner_.count_bytes(0, bytes);
}

void http_link::on_data(std::string_view bytes) {
  owner_.count_bytes(bytes.size(), 0);
  while (!bytes.empty() && stream_ != nullptr) {
    const auto taken = parser_.feed(bytes, *this);
    if (!taken)
      return lose(error_class::http,
                  fmt::format("{}: {}", taken.error().message, bytes.substr(0, 200)));
    bytes.remove_prefix(*taken);
    if (std::exchange(done_, false))
      owner_.on_response(*this);
    owner_.on_taken(*this);
  }
}

void http_link::on_head(const http::response_head& head) {
  status_ = head.status;
  closes_ = !head.keep_alive;
  const auto type = head.headers.find("content-type");
  is_event_stream_ = type && http::media_type_is(*type, "text/event-stream");
  session_id_ = head.headers.find("mcp-session-id").value_or("");
  if (is_event_stream_)
    parser_.body_is_unbounded();
  owner_.on_head(*this);
}

void http_link::on_end() {
  const bool idle = parser_.idle();
  if (!idle && parser_.finish(*this) && done_) {
    done_ = false;
    closes_ = true;
    owner_.on_response(*this);
  }
  if (stream_ != nullptr)
    lose(error_class::transport, idle ? "the server ended the connection"
                                      : "the server ended the connection inside of a response");
}

void http_link::on_error(const error& reason) {
  lose(error_class::transport, reason.message);
}

void http_link::lose(error_class what, std::string_view why) {
  close();
  owner_.on_lost(*this, what, why);
}

} // namespace nexus::load
