#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <system_error>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/reactor.hpp"

/// A blocking HTTP client for one request at a time: what a command needs to talk to a gateway.
namespace nexus::cli {

enum class errc {
  unreachable = 1, ///< nothing accepts the connection
  timed_out,       ///< no whole answer before the deadline
  bad_answer,      ///< what answers does not speak HTTP, or not as a gateway does
  refused,         ///< a gateway answers, but not with what was asked for
  absent,          ///< a gateway answers that it has no such thing
};
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

struct http_answer {
  unsigned status = 0;
  std::string content_type;
  /// With json::padding_bytes of spare capacity; empty for an event stream.
  std::string body;
};

class http_client {
 public:
  /// @lifetime `time` outlives the client
  http_client(net::endpoint at, const clock& time) : at_(std::move(at)), time_(time) {}

  /// The data of one event. json::padding_bytes are readable after it; valid during the call only.
  /// Returning false ends the exchange.
  using event_sink = std::function<bool(std::string_view data)>;

  /// One exchange on a connection of its own. Leaving before the answer is whole closes the
  /// connection, which the gateway takes as cancellation.
  /// @param fields header lines, each with its CRLF, beside those of framing
  /// @errors unreachable, timed_out, bad_answer
  [[nodiscard]] result<http_answer> get(std::string_view path, time_point deadline);
  [[nodiscard]] result<http_answer> post(std::string_view path, std::string_view fields,
                                         std::string_view body, const event_sink& on_event,
                                         time_point deadline);
  [[nodiscard]] result<http_answer> put(std::string_view path, std::string_view body,
                                        time_point deadline);
  [[nodiscard]] result<http_answer> del(std::string_view path, time_point deadline);

  [[nodiscard]] const net::endpoint& address() const noexcept { return at_; }
  [[nodiscard]] time_point now() const noexcept { return time_.now(); }

 private:
  [[nodiscard]] result<http_answer> exchange(std::string_view request, const event_sink& on_event,
                                             time_point deadline);

  net::endpoint at_;
  const clock& time_;
};

/// `HOST:PORT`, or the `http://HOST:PORT` or `http://HOST:PORT/mcp` that clients are given.
/// @errors bad_answer; the message says what was expected
[[nodiscard]] result<net::endpoint> parse_gateway_address(std::string_view text);

/// A path segment with everything but unreserved characters as %XX.
[[nodiscard]] std::string percent_encode(std::string_view segment);

} // namespace nexus::cli

template <>
struct std::is_error_code_enum<nexus::cli::errc> : std::true_type {};
