#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/mock/options.hpp"
#include "mcp/message.hpp"
#include "mcp/revision.hpp"

namespace nexus::mock {

/// What a message is answered with.
struct reply {
  enum class kind : std::uint8_t {
    answered,
    initialized, ///< answered, and a session begins
    accepted,    ///< nothing is answered: a notification, or a response
    malformed,   ///< no JSON-RPC message; the answer is an error
  };
  kind what = kind::accepted;
  nanoseconds delay{0}; ///< the answer waits for so long
  bool dropped = false; ///< the connection ends in place of an answer
  bool modern = false;  ///< the message was of the modern era
  std::string body;     ///< JSON; empty when nothing is answered
};

/// One MCP server of the fleet, without a transport. Its tools return their arguments, as text and
/// as structured content.
class mcp_server {
 public:
  /// @lifetime `settings` outlives it
  mcp_server(const options& settings, std::uint32_t number);

  /// @pre json::padding_bytes are readable after `padded_text`
  [[nodiscard]] reply answer(std::string_view padded_text);

 private:
  [[nodiscard]] bool serves(mcp::era era) const noexcept;
  void answer_request(reply& out);
  void call(reply& out);
  void list(reply& out);
  void initialize(reply& out);
  void discover(reply& out);
  /// `members` of the result, completed by what its era wants.
  void put_result(reply& out, std::string_view members);
  void put_error(reply& out, mcp::errc code, std::string_view text);

  const options& settings_;
  std::uint32_t number_;
  std::uint64_t calls_ = 0;
  json::scanner scanner_;
  mcp::message message_;
};

} // namespace nexus::mock
