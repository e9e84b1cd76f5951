#pragma once

#include <string>
#include <string_view>

namespace nexus::bench {

enum class echo_era { legacy, modern, both };

struct echo_settings {
  echo_era speaks = echo_era::both;
  int tools_count = 1;
  std::string_view session_id; ///< given out by initialize over HTTP when not empty
};

/// Answers MCP messages: the protocol half of the mock server, without a transport.
class echo_answerer {
 public:
  explicit echo_answerer(const echo_settings& settings);

  /// What a message got.
  enum class kind {
    answered,    ///< `body` holds the JSON-RPC answer
    initialized, ///< the same, to `initialize`
    accepted,    ///< a notification or a response: no body
    malformed,   ///< not a JSON object with a method
  };

  /// Reads one message and, when it wants an answer, replaces `body` with it.
  kind answer(std::string_view message, std::string& body) const;

 private:
  void answer_call(std::string_view id, std::string_view params, bool modern,
                   std::string& body) const;

  echo_era speaks_;
  std::string tools_legacy_;
  std::string tools_modern_;
};

} // namespace nexus::bench
