// Streamable HTTP: a connection with one call at a time, with or without a session.

#include <fmt/format.h>

#include "bench/load/channel.hpp"
#include "bench/load/http_link.hpp"
#include "http/sse.hpp"
#include "json/scan.hpp"

namespace nexus::load {
namespace {

class http_channel final : public channel, private http_link_owner, private http::sse_handler {
 public:
  http_channel(net::reactor& on, const run_options& run, channel_events& events)
      : channel(events), run_(run), link_(on, run, *this) {
    set_session({});
  }

  void open() override {
    at_ = step::connecting;
    link_.open();
  }
  void close() override {
    at_ = step::closed;
    link_.close();
  }
  [[nodiscard]] bool ready() const noexcept override { return at_ == step::ready; }

  void send(const id_template& request, const id_text& id) override {
    auto& out = link_.out();
    const auto before = out.size();
    out += post_lead_;
    request.append_to(out, id);
    link_.send(out.size() - before);
    ++calls_of_session_;
  }

  void session_shared() override {
    if (at_ != step::awaiting_session)
      return;
    set_session(events_.shared_session());
    has_session_ = true;
    become_ready();
  }

 private:
  enum class step {
    closed,
    connecting,
    awaiting_session,
    initializing,
    acknowledging,
    ending,
    ready
  };

  void set_session(std::string_view id) {
    session_ = id;
    fields_ = fmt::format(" {} HTTP/1.1\r\nHost: {}\r\n", run_.to.path, run_.to.authority);
    if (!session_.empty())
      fields_ += fmt::format("Mcp-Session-Id: {}\r\n", session_);
    post_lead_ = "POST" + fields_;
    calls_of_session_ = 0;
  }

  void post(std::string_view method, std::string_view body) {
    auto& out = link_.out();
    const auto before = out.size();
    out += post_lead_;
    out += post_rest(run_.to, run_.headers, method, {}, body);
    link_.send(out.size() - before);
  }

  void initialize() {
    at_ = step::initializing;
    set_session({});
    handshake_id_ = id_text(events_.next_id());
    initialized_ = false;
    post("initialize", initialize_body(run_.to, handshake_id_));
  }

  void end_session() {
    at_ = step::ending;
    auto& out = link_.out();
    const auto before = out.size();
    out += "DELETE" + fields_ +
           fmt::format("MCP-Protocol-Version: {}\r\n", mcp::to_string(run_.to.revision));
    for (const auto& field : run_.headers)
      out += field + "\r\n";
    out += "\r\n";
    link_.send(out.size() - before);
  }

  void become_ready() {
    at_ = step::ready;
    events_.on_ready(*this);
  }

  void reconnect() {
    events_.count_reconnect();
    open();
  }

  void give_up(error_class what, std::string_view why) {
    close();
    lose(what, why);
  }

  // ---- Of the link ------------------------------------------------------------------------------
  void on_connected(http_link& /*link*/) override {
    if (!run_.to.has_session() || has_session_)
      return become_ready();
    if (run_.session == session_scope::shared && !events_.shared_session().empty()) {
      set_session(events_.shared_session());
      has_session_ = true;
      return become_ready();
    }
    if (run_.session == session_scope::shared && !events_.take_shared_opening()) {
      at_ = step::awaiting_session;
      return;
    }
    initialize();
  }

  void on_head(http_link& /*link*/) override {
    body_.clear();
    events_of_response_.reset();
    answered_ = wrong_ = false;
  }

  void take(heard what) {
    answered_ = answered_ || what == heard::answer;
    wrong_ = wrong_ || what == heard::wrong;
  }

  void on_body(http_link& link, std::string_view bytes) override {
    if (!link.is_event_stream()) {
      body_ += bytes;
      return;
    }
    if (!events_of_response_.feed(bytes, *this))
      body_ = "an event beyond its limit";
  }

  // An event of a response that is a stream.
  void on_event(const http::sse_event& event) override {
    if (event.data.empty())
      return;
    if (at_ == step::initializing)
      initialized_ = initialized_ || is_result_of(event.data, handshake_id_);
    else
      take(events_.on_message(*this, event.data));
  }

  void on_response(http_link& link) override {
    switch (at_) {
    case step::initializing:
      return on_initialized(link);
    case step::acknowledging:
      return on_acknowledged(link);
    case step::ending:
      has_session_ = false;
      return link.closes() ? reconnect() : initialize();
    case step::ready:
      return on_call_response(link);
    case step::closed:
    case step::connecting:
    case step::awaiting_session:
      return give_up(error_class::http, "a response that nobody asked for");
    }
  }

  void on_initialized(http_link& link) {
    if (!link.is_event_stream()) {
      json::ensure_padding(body_);
      initialized_ = is_result_of(body_, handshake_id_);
    }
    if (link.status() != 200 || !initialized_)
      return give_up(error_class::http,
                     fmt::format("initialize: status {}: {}", link.status(), body_));
    set_session(link.session_id());
    events_.count_session();
    at_ = step::acknowledging;
    post("notifications/initialized", initialized_body);
  }

  void on_acknowledged(http_link& link) {
    if (link.status() < 200 || link.status() > 299)
      return give_up(error_class::http,
                     fmt::format("notifications/initialized: status {}: {}", link.status(), body_));
    if (events_.take_idle_session())
      return initialize();
    has_session_ = true;
    if (run_.session == session_scope::shared)
      events_.share_session(session_);
    become_ready();
  }

  void on_call_response(http_link& link) {
    const bool closes = link.closes();
    if (calls.empty() && !answered_)
      return give_up(error_class::http, "a response that nobody asked for");
    if (link.status() != 200) {
      // A session that the server does not know any more is opened anew.
      if (link.status() == 404)
        has_session_ = false;
      events_.on_refused(*this, link.status(), body_);
    } else if (!link.is_event_stream()) {
      json::ensure_padding(body_);
      take(events_.on_message(*this, body_));
    }
    if (wrong_)
      drop_calls();
    else if (!calls.empty())
      fail_calls(error_class::protocol, link.is_event_stream()
                                            ? "the stream ended without the answer"
                                            : fmt::format("no answer to it: {}", body_));
    if (closes || (run_.to.has_session() && !has_session_))
      return reconnect();
    const auto most = run_.work.calls_per_session;
    if (most > 0 && calls_of_session_ >= most)
      return end_session();
    events_.on_free(*this);
  }

  void on_lost(http_link& /*link*/, error_class what, std::string_view why) override {
    // Servers may end a connection that has nothing to do.
    if (at_ == step::ready && calls.empty() && what == error_class::transport)
      return reconnect();
    give_up(what, why);
  }
  void count_bytes(std::size_t in, std::size_t out) override { events_.count_bytes(in, out); }

  const run_options& run_;
  http_link link_;
  step at_ = step::closed;
  std::string session_, fields_, post_lead_, body_;
  http::sse_parser events_of_response_;
  id_text handshake_id_{first_id};
  std::uint64_t calls_of_session_ = 0;
  bool has_session_ = false;
  bool initialized_ = false;
  // Of the response under way:
  bool answered_ = false; ///< it had the answer
  bool wrong_ = false;    ///< it had something else that is counted
};

} // namespace

std::unique_ptr<channel> make_http_channel(net::reactor& on, const run_options& run,
                                           channel_events& events) {
  return std::make_unique<http_channel>(on, run, events);
}

} // namespace nexus::load
