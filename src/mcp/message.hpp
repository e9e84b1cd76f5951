#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "base/result.hpp"
#include "mcp/error_table.hpp"
#include "json/scan.hpp"

/// One pass over a JSON-RPC message finds what a gateway reads or rewrites. Everything else stays
/// a byte range of the text that it came in, to be forwarded unchanged.
namespace nexus::mcp {

/// The members of params that have a meaning to the gateway, by their JSON names in comments where
/// these differ. Each means what it means for the method at hand.
enum class param_key : std::uint8_t {
  name,
  arguments,
  uri,
  cursor,
  level,
  request_id, ///< requestId, of notifications/cancelled
  reason,
  progress_token,  ///< progressToken, of notifications/progress
  input_responses, ///< inputResponses
  request_state,   ///< requestState
  ref,
  argument,
  notifications,    ///< the filter of subscriptions/listen
  protocol_version, ///< protocolVersion, of initialize
  capabilities,
  client_info, ///< clientInfo, of initialize
  task_id,     ///< taskId, of the tasks extension
  meta,        ///< _meta, an object when present; its members are in message::meta
  count,
};

/// The members of params._meta; the first four are prefixed with io.modelcontextprotocol/.
enum class meta_key : std::uint8_t {
  protocol_version,
  client_info,
  client_capabilities,
  log_level,
  progress_token,
  traceparent,
  tracestate,
  baggage,
  count,
};

/// The members of result that differ between revisions.
enum class result_key : std::uint8_t {
  result_type,
  meta, ///< _meta
  ttl_ms,
  cache_scope,
  next_cursor,
  is_error,
  protocol_version, ///< protocolVersion, of initialize
  capabilities,
  server_info, ///< serverInfo, of initialize
  instructions,
  input_requests,     ///< inputRequests
  request_state,      ///< requestState
  structured_content, ///< structuredContent
  task_id,            ///< taskId, of the tasks extension
  count,
};

enum class error_key : std::uint8_t { code, message, data, count };

/// The members of _meta's clientInfo that must be there.
enum class client_info_key : std::uint8_t { name, version, count };

/// A member as it stands in the text.
struct field {
  json::slice value;
  std::string_view span; ///< `"key":value`, from the key's quote to the end of the value

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(value); }
};

/// The members of one object: the known ones by key, the others in document order.
template <class Key>
class members {
 public:
  /// The whole object; absent when the message has none.
  json::slice whole;

  /// The value under `key`, or an absent slice.
  [[nodiscard]] json::slice operator[](Key key) const noexcept { return at(key).value; }
  /// Value and span under `key`, or an absent field.
  [[nodiscard]] field at(Key key) const noexcept { return has(key) ? known_[index(key)] : field{}; }
  [[nodiscard]] bool has(Key key) const noexcept { return (present_ >> index(key) & 1u) != 0; }
  /// Members that are not in Key, for forwarding.
  [[nodiscard]] const std::vector<field>& others() const noexcept { return others_; }
  /// True for an object without any member, and for no object.
  [[nodiscard]] bool empty() const noexcept { return present_ == 0 && others_.empty(); }

  void set(Key key, const field& found) noexcept {
    known_[index(key)] = found;
    present_ |= 1u << index(key);
  }
  void add_other(const field& found) { others_.push_back(found); }
  [[nodiscard]] bool is_clear() const noexcept { return !whole && empty(); }
  /// Forgets the members and keeps the memory.
  void clear() noexcept {
    whole = {};
    present_ = 0;
    others_.clear();
  }

 private:
  static constexpr std::size_t count = static_cast<std::size_t>(Key::count);
  static_assert(count <= 32, "present_ has a bit for each");

  static std::size_t index(Key key) noexcept {
    NEXUS_DASSERT(key < Key::count);
    return static_cast<std::size_t>(key);
  }

  std::uint32_t present_ = 0;
  std::vector<field> others_;
  std::array<field, count> known_; // meaningful only where present_ has the bit
};

enum class message_kind : std::uint8_t {
  request,        ///< method and id
  notification,   ///< method without id
  response,       ///< result and id
  error_response, ///< error; the id is absent when the peer could not read ours
};

/// The objects of a message whose members are told apart; a bit each.
enum class message_part : std::uint8_t {
  params = 1,
  meta = 2,
  client_info = 4,
  result = 8,
  error = 16
};

/// One JSON-RPC message. Its slices die with the text that was parsed.
struct message {
  message_kind kind = message_kind::notification;
  std::uint8_t parts = 0; ///< the message_parts that may hold something; the others are clear
  json::slice id;         ///< a string or an integer within int64, as it was written
  std::string method;     ///< unescaped; empty in responses
  members<param_key> params;
  members<meta_key> meta;               ///< of params._meta
  members<client_info_key> client_info; ///< of params._meta's clientInfo, without the others
  members<result_key> result;           ///< `whole` may be of any type: peers answer ping with null
  members<error_key> error;

  /// Forgets everything and keeps the memory.
  void clear() noexcept;

 private:
  template <class Key>
  void clear_part(message_part which, members<Key>& of) noexcept;
};

/// Parses one JSON-RPC message into `into`, whose memory is reused.
///
/// Refused are duplicate keys in the message, params, _meta, result and error; keys of the message,
/// params and _meta that equal a known one but for case (the folds of U+017F and U+212A included),
/// since another parser might take them for it; ids that are no string and no integer as written
/// (1.0 and 1e3 are refused) or longer than limits::request_id_bytes_max; a method together with a
/// result or an error; both of the latter. An error response may lack its id or say null.
/// Unknown members beside jsonrpc, id, method, params, result and error are validated and dropped.
///
/// On failure `into.id` is present if a valid id was read, and `into.method` likewise, for the
/// error reply; nothing else of `into` may be used. Reading goes on after a mistake, so that a
/// later id is found, but not after broken JSON or a duplicate key.
/// @pre json::padding_bytes are readable after `padded_text`
/// @errors parse_error (not JSON, nested too deeply), invalid_request (no message that MCP allows),
///         invalid_params (params or _meta is no object, or has a key refused as above)
/// @cost one pass; no allocation once `into` has grown to the traffic
[[nodiscard]] result<> parse_message(std::string_view padded_text, json::scanner& scanner,
                                     message& into);

/// True if the first byte that is not white space opens an array: a JSON-RPC batch.
[[nodiscard]] bool is_batch(std::string_view text) noexcept;

} // namespace nexus::mcp
