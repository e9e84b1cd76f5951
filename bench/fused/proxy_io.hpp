#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace nexus::bench {

using link_id = std::uint64_t;

/// What the sockets report. Called on the thread that polls, inside `proxy_io::poll`.
class io_sink {
 public:
  virtual ~io_sink() = default;
  virtual void on_opened(link_id link) = 0;
  virtual void on_closed(link_id link) = 0;
  /// One whole HTTP request from the client of this link.
  virtual void on_request(link_id link, std::string bytes) = 0;
  /// One whole HTTP answer from its server.
  virtual void on_answer(link_id link, std::string bytes) = 0;
};

/// The sockets of the proxy: every client connection is linked to a server connection of its own.
/// One thread calls `start`, `poll` and the writes; `wake` may be called by any.
class proxy_io {
 public:
  virtual ~proxy_io() = default;

  /// To be called once by the polling thread, which a ring belongs to from then on.
  virtual void start(io_sink& sink) = 0;

  enum class patience {
    none,    ///< take what is there
    forever, ///< sleep until something happens or `wake` is called
  };
  virtual void poll(patience wait) = 0;

  /// Writes to one end; a link that is gone is ignored.
  virtual void to_server(link_id link, std::string bytes) = 0;
  virtual void to_client(link_id link, std::string bytes) = 0;

  virtual void wake() = 0;
};

std::unique_ptr<proxy_io> make_epoll_io(std::uint16_t listen_port, std::uint16_t server_port);
std::unique_ptr<proxy_io> make_uring_io(std::uint16_t listen_port, std::uint16_t server_port);

/// Cuts a byte stream into HTTP messages.
class message_cutter {
 public:
  enum class kind { requests, answers };
  explicit message_cutter(kind what) : what_(what) {}

  /// Adds bytes; false when they are not HTTP/1.1 that keeps its connection.
  bool add(std::string_view fresh);

  /// The next whole message, or an empty string.
  std::string next();

 private:
  kind what_;
  bool valid_ = true;
  std::size_t wanted_bytes_ = 0;
  std::string waiting_;
};

} // namespace nexus::bench
