#include "engine/sse_channel.hpp"

#include <vector>

#include <fmt/format.h>

#include "base/log.hpp"

namespace nexus::engine {

/// Takes the acknowledgements of POSTs; a refused one ends the channel, since its answer will never
/// come.
class sse_channel::poster final : public http_call_handler {
 public:
  explicit poster(sse_channel& owner) : owner_(owner) {}
  ~poster() override {
    for (auto* const call : calls_)
      owner_.pool_.cancel(*call);
  }
  void post(std::string_view request) { calls_.push_back(&owner_.pool_.start(request, *this)); }

 private:
  void on_message(http_call&, std::string_view) override {}
  void on_end(http_call& call, const http::response_head& head, std::string_view body) override {
    std::erase(calls_, &call);
    if (head.status >= 400)
      owner_.closed(
          fmt::format("the server answered a message with HTTP {} {}", head.status, body));
  }
  void on_failure(http_call& call, const error& reason, bool) override {
    std::erase(calls_, &call);
    owner_.closed("a message could not be sent: " + reason.message);
  }

  sse_channel& owner_;
  std::vector<http_call*> calls_;
};

sse_channel::sse_channel(http_pool& pool, std::string head_fields, std::string path,
                         std::string origin, channel_handler& handler)
    : pool_(pool), head_fields_(std::move(head_fields)), path_(std::move(path)),
      origin_(std::move(origin)), handler_(&handler), poster_(std::make_unique<poster>(*this)) {
  stream_ = &pool_.start("GET " + path_ + " HTTP/1.1\r\nAccept: text/event-stream\r\n" +
                             "Cache-Control: no-store\r\n" + head_fields_ + "\r\n",
                         *this);
}

sse_channel::~sse_channel() {
  poster_.reset();
  if (stream_ != nullptr)
    pool_.cancel(*stream_);
}

void sse_channel::send(std::string_view message) {
  if (post_path_.empty())
    return;
  poster_->post(fmt::format("POST {} HTTP/1.1\r\nContent-Type: application/json\r\n{}"
                            "Content-Length: {}\r\n\r\n{}",
                            post_path_, head_fields_, message.size(), message));
}

void sse_channel::on_message(http_call&, std::string_view text) {
  if (handler_ == nullptr)
    return;
  if (!post_path_.empty())
    return handler_->on_channel_text(text);
  // The first event names the address; one elsewhere than the stream's origin is refused, as the
  // configured headers would be sent there.
  std::string_view target = text;
  if (target.starts_with(origin_) && target.size() > origin_.size())
    target.remove_prefix(origin_.size());
  if (!target.starts_with('/') || target.starts_with("//") ||
      target.find_first_of(" \r\n\t") != std::string_view::npos)
    return closed(fmt::format("the server names '{}' as its message address", text));
  post_path_ = target;
  handler_->on_channel_open();
}

void sse_channel::on_end(http_call&, const http::response_head& head, std::string_view body) {
  stream_ = nullptr;
  closed(head.status == 200
             ? "the server ended its event stream"
             : fmt::format("the server answered GET with HTTP {} {}", head.status, body));
}

void sse_channel::on_failure(http_call&, const error& reason, bool) {
  stream_ = nullptr;
  closed(reason.message);
}

void sse_channel::closed(const std::string& reason) {
  if (handler_ == nullptr)
    return;
  auto* const handler = handler_;
  handler_ = nullptr;
  handler->on_channel_closed(reason, post_path_.empty());
}

} // namespace nexus::engine
