/// A Streamable HTTP server of revision 2026-07-28, the stateless one: every request carries its
/// protocol version and the client's capabilities, in `_meta` and in headers that must agree with
/// it. Its tools are a key-value memory, shared by all clients and lost when the server ends.

#include <array>
#include <map>
#include <mutex>

#include "http_server.hpp"
#include "support.hpp"

namespace nexus::samples {
namespace {

// ---- The memory ------------------------------------------------------------------------------

constexpr std::size_t keys_max = 1000;
constexpr std::size_t key_bytes_max = 128;
constexpr std::size_t value_bytes_max = 64 * 1024;
constexpr std::int64_t results_max = 1000;

/// Every member is one tool.
class memory {
 public:
  json set(const json& arguments) {
    const std::string key = arguments.at("key"), value = arguments.at("value");
    if (key.empty() || key.size() > key_bytes_max)
      throw tool_failure("a key has 1 to " + std::to_string(key_bytes_max) + " bytes");
    if (value.size() > value_bytes_max)
      throw tool_failure("a value has at most " + std::to_string(value_bytes_max) + " bytes");
    const std::lock_guard lock(mutex_);
    const auto found = values_.find(key);
    const bool replaced = found != values_.end();
    if (!replaced && values_.size() >= keys_max)
      throw tool_failure("the memory is full; delete a key first");
    values_[key] = value;
    return {{"key", key}, {"replaced", replaced}, {"count", values_.size()}};
  }

  json get(const json& arguments) {
    const std::string key = arguments.at("key");
    const std::lock_guard lock(mutex_);
    const auto found = values_.find(key);
    if (found == values_.end())
      throw tool_failure("there is no key '" + key + "'");
    return {{"key", key}, {"value", found->second}};
  }

  json list(const json& arguments) {
    const std::string prefix = arguments.value("prefix", "");
    return matching(limit_of(arguments), [&](const std::string& key, const std::string&) {
      return key.compare(0, prefix.size(), prefix) == 0;
    });
  }

  json search(const json& arguments) {
    const std::string text = arguments.at("text");
    return matching(limit_of(arguments), [&](const std::string& key, const std::string& value) {
      return key.find(text) != std::string::npos || value.find(text) != std::string::npos;
    });
  }

  json remove(const json& arguments) {
    const std::string key = arguments.at("key");
    const std::lock_guard lock(mutex_);
    const bool deleted = values_.erase(key) != 0;
    return {{"key", key}, {"deleted", deleted}, {"count", values_.size()}};
  }

 private:
  static std::int64_t limit_of(const json& arguments) {
    const auto limit = arguments.value("limit", std::int64_t{100});
    if (limit < 1 || limit > results_max)
      throw tool_failure("limit must lie between 1 and " + std::to_string(results_max));
    return limit;
  }

  template <class Predicate>
  json matching(std::int64_t limit, Predicate matches) {
    const std::lock_guard lock(mutex_);
    json keys = json::array();
    std::int64_t total = 0;
    for (const auto& [key, value] : values_)
      if (matches(key, value) && ++total <= limit)
        keys.push_back({{"key", key}, {"bytes", value.size()}});
    return {{"keys", std::move(keys)}, {"total", total}};
  }

  std::mutex mutex_;
  std::map<std::string, std::string> values_;
};

// ---- Tools -----------------------------------------------------------------------------------

std::vector<tool> make_tools(memory& store) {
  const json string{{"type", "string"}}, integer{{"type", "integer"}}, boolean{{"type", "boolean"}};
  const json key{{"type", "string"}, {"description", "a name of up to 128 bytes"}};
  const json limit{{"type", "integer"}, {"description", "1 to 1000, 100 by default"}};
  const json keys = output_schema(
      {{"keys",
        {{"type", "array"}, {"items", output_schema({{"key", string}, {"bytes", integer}})}}},
       {"total", integer}});
  const json changes{{"readOnlyHint", false},
                     {"destructiveHint", true},
                     {"idempotentHint", true},
                     {"openWorldHint", false}};
  return {
      {"set_value", "Remember a value", "Stores a text under a key; replaces what was there.",
       object_schema({{"key", key}, {"value", string}}, {"key", "value"}),
       output_schema({{"key", string}, {"replaced", boolean}, {"count", integer}}), changes,
       [&store](const json& arguments) { return store.set(arguments); }},
      {"get_value", "Recall a value", "Tells the text that is stored under a key.",
       object_schema({{"key", key}}, {"key"}), output_schema({{"key", string}, {"value", string}}),
       read_only(), [&store](const json& arguments) { return store.get(arguments); }},
      {"list_keys", "List keys", "Lists the keys, all or those that begin with a text.",
       object_schema({{"prefix", string}, {"limit", limit}}, {}), keys, read_only(),
       [&store](const json& arguments) { return store.list(arguments); }},
      {"search", "Search", "Lists the keys whose name or value contains a text.",
       object_schema({{"text", string}, {"limit", limit}}, {"text"}), keys, read_only(),
       [&store](const json& arguments) { return store.search(arguments); }},
      {"delete_key", "Forget a value", "Deletes a key and its value.",
       object_schema({{"key", key}}, {"key"}),
       output_schema({{"key", string}, {"deleted", boolean}, {"count", integer}}), changes,
       [&store](const json& arguments) { return store.remove(arguments); }},
  };
}

// ---- Revision 2026-07-28 ---------------------------------------------------------------------

const std::string version = "2026-07-28";
const std::string meta_prefix = "io.modelcontextprotocol/";

/// A failure with the HTTP status that it is told with.
struct http_failure {
  unsigned status;
  protocol_failure error;
};

[[noreturn]] void fail(unsigned status, int code, const std::string& text, json data = nullptr) {
  throw http_failure{status, protocol_failure(code, text, std::move(data))};
}

/// Decodes standard base64 with padding; anything else is no value.
std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0)
    return std::nullopt;
  const std::size_t padding = text.size() - std::min(text.find_last_not_of('=') + 1, text.size());
  if (padding > 2)
    return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t group = 0;
    for (std::size_t k = i; k < i + 4; ++k) {
      const bool pads = k >= text.size() - padding;
      const std::size_t digit = pads ? 0 : alphabet.find(text[k]);
      if (digit == std::string_view::npos)
        return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    for (const int shift : {16, 8, 0})
      bytes += static_cast<char>(group >> shift & 0xFF);
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

/// Header values that are not plain text travel as `=?base64?...?=`.
std::string decode_header(const std::string& value) {
  constexpr std::string_view begin = "=?base64?", end = "?=";
  const std::string_view text = value;
  if (text.size() < begin.size() + end.size() || text.substr(0, begin.size()) != begin ||
      text.substr(text.size() - end.size()) != end)
    return value;
  const auto decoded =
      decode_base64(text.substr(begin.size(), text.size() - begin.size() - end.size()));
  if (!decoded)
    fail(400, header_mismatch, "a header is not valid base64");
  return *decoded;
}

/// The version that a request names in its `_meta`, which must be complete.
std::string envelope_version(const json& message) {
  const json params = message.value("params", json::object());
  const auto meta = params.find("_meta");
  if (meta == params.end() || !meta->is_object())
    fail(400, invalid_params, "params._meta is missing; this server speaks " + version);
  const auto named = meta->find(meta_prefix + "protocolVersion");
  if (named == meta->end() || !named->is_string())
    fail(400, invalid_params, "_meta needs " + meta_prefix + "protocolVersion");
  const auto capabilities = meta->find(meta_prefix + "clientCapabilities");
  if (capabilities == meta->end() || !capabilities->is_object())
    fail(400, invalid_params, "_meta needs " + meta_prefix + "clientCapabilities");
  return *named;
}

void check_version(const json& message, const http_request& request) {
  const json supported{{"supported", {version}}};
  const std::string header = request.header("mcp-protocol-version");
  if (message.at("method") == "initialize" && header != version)
    fail(400, unsupported_version, "this server has no initialize; it speaks " + version,
         supported);
  const std::string named = envelope_version(message);
  if (header != named)
    fail(400, header_mismatch, "MCP-Protocol-Version and _meta do not agree");
  if (named != version)
    fail(400, unsupported_version, "this server speaks " + version,
         {{"supported", {version}}, {"requested", named}});
}

/// The headers repeat the body, so that proxies need not read it; here they have to agree.
void check_headers(const json& message, const http_request& request) {
  const std::string method = message.at("method");
  if (request.header("mcp-method") != method)
    fail(400, header_mismatch, "Mcp-Method and the body's method do not agree");
  if (method != "tools/call")
    return;
  const json name = message.at("params").value("name", json());
  if (name.is_string() && decode_header(request.header("mcp-name")) != name.get<std::string>())
    fail(400, header_mismatch, "Mcp-Name and params.name do not agree");
}

json run(const server& self, const json& message) {
  const std::string method = message.at("method");
  if (method == "server/discover")
    return {{"supportedVersions", {version}},
            {"capabilities", {{"tools", json::object()}}},
            {"instructions", self.instructions},
            {"ttlMs", 3'600'000},
            {"cacheScope", "public"}};
  if (method == "tools/list") {
    json result = self.list_tools();
    result["ttlMs"] = 3'600'000;
    result["cacheScope"] = "public";
    return result;
  }
  if (method == "tools/call")
    return self.call_tool(message.at("params"));
  fail(404, method_not_found, "unknown method '" + method + "'");
}

http_response handle(const server& self, const http_request& request) {
  if (request.method != "POST")
    return {405, "", {{"Allow", "POST"}}};
  const json message = json::parse(request.body, nullptr, false);
  if (message.is_discarded())
    return {400, make_error(nullptr, parse_error, "not JSON").dump(), {}};
  unsigned status = 400;
  try {
    const message_kind kind = classify(message);
    if (kind == message_kind::response)
      throw protocol_failure(invalid_request, "this server asks nothing");
    if (kind == message_kind::notification)
      return {202, "", {}};
    check_version(message, request);
    check_headers(message, request);
    status = 200; // what goes wrong from here on is an answer
    json result = run(self, message);
    result["resultType"] = "complete";
    result["_meta"] = {{meta_prefix + "serverInfo", self.implementation()}};
    return {200, make_result(message.at("id"), std::move(result)).dump(), {}};
  } catch (const http_failure& failure) {
    const protocol_failure& error = failure.error;
    return {failure.status,
            make_error(id_of(message), error.code, error.what(), error.data).dump(),
            {}};
  } catch (const protocol_failure& error) {
    return {status, make_error(id_of(message), error.code, error.what(), error.data).dump(), {}};
  }
}

int run(int argc, char** argv) {
  const std::uint16_t port = port_from_arguments(argc, argv);
  memory store;
  const server self{"nexus-sample-memory", "Memory", "1.0.0",
                    "Remembers texts under keys. All clients share one memory.", make_tools(store)};
  try {
    serve_http(port, [&self](const http_request& request) { return handle(self, request); });
  } catch (const std::exception& error) {
    log_line(std::string("memory: ") + error.what());
    return 1;
  }
}

} // namespace
} // namespace nexus::samples

int main(int argc, char** argv) {
  return nexus::samples::run(argc, argv);
}
