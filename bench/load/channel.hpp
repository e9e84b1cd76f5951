#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/options.hpp"
#include "bench/load/recorder.hpp"
#include "bench/load/request_set.hpp"
#include "net/reactor.hpp"

namespace nexus::load {

class channel;

/// A call on its way.
struct call {
  std::uint64_t id = 0;
  std::int64_t due_ns = 0;
  std::int64_t sent_ns = 0;
  const prepared_operation* what = nullptr;
};

/// What a message from a server was.
enum class heard : std::uint8_t {
  answer, ///< to a call of the channel, right or wrong
  other,  ///< a notification, a request, or an answer that came too late
  wrong,  ///< none of these; counted as an error
};

/// What channels tell their worker.
class channel_events {
 public:
  virtual ~channel_events() = default;
  /// The handshake is over: calls may be sent.
  virtual void on_ready(channel& from) = 0;
  /// A whole JSON-RPC message; json::padding_bytes are readable behind it. Takes the call that it
  /// answers from `from.calls`.
  virtual heard on_message(channel& from, std::string_view text) = 0;
  /// HTTP: a response with another status than 200 ends the call.
  virtual void on_refused(channel& from, unsigned status, std::string_view body) = 0;
  /// A call ended without an answer.
  virtual void on_failed(channel& from, const call& lost, error_class what,
                         std::string_view why) = 0;
  /// A call ended with something that is counted as an error already.
  virtual void on_dropped(channel& from, const call& lost) = 0;
  /// The channel has room for another call than before.
  virtual void on_free(channel& from) = 0;
  /// The channel is closed, its calls have failed; open() tries again. `idle`: it had none.
  virtual void on_lost(channel& from, error_class what, std::string_view why, bool idle) = 0;
  virtual void count_bytes(std::size_t in, std::size_t out) = 0;
  virtual void count_session() = 0;
  virtual void count_reconnect() = 0;
  /// A fresh id for a request that is no call.
  virtual std::uint64_t next_id() = 0;
  /// Legacy: whether one more session shall be opened and left idle.
  virtual bool take_idle_session() = 0;
  /// Shared sessions: whether the caller is the one that opens it.
  virtual bool take_shared_opening() = 0;
  /// It did; those that wait for it go on.
  virtual void share_session(const std::string& id) = 0;
  /// The thread's shared session, or nothing while there is none.
  virtual const std::string& shared_session() const = 0;
};

/// One client of the server: its connection or child, its session, its calls under way.
/// @thread its reactor's
class channel {
 public:
  explicit channel(channel_events& events) : events_(events) {}
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  virtual ~channel() = default;

  /// Connects or starts, and shakes hands; on_ready() or on_lost() follows.
  virtual void open() = 0;
  virtual void close() = 0;
  /// @pre ready; `calls` has the call already
  virtual void send(const id_template& request, const id_text& id) = 0;
  [[nodiscard]] virtual bool ready() const noexcept = 0;
  /// The thread's shared session is open: goes on if it was waited for.
  virtual void session_shared() {}

  std::vector<call> calls; ///< under way, oldest first
  // Of the worker:
  std::size_t index = 0;    ///< among its channels
  std::size_t thinking = 0; ///< calls that wait for the end of a pause
  bool listed = false;      ///< stands in the list of those with room
  bool was_ready = false;

 protected:
  void fail_calls(error_class what, std::string_view why);
  void drop_calls();
  /// Fails all calls and tells the worker. @pre closed
  void lose(error_class what, std::string_view why);

  channel_events& events_;
};

[[nodiscard]] std::unique_ptr<channel> make_http_channel(net::reactor& on, const run_options& run,
                                                         channel_events& events);
[[nodiscard]] std::unique_ptr<channel> make_sse_channel(net::reactor& on, const run_options& run,
                                                        channel_events& events);
[[nodiscard]] std::unique_ptr<channel>
make_websocket_channel(net::reactor& on, const run_options& run, channel_events& events);
[[nodiscard]] std::unique_ptr<channel> make_stdio_channel(net::reactor& on, const run_options& run,
                                                          channel_events& events);

/// The initialize request, as a body.
[[nodiscard]] std::string initialize_body(const target& to, const id_text& id);
inline constexpr std::string_view initialized_body =
    R"({"jsonrpc":"2.0","method":"notifications/initialized"})";
/// The answer to a request of the server: ping is answered, whatever else is not offered.
/// Nothing when `text` is no request. @pre json::padding_bytes are readable behind `text`
[[nodiscard]] std::string reply_to(std::string_view text);
/// Whether `text` is the answer with a result to request `id`. @pre as reply_to()
[[nodiscard]] bool is_result_of(std::string_view text, const id_text& id);

} // namespace nexus::load
