#include "mcp/message.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "base/limits.hpp"

namespace nexus::mcp {
namespace {

enum class envelope_key : std::uint8_t { jsonrpc, id, method, params, result, error };

// In the order of the enumerations.
constexpr std::string_view envelope_names[] = {"jsonrpc", "id",     "method",
                                               "params",  "result", "error"};
constexpr std::string_view param_names[] = {
    "name",       "arguments", "uri",           "cursor",          "level",
    "requestId",  "reason",    "progressToken", "inputResponses",  "requestState",
    "ref",        "argument",  "notifications", "protocolVersion", "capabilities",
    "clientInfo", "taskId",    "_meta"};
constexpr std::string_view meta_names[] = {"io.modelcontextprotocol/protocolVersion",
                                           "io.modelcontextprotocol/clientInfo",
                                           "io.modelcontextprotocol/clientCapabilities",
                                           "io.modelcontextprotocol/logLevel",
                                           "progressToken",
                                           "traceparent",
                                           "tracestate",
                                           "baggage"};
constexpr std::string_view result_names[] = {"resultType",        "_meta",         "ttlMs",
                                             "cacheScope",        "nextCursor",    "isError",
                                             "protocolVersion",   "capabilities",  "serverInfo",
                                             "instructions",      "inputRequests", "requestState",
                                             "structuredContent", "taskId"};
constexpr std::string_view error_names[] = {"code", "message", "data"};
constexpr std::string_view client_info_names[] = {"name", "version"};
static_assert(std::size(param_names) == static_cast<std::size_t>(param_key::count));
static_assert(std::size(meta_names) == static_cast<std::size_t>(meta_key::count));
static_assert(std::size(result_names) == static_cast<std::size_t>(result_key::count));
static_assert(std::size(error_names) == static_cast<std::size_t>(error_key::count));
static_assert(std::size(client_info_names) == static_cast<std::size_t>(client_info_key::count));

/// The names of one kind of object, found by a hash without collisions. The compiler looks for its
/// factor.
class key_table {
 public:
  static constexpr std::size_t slots_count = 64;

  consteval explicit key_table(std::span<const std::string_view> names) : names_(names) {
    while (!place_all())
      ++factor_;
  }
  [[nodiscard]] constexpr std::optional<std::size_t> index_of(std::string_view key) const noexcept {
    if (key.empty())
      return std::nullopt;
    const std::size_t index = slots_[slot_of(key)];
    if (index >= names_.size() || names_[index] != key)
      return std::nullopt;
    return index;
  }
  [[nodiscard]] constexpr std::span<const std::string_view> names() const noexcept {
    return names_;
  }

 private:
  static constexpr std::uint8_t vacant = 0xff;

  [[nodiscard]] constexpr std::size_t slot_of(std::string_view key) const noexcept {
    const auto byte = [key](std::size_t index) {
      return std::uint32_t{static_cast<unsigned char>(key[index])};
    };
    const auto size = static_cast<std::uint32_t>(key.size());
    const std::uint32_t mixed = size << 16 | byte(size - 1) << 8 | byte(size / 2);
    return mixed * factor_ >> 26;
  }
  constexpr bool place_all() {
    slots_.fill(vacant);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      auto& slot = slots_[slot_of(names_[i])];
      if (slot != vacant)
        return false;
      slot = static_cast<std::uint8_t>(i);
    }
    return true;
  }

  std::span<const std::string_view> names_;
  std::uint32_t factor_ = 0x9e3779b1u;
  std::array<std::uint8_t, slots_count> slots_{};
};

constexpr key_table envelope_keys(envelope_names), param_keys(param_names), meta_keys(meta_names),
    client_info_keys(client_info_names), result_keys(result_names), error_keys(error_names);

constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// True if `key` equals `known` under Unicode's simple case folding. Apart from ASCII's own cases
/// only U+017F (long s) and U+212A (Kelvin sign) fold to ASCII.
bool folds_to(std::string_view key, std::string_view known) noexcept {
  for (const char expected : known) {
    char folded = 0;
    if (key.starts_with("\xC5\xBF")) {
      folded = 's';
      key.remove_prefix(2);
    } else if (key.starts_with("\xE2\x84\xAA")) {
      folded = 'k';
      key.remove_prefix(3);
    } else if (!key.empty()) {
      folded = to_lower(key[0]);
      key.remove_prefix(1);
    }
    if (folded != to_lower(expected))
      return false;
  }
  return key.empty();
}

bool folds_to_any(std::string_view key, std::span<const std::string_view> known) noexcept {
  return std::any_of(known.begin(), known.end(),
                     [&](std::string_view name) { return folds_to(key, name); });
}

/// Sorts the members of a message into their places. Mistakes of the message's shape are noted and
/// reading goes on, so that the error reply can carry an id that comes later.
class reader final : public json::visitor {
 public:
  explicit reader(message& into) : into_(into) {}

  step on_key(unsigned depth, std::string_view key, json::kind type) override;
  void on_member(unsigned depth, const json::member& found) override;

  /// The verdict on the whole message, once it is read.
  result<> finish();
  /// Where a scan that failed stood: the class of errors that a bad key there belongs to.
  errc error_of_place() const noexcept {
    return is_of_params() ? errc::invalid_params : errc::invalid_request;
  }

 private:
  /// The object whose members are being read.
  enum class place : std::uint8_t { envelope, params, meta, client_info, result, error };

  step on_envelope_key(std::optional<std::size_t> index, json::kind type);
  void on_envelope_member(envelope_key key, json::slice value);
  void read_id(json::slice value);
  void read_method(json::slice value);
  void has(message_part part) noexcept { into_.parts |= static_cast<std::uint8_t>(part); }
  template <class Key>
  static void store(members<Key>& object, std::optional<std::size_t> index,
                    const json::member& found);

  const key_table& keys_here() const noexcept;
  bool is_of_params() const noexcept {
    return place_ == place::params || place_ == place::meta || place_ == place::client_info;
  }
  /// Whether a name that resembles one of ours may be one to another parser that decides on it.
  bool refuses_lookalikes() const noexcept {
    return place_ == place::envelope || place_ == place::params || place_ == place::meta;
  }
  void refuse_request(const char* why) noexcept {
    if (request_error_ == nullptr)
      request_error_ = why;
  }
  void refuse_params(const char* why) noexcept {
    if (params_error_ == nullptr)
      params_error_ = why;
  }

  message& into_;
  place place_ = place::envelope;
  std::array<std::optional<std::size_t>, 4> index_{}; // of the key being read, by depth
  bool has_jsonrpc_ = false;
  bool has_method_ = false;
  bool has_null_id_ = false;
  bool has_id_ = false;
  const char* request_error_ = nullptr; // the first of each class
  const char* params_error_ = nullptr;
};

const key_table& reader::keys_here() const noexcept {
  switch (place_) {
  case place::envelope:
    return envelope_keys;
  case place::params:
    return param_keys;
  case place::meta:
    return meta_keys;
  case place::client_info:
    return client_info_keys;
  case place::result:
    return result_keys;
  case place::error:
    break;
  }
  return error_keys;
}

json::visitor::step reader::on_key(unsigned depth, std::string_view key, json::kind type) {
  const auto& known = keys_here();
  const auto index = known.index_of(key);
  index_[depth] = index;
  if (!index && refuses_lookalikes() && folds_to_any(key, known.names())) {
    if (place_ == place::envelope)
      refuse_request("a member name differs from the protocol's only in case");
    else
      refuse_params("a name in params differs from the protocol's only in case");
  }
  if (place_ == place::envelope)
    return on_envelope_key(index, type);
  if (place_ == place::params && index == static_cast<std::size_t>(param_key::meta)) {
    if (type == json::kind::object) {
      place_ = place::meta;
      return step::enter;
    }
    refuse_params("_meta must be an object");
  }
  if (place_ == place::meta && index == static_cast<std::size_t>(meta_key::client_info) &&
      type == json::kind::object) {
    place_ = place::client_info;
    return step::enter;
  }
  return step::take;
}

json::visitor::step reader::on_envelope_key(std::optional<std::size_t> index, json::kind type) {
  if (!index)
    return step::take;
  switch (static_cast<envelope_key>(*index)) {
  case envelope_key::params:
    if (type != json::kind::object) {
      refuse_params("params must be an object");
      return step::take;
    }
    place_ = place::params;
    return step::enter;
  case envelope_key::result:
    if (type != json::kind::object)
      return step::take;
    place_ = place::result;
    return step::enter;
  case envelope_key::error:
    if (type != json::kind::object) {
      refuse_request("error must be an object");
      return step::take;
    }
    place_ = place::error;
    return step::enter;
  case envelope_key::jsonrpc:
  case envelope_key::id:
  case envelope_key::method:
    break;
  }
  return step::take;
}

void reader::on_member(unsigned depth, const json::member& found) {
  const auto index = index_[depth];
  if (depth == 0) {
    place_ = place::envelope;
    if (index)
      on_envelope_member(static_cast<envelope_key>(*index), found.value);
    return;
  }
  if (depth == 1 && place_ == place::meta) {
    place_ = place::params;
    has(message_part::meta);
    into_.meta.whole = found.value;
  }
  if (depth == 2 && place_ == place::client_info)
    place_ = place::meta;
  switch (place_) {
  case place::params:
    has(message_part::params);
    return store(into_.params, index, found);
  case place::meta:
    has(message_part::meta);
    return store(into_.meta, index, found);
  case place::client_info:
    if (!index)
      return; // of no use apart from the whole
    has(message_part::client_info);
    return store(into_.client_info, index, found);
  case place::result:
    has(message_part::result);
    return store(into_.result, index, found);
  case place::error:
    has(message_part::error);
    return store(into_.error, index, found);
  case place::envelope:
    NEXUS_ASSERT(false && "members below the envelope belong to an object that was entered");
  }
}

template <class Key>
void reader::store(members<Key>& object, std::optional<std::size_t> index,
                   const json::member& found) {
  if (index)
    object.set(static_cast<Key>(*index), {found.value, found.span});
  else
    object.add_other({found.value, found.span});
}

void reader::on_envelope_member(envelope_key key, json::slice value) {
  switch (key) {
  case envelope_key::jsonrpc:
    has_jsonrpc_ = true;
    if (value.raw != "\"2.0\"")
      refuse_request("jsonrpc must be \"2.0\"");
    return;
  case envelope_key::id:
    return read_id(value);
  case envelope_key::method:
    return read_method(value);
  case envelope_key::params:
    has(message_part::params);
    into_.params.whole = value;
    return;
  case envelope_key::result:
    has(message_part::result);
    into_.result.whole = value;
    return;
  case envelope_key::error:
    has(message_part::error);
    into_.error.whole = value;
    return;
  }
}

void reader::read_id(json::slice value) {
  has_id_ = true;
  if (value.is(json::kind::null)) {
    has_null_id_ = true;
  } else if (value.raw.size() > limits::request_id_bytes_max) {
    refuse_request("id is too long");
  } else if (value.is(json::kind::string) ||
             (value.is(json::kind::number) && json::to_int64(value))) {
    into_.id = value;
  } else {
    refuse_request("id must be a string or an integer");
  }
}

void reader::read_method(json::slice value) {
  has_method_ = true;
  // An escape writes one byte with six.
  constexpr std::size_t raw_bytes_max = 6 * limits::name_bytes_max + 2;
  if (!value.is(json::kind::string))
    return refuse_request("method must be a string");
  if (value.raw.size() > raw_bytes_max)
    return refuse_request("method is too long");
  const std::string_view name = json::unquote(value, into_.method);
  if (name.data() != into_.method.data())
    into_.method.assign(name);
  if (into_.method.empty())
    return refuse_request("method is empty");
  if (into_.method.size() > limits::name_bytes_max)
    return refuse_request("method is too long");
}

result<> reader::finish() {
  const bool has_result = static_cast<bool>(into_.result.whole);
  const bool has_error = static_cast<bool>(into_.error.whole);
  if (!has_jsonrpc_)
    refuse_request("jsonrpc is missing");
  if (has_method_) {
    if (has_result || has_error)
      refuse_request("a method excludes a result and an error");
    into_.kind = has_id_ ? message_kind::request : message_kind::notification;
  } else {
    if (has_result == has_error)
      refuse_request("one of method, result and error must be there");
    if (into_.params.whole)
      refuse_request("params need a method");
    if (has_result && !has_id_)
      refuse_request("a result needs an id");
    into_.kind = has_error ? message_kind::error_response : message_kind::response;
  }
  if (has_null_id_ && into_.kind != message_kind::error_response)
    refuse_request("id must not be null");
  if (request_error_ != nullptr)
    return fail(make_error_code(errc::invalid_request), request_error_);
  if (params_error_ != nullptr)
    return fail(make_error_code(errc::invalid_params), params_error_);
  return {};
}

/// The error of the message for an error of its JSON.
std::unexpected<error> scan_failure(error&& cause, errc at_place) {
  errc code = errc::internal_error;
  if (cause.code == json::errc::malformed || cause.code == json::errc::too_deep)
    code = errc::parse_error;
  else if (cause.code == json::errc::duplicate_key || cause.code == json::errc::too_many_members)
    code = at_place;
  else if (cause.code == json::errc::wrong_type)
    return fail(make_error_code(errc::invalid_request), "a message must be an object");
  return fail(make_error_code(code), std::move(cause.message), std::move(cause.detail));
}

} // namespace

// Most messages have one or two of the five; not to look at the others spares the lines of memory
// that they are in.
template <class Key>
void message::clear_part(message_part which, members<Key>& of) noexcept {
  if ((parts & static_cast<std::uint8_t>(which)) != 0)
    of.clear();
  else
    NEXUS_DASSERT(of.is_clear());
}

void message::clear() noexcept {
  kind = message_kind::notification;
  id = {};
  method.clear();
  clear_part(message_part::params, params);
  clear_part(message_part::meta, meta);
  clear_part(message_part::client_info, client_info);
  clear_part(message_part::result, result);
  clear_part(message_part::error, error);
  parts = 0;
}

result<> parse_message(std::string_view padded_text, json::scanner& scanner, message& into) {
  into.clear();
  reader members(into);
  if (auto scanned = scanner.scan_object(padded_text, members); !scanned)
    return scan_failure(std::move(scanned.error()), members.error_of_place());
  return members.finish();
}

bool is_batch(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '[';
}

} // namespace nexus::mcp
