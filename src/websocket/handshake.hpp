#pragma once

#include <string>
#include <system_error>

#include "base/result.hpp"
#include "http/message.hpp"

/// WebSocket, the server's side, without I/O. No extension is offered: compressed messages cost
/// more than they save here, and a small one can grow without bound. @source RFC 6455
namespace nexus::websocket {

enum class errc {
  bad_upgrade = 1,  ///< 400: a request that is no handshake
  bad_version,      ///< 426: another protocol version than 13
  protocol_error,   ///< 1002: frames that RFC 6455 forbids
  bad_text,         ///< 1007: a text that is not UTF-8
  unsupported_data, ///< 1003: a binary message
  too_large,        ///< 1009: a message beyond its limit, or in too many fragments
  flood,            ///< 1008: control frames without measure
};
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// True when a request asks to become a WebSocket, well or badly: check_upgrade() tells.
[[nodiscard]] bool wants_upgrade(const http::request& request) noexcept;

struct upgrade {
  std::string accept; ///< proves that the handshake was understood
  bool mcp = false;   ///< the client offers the subprotocol `mcp`, so the answer names it
};

/// Checks a handshake. Host and Origin are the caller's to check, as for any request: a browser
/// lets every page open WebSockets.
/// @errors bad_upgrade, bad_version. The connection ends with the answer: what follows may be
/// frames.
[[nodiscard]] result<upgrade> check_upgrade(const http::request& request);

/// Appends the 101 answer. Behind it both directions are frames.
void append_upgrade_answer(std::string& out, const upgrade& agreed);

/// The status that refuses a handshake. 426 wants the fields of append_version_fields().
[[nodiscard]] unsigned refusal_status(const error& failure) noexcept;
/// Appends the header fields that tell which version is spoken. @source RFC 6455 s4.4
void append_version_fields(std::string& out);

} // namespace nexus::websocket

template <>
struct std::is_error_code_enum<nexus::websocket::errc> : std::true_type {};
