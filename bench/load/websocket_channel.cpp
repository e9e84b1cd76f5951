// JSON-RPC over a WebSocket, any number of calls under way.

#include <algorithm>
#include <memory>
#include <new>

#include <fmt/format.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <wslay/wslay.h>

#include "base/base64.hpp"
#include "bench/load/channel.hpp"
#include "json/scan.hpp"

namespace nexus::load {
namespace {

/// @source RFC 6455 s1.3
constexpr std::string_view accept_suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t head_bytes_max = 64 * 1024;
/// The server under test decides how large its answers are.
constexpr std::uint64_t message_bytes_max = std::uint64_t{1} << 31;

std::string base64_of(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes, base64_form::standard);
  return out;
}

std::string fresh_key() {
  std::string raw(16, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(raw.size()));
  return base64_of(raw);
}

std::string accept_of(const std::string& key) {
  const auto text = key + std::string(accept_suffix);
  std::string digest(SHA_DIGEST_LENGTH, '\0');
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(digest.data()));
  return base64_of(digest);
}

struct context_end {
  void operator()(wslay_event_context* of) const noexcept { wslay_event_context_free(of); }
};

class websocket_channel final : public channel, private net::stream_handler {
 public:
  websocket_channel(net::reactor& on, const run_options& run, channel_events& events)
      : channel(events), on_(on), run_(run) {}

  void open() override {
    close();
    at_ = step::connecting;
    connecting_ = on_.connect(connect_options_of(run_), [this](result<net::stream_ptr> connected) {
      const auto finished = std::move(connecting_);
      if (!connected)
        return give_up(error_class::transport, connected.error().message);
      io_ = std::move(*connected);
      io_->set_handler(*this);
      ask_for_upgrade();
    });
  }

  void close() override {
    at_ = step::closed;
    connecting_.reset();
    io_.reset();
    frames_.reset();
    head_.clear();
    arrived_ = {};
  }
  [[nodiscard]] bool ready() const noexcept override { return at_ == step::ready; }

  void send(const id_template& request, const id_text& id) override {
    text_.clear();
    request.append_to(text_, id);
    say(text_);
  }

 private:
  enum class step { closed, connecting, upgrading, initializing, ready };

  void ask_for_upgrade() {
    at_ = step::upgrading;
    key_ = fresh_key();
    auto head = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Key: {}\r\n"
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mcp\r\n",
                            run_.to.path, run_.to.authority, key_);
    for (const auto& field : run_.headers)
      head += field + "\r\n";
    head += "\r\n";
    io_->out() += head;
    io_->flush();
    events_.count_bytes(0, head.size());
  }

  // ---- Of the stream ----------------------------------------------------------------------------
  void on_data(std::string_view bytes) override {
    events_.count_bytes(bytes.size(), 0);
    if (at_ == step::upgrading && !take_head(bytes))
      return;
    arrived_ = bytes;
    // A message handler may close this channel, which frees the context in use here.
    const auto in_use = frames_;
    const int outcome = wslay_event_recv(in_use.get());
    if (at_ == step::closed)
      return;
    if (outcome != 0 || wslay_event_get_close_received(in_use.get()) != 0)
      return give_up(error_class::transport,
                     fmt::format("the WebSocket was closed with status {}",
                                 wslay_event_get_status_code_received(in_use.get())));
    flush_frames();
  }
  void on_end() override { give_up(error_class::transport, "the server ended the connection"); }
  void on_error(const error& reason) override { give_up(error_class::transport, reason.message); }

  /// Takes the answer to the upgrade off `bytes`; true once it is whole and right.
  bool take_head(std::string_view& bytes) {
    const auto before = head_.size();
    head_ += bytes;
    const auto end = head_.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (head_.size() > head_bytes_max)
        give_up(error_class::http, "the answer to the upgrade does not end");
      return false;
    }
    bytes.remove_prefix(end + 4 - before);
    const std::string_view head = std::string_view(head_).substr(0, end + 2);
    if (!head.starts_with("HTTP/1.1 101") || head.find(accept_of(key_)) == std::string_view::npos) {
      give_up(error_class::http, fmt::format("no WebSocket: {}", head.substr(0, head.find('\r'))));
      return false;
    }
    start_frames();
    return true;
  }

  void start_frames() {
    const wslay_event_callbacks callbacks{
        .recv_callback = &websocket_channel::on_wanted,
        .send_callback = &websocket_channel::on_frame_bytes,
        .genmask_callback =
            [](wslay_event_context*, std::uint8_t* mask, std::size_t size, void*) {
              return RAND_bytes(mask, static_cast<int>(size)) == 1 ? 0 : -1;
            },
        .on_frame_recv_start_callback = nullptr,
        .on_frame_recv_chunk_callback = nullptr,
        .on_frame_recv_end_callback = nullptr,
        .on_msg_recv_callback = &websocket_channel::on_whole};
    wslay_event_context* made = nullptr;
    if (wslay_event_context_client_init(&made, &callbacks, this) != 0)
      throw std::bad_alloc();
    frames_.reset(made, context_end());
    wslay_event_config_set_max_recv_msg_length(made, message_bytes_max);
    at_ = step::initializing;
    if (!run_.to.has_session())
      return become_ready();
    handshake_id_ = id_text(events_.next_id());
    say(initialize_body(run_.to, handshake_id_));
  }

  // ---- Of the frames ----------------------------------------------------------------------------
  static ssize_t on_wanted(wslay_event_context* of, std::uint8_t* into, std::size_t size, int,
                           void* user) {
    auto& self = *static_cast<websocket_channel*>(user);
    const auto taken = std::min(size, self.arrived_.size());
    if (taken == 0) {
      wslay_event_set_error(of, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
    self.arrived_.copy(reinterpret_cast<char*>(into), taken);
    self.arrived_.remove_prefix(taken);
    return static_cast<ssize_t>(taken);
  }

  static ssize_t on_frame_bytes(wslay_event_context*, const std::uint8_t* bytes, std::size_t size,
                                int, void* user) {
    auto& self = *static_cast<websocket_channel*>(user);
    if (self.io_ != nullptr)
      self.io_->out().append(reinterpret_cast<const char*>(bytes), size);
    self.sent_ += size;
    return static_cast<ssize_t>(size);
  }

  static void on_whole(wslay_event_context*, const wslay_event_on_msg_recv_arg* message,
                       void* user) {
    auto& self = *static_cast<websocket_channel*>(user);
    if (message->opcode != WSLAY_TEXT_FRAME || self.at_ == step::closed)
      return;
    self.text_.assign(reinterpret_cast<const char*>(message->msg), message->msg_length);
    json::ensure_padding(self.text_);
    self.take_message();
  }

  void take_message() {
    // What is said in between uses the buffer again.
    const auto message = std::move(text_);
    if (at_ == step::initializing && is_result_of(message, handshake_id_)) {
      say(initialized_body);
      events_.count_session();
      return become_ready();
    }
    if (events_.on_message(*this, message) == heard::answer)
      return events_.on_free(*this);
    if (const auto reply = reply_to(message); !reply.empty())
      say(reply);
  }

  void say(std::string_view message) {
    const wslay_event_msg queued{.opcode = WSLAY_TEXT_FRAME,
                                 .msg = reinterpret_cast<const std::uint8_t*>(message.data()),
                                 .msg_length = message.size()};
    if (wslay_event_queue_msg(frames_.get(), &queued) == 0)
      flush_frames();
  }

  void flush_frames() {
    if (frames_ == nullptr || io_ == nullptr || wslay_event_want_write(frames_.get()) == 0)
      return;
    sent_ = 0;
    wslay_event_send(frames_.get());
    io_->flush();
    events_.count_bytes(0, sent_);
  }

  void become_ready() {
    at_ = step::ready;
    events_.on_ready(*this);
  }

  void give_up(error_class what, std::string_view why) {
    const std::string reason(why);
    close();
    lose(what, reason);
  }

  net::reactor& on_;
  const run_options& run_;
  std::unique_ptr<net::pending_connect> connecting_;
  net::stream_ptr io_;
  std::shared_ptr<wslay_event_context> frames_;
  step at_ = step::closed;
  std::string key_, head_, text_;
  std::string_view arrived_; ///< not taken by the frames yet
  std::size_t sent_ = 0;
  id_text handshake_id_{first_id};
};

} // namespace

std::unique_ptr<channel> make_websocket_channel(net::reactor& on, const run_options& run,
                                                channel_events& events) {
  return std::make_unique<websocket_channel>(on, run, events);
}

} // namespace nexus::load
