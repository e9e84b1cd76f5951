// HTTP+SSE of 2024-11-05: requests are POSTs, and all answers come on one event stream.

#include <deque>
#include <fmt/format.h>

#include "bench/load/channel.hpp"
#include "bench/load/http_link.hpp"
#include "http/sse.hpp"

namespace nexus::load {
namespace {

class sse_channel final : public channel, private http_link_owner, private http::sse_handler {
 public:
  sse_channel(net::reactor& on, const run_options& run, channel_events& events)
      : channel(events), run_(run), stream_(on, run, *this), posts_(on, run, *this) {}

  void open() override {
    close();
    at_ = step::connecting;
    stream_.open();
  }
  void close() override {
    at_ = step::closed;
    stream_.close();
    posts_.close();
    waiting_.clear();
    posting_ = false;
    events_of_stream_.reset();
  }
  [[nodiscard]] bool ready() const noexcept override { return at_ == step::ready; }

  void send(const id_template& request, const id_text& id) override {
    std::string bytes = post_lead_;
    request.append_to(bytes, id);
    enqueue(std::move(bytes));
  }

 private:
  enum class step { closed, connecting, awaiting_endpoint, initializing, ready };

  void enqueue(std::string request) {
    waiting_.push_back(std::move(request));
    send_next();
  }

  // The server answers a POST at its leisure, and one connection carries one at a time.
  void send_next() {
    if (posting_ || waiting_.empty() || !posts_.connected())
      return;
    posting_ = true;
    posts_.out() += waiting_.front();
    posts_.send(waiting_.front().size());
    waiting_.pop_front();
  }

  void post(std::string_view method, std::string_view body) {
    enqueue(post_lead_ + post_rest(run_.to, run_.headers, method, {}, body));
  }

  // What is wrong inside of the parser's callbacks waits until they are over.
  void doom(error_class what, std::string why) {
    if (doomed_.empty()) {
      doom_ = what;
      doomed_ = std::move(why);
    }
  }

  void give_up(error_class what, std::string_view why) {
    const std::string reason = doomed_.empty() ? std::string(why) : doomed_;
    what = doomed_.empty() ? what : doom_;
    doomed_.clear();
    close();
    lose(what, reason);
  }

  // ---- Of the links -----------------------------------------------------------------------------
  void on_connected(http_link& link) override {
    if (&link == &posts_)
      return send_next();
    at_ = step::awaiting_endpoint;
    auto head = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n",
                            run_.to.path, run_.to.authority);
    for (const auto& field : run_.headers)
      head += field + "\r\n";
    head += "\r\n";
    stream_.out() += head;
    stream_.send(head.size());
  }

  void on_head(http_link& link) override {
    if (&link == &stream_ && (link.status() != 200 || !link.is_event_stream()))
      doom(error_class::http,
           fmt::format("GET {}: status {}, no event stream", run_.to.path, link.status()));
  }

  void on_body(http_link& link, std::string_view bytes) override {
    if (&link == &stream_ && !events_of_stream_.feed(bytes, *this))
      doom(error_class::protocol, "an event beyond its limit");
  }

  void on_event(const http::sse_event& event) override {
    if (at_ == step::awaiting_endpoint && event.type == "endpoint")
      return on_endpoint(event.data);
    if (event.data.empty())
      return;
    if (at_ == step::initializing && is_result_of(event.data, handshake_id_)) {
      post("notifications/initialized", initialized_body);
      events_.count_session();
      at_ = step::ready;
      return events_.on_ready(*this);
    }
    if (events_.on_message(*this, event.data) == heard::answer)
      return events_.on_free(*this);
    if (auto reply = reply_to(event.data); !reply.empty())
      post("reply", reply);
  }

  void on_endpoint(std::string_view where) {
    auto path = std::string(where);
    if (where.starts_with("http")) {
      target other = run_.to;
      if (!parse_url(where, other) || other.authority != run_.to.authority)
        return doom(error_class::protocol, fmt::format("its endpoint is elsewhere: {}", where));
      path = other.path;
    }
    post_lead_ = fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\n", path, run_.to.authority);
    at_ = step::initializing;
    handshake_id_ = id_text(events_.next_id());
    post("initialize", initialize_body(run_.to, handshake_id_));
    posts_.open();
  }

  void on_response(http_link& link) override {
    if (&link == &stream_)
      return give_up(error_class::transport, "the server ended the event stream");
    posting_ = false;
    if (link.status() < 200 || link.status() > 299)
      return give_up(error_class::http, fmt::format("POST: status {}", link.status()));
    if (link.closes())
      posts_.open();
    else
      send_next();
  }

  void on_taken(http_link& /*link*/) override {
    if (!doomed_.empty())
      give_up(doom_, doomed_);
  }

  void on_lost(http_link& link, error_class what, std::string_view why) override {
    const bool between = &link == &posts_ && !posting_ && at_ == step::ready;
    if (between && what == error_class::transport && ++idle_losses_ < 3)
      return posts_.open();
    give_up(what, why);
  }

  void count_bytes(std::size_t in, std::size_t out) override {
    events_.count_bytes(in, out);
    if (in > 0)
      idle_losses_ = 0;
  }

  const run_options& run_;
  http_link stream_, posts_;
  step at_ = step::closed;
  std::string post_lead_;
  std::deque<std::string> waiting_; ///< POSTs behind the one under way
  http::sse_parser events_of_stream_;
  id_text handshake_id_{first_id};
  bool posting_ = false;
  int idle_losses_ = 0; ///< of the connection for POSTs, in a row
  error_class doom_ = error_class::protocol;
  std::string doomed_;
};

} // namespace

std::unique_ptr<channel> make_sse_channel(net::reactor& on, const run_options& run,
                                          channel_events& events) {
  return std::make_unique<sse_channel>(on, run, events);
}

} // namespace nexus::load
