#pragma once

#include "bench/e2e/call_template.hpp"
#include "bench/e2e/histogram.hpp"
#include "bench/e2e/http_scan.hpp"
#include "bench/e2e/load_options.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nexus::bench {

struct load_errors {
  std::uint64_t transport = 0; ///< the connection ended or could not be made
  std::uint64_t http = 0;      ///< not HTTP/1.1, or a status that is neither 200 nor a refusal
  std::uint64_t id = 0;        ///< an answer to another request, or another caller's content
  std::uint64_t result = 0;    ///< a JSON-RPC error, or no result
  std::uint64_t timeout = 0;
  std::string first; ///< what the first one looked like

  std::uint64_t total() const { return transport + http + id + result + timeout; }
};

struct load_report {
  histogram latency; ///< of calls that were due in the window
  histogram refusal; ///< of 429 and 503 answers
  load_errors errors;
  std::uint64_t calls = 0; ///< right answers that arrived in the window
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t backlog = 0; ///< open loop: calls due in the window that never left
  double seconds = 0;
  std::vector<double> watched_cpu_us;
  std::vector<std::uint64_t> watched_rss_bytes;
  double own_cpu_us = 0;
};

/// The generator: one thread, one epoll set, every connection with one call in flight.
///
/// Closed loop: a connection sends as soon as it has its answer. Open loop: call k is due at
/// start + k / rate whatever the server does; when no connection is free it waits, and its latency
/// counts from when it was due, so a stall is seen by every call that it delayed.
class load_engine {
 public:
  explicit load_engine(const load_options& options);
  ~load_engine();
  load_engine(const load_engine&) = delete;
  load_engine& operator=(const load_engine&) = delete;

  /// Handshakes, warms up, measures, waits for the last answers. Exits the process when the server
  /// cannot be reached at all.
  load_report run();

 private:
  enum class step { connecting, initializing, acknowledging, waiting, idle, calling };
  enum class phase { setup, warmup, window, drain, done };

  struct connection {
    int fd = -1;
    step at = step::connecting;
    bool lost = false; ///< to be closed and opened again at the end of its event
    std::uint64_t id = 0;
    std::int64_t due_ns = 0;
    std::int64_t sent_ns = 0;
    std::size_t wanted_bytes = 0;
    std::string input;
    std::string output;
    std::string session_id;
    std::shared_ptr<std::vector<call_template>> calls;
  };

  void open(connection& peer);
  void reopen(connection& peer);
  void on_event(connection& peer, std::uint32_t events);
  void on_connected(connection& peer);
  void read_all(connection& peer);
  std::size_t take_messages(connection& peer, std::string_view data);
  void flush(connection& peer);
  void send(connection& peer, std::string_view bytes);

  void begin_handshake(connection& peer);
  void on_initialized(connection& peer);
  void on_acknowledged(connection& peer);
  void on_ready(connection& peer);
  void on_answer(connection& peer, std::int64_t now);
  bool check_answer(const connection& peer);
  bool check_json(const connection& peer, std::string_view json);
  std::string_view json_of_answer(std::uint64_t id);
  void fail(std::uint64_t load_errors::*kind, std::string_view what);

  void send_call(connection& peer, std::int64_t due_ns);
  void next_call(connection& peer, std::int64_t now);
  void send_due(std::int64_t now);
  std::int64_t due_at(std::uint64_t index) const;

  void advance(std::int64_t now);
  void start_window(std::int64_t now);
  void end_window(std::int64_t now);
  void finish();
  void wait_and_serve(std::int64_t now);
  std::int64_t wake_at(std::int64_t now) const;
  void expire(std::int64_t now);
  bool sending() const { return phase_ == phase::warmup || phase_ == phase::window; }
  bool in_window(std::int64_t due_ns) const;

  load_options options_;
  bool echoes_id_; ///< the arguments hold the id, so the result must
  int epoll_;
  std::vector<std::unique_ptr<connection>> connections_;
  std::deque<connection*> idle_;
  std::shared_ptr<std::vector<call_template>> shared_calls_;
  std::vector<char> buffer_;
  http_message message_;
  std::string event_;

  phase phase_ = phase::setup;
  int ready_ = 0;
  int idle_sessions_left_;
  std::size_t in_flight_ = 0;
  std::uint64_t next_id_ = first_call_id;
  std::uint64_t arrivals_ = 0;
  std::size_t next_tool_ = 0;
  std::int64_t setup_ns_ = 0;
  std::int64_t start_ns_ = 0;
  std::int64_t window_begin_ns_ = 0;
  std::int64_t window_end_ns_ = 0;
  std::int64_t next_sweep_ns_ = 0;
  load_report report_;
};

} // namespace nexus::bench
