#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.hpp"
#include "mcp/message.hpp"

using namespace nexus;
using mcp::errc;
using mcp::message_kind;
using mcp::meta_key;
using mcp::param_key;
using mcp::result_key;

namespace {

std::atomic<std::size_t> allocations{0};

} // namespace

// Counts allocations for the promise that parsing makes none once it is warm. Sanitizers bring
// their own operators, which must stay.
#ifndef NEXUS_SANITIZED
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size))
    return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif

namespace {

/// A message with the text that its slices point into, which ends exactly with its padding.
struct parsed {
  explicit parsed(std::string_view wire) : text(new char[wire.size() + json::padding_bytes]) {
    std::memcpy(text.get(), wire.data(), wire.size());
    std::memset(text.get() + wire.size(), '"', json::padding_bytes);
    outcome = mcp::parse_message({text.get(), wire.size()}, scanner, msg);
  }
  [[nodiscard]] bool failed_with(errc code) const {
    return !outcome && outcome.error().code == code && !outcome.error().message.empty();
  }

  std::unique_ptr<char[]> text;
  json::scanner scanner;
  mcp::message msg;
  result<> outcome;
};

std::string request_with(std::string_view members) {
  return R"({"jsonrpc":"2.0","id":1,"method":"tools/call",)" + std::string(members) + "}";
}

constexpr std::string_view modern_call =
    R"({"jsonrpc":"2.0","id":"r-1","method":"tools/call","params":{"name":"get_weather",)"
    R"("arguments":{"location":"Oslo","name":1},"x-vendor":{"a":[1]},"_meta":{)"
    R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},)"
    R"("io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},)"
    R"("io.modelcontextprotocol/logLevel":"info","progressToken":7,)"
    R"("traceparent":"00-1-2-01","tracestate":"k=v","baggage":"b=1","com.example/x": true}}})";

struct kind_row {
  const char* wire;
  message_kind kind;
  const char* id;
  const char* method;
};

const std::vector<kind_row> kind_rows = {
    {R"({"jsonrpc":"2.0","id":1,"method":"ping"})", message_kind::request, "1", "ping"},
    {R"({"jsonrpc":"2.0","id":0,"method":"ping"})", message_kind::request, "0", "ping"},
    {R"({"jsonrpc":"2.0","id":-5,"method":"ping"})", message_kind::request, "-5", "ping"},
    {R"({"jsonrpc":"2.0","id":9223372036854775807,"method":"ping"})", message_kind::request,
     "9223372036854775807", "ping"},
    {R"({"jsonrpc":"2.0","id":"","method":"ping"})", message_kind::request, R"("")", "ping"},
    {R"({"jsonrpc":"2.0","id":"a\"b","method":"ping"})", message_kind::request, R"("a\"b")",
     "ping"},
    {R"( { "method" : "ping" , "id" : "1" , "jsonrpc" : "2.0" } )", message_kind::request, R"("1")",
     "ping"},
    {R"({"jsonrpc":"2.0","id":1,"method":"tools\/l\u0069st","params":{}})", message_kind::request,
     "1", "tools/list"},
    {R"({"jsonrpc":"2.0","method":"notifications/initialized"})", message_kind::notification, "",
     "notifications/initialized"},
    {R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}})",
     message_kind::notification, "", "notifications/cancelled"},
    {R"({"jsonrpc":"2.0","id":1,"result":{}})", message_kind::response, "1", ""},
    {R"({"jsonrpc":"2.0","id":1,"result":null})", message_kind::response, "1", ""},
    {R"({"jsonrpc":"2.0","id":1,"result":[]})", message_kind::response, "1", ""},
    {R"({"id":1,"result":{"Meta":1,"_META":2},"jsonrpc":"2.0"})", message_kind::response, "1", ""},
    {R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}})",
     message_kind::error_response, "1", ""},
    {R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}})",
     message_kind::error_response, "", ""},
    {R"({"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}})", message_kind::error_response,
     "", ""},
    {R"({"jsonrpc":"2.0","id":1,"method":"ping","x":{"id":2,"id":3},"y":[1]})",
     message_kind::request, "1", "ping"},
};

struct refusal_row {
  const char* name;
  std::string wire;
  errc code;
  const char* id; ///< that an error reply can carry
};

const std::vector<refusal_row> refusal_rows = {
    // Not JSON.
    {"empty", "", errc::parse_error, ""},
    {"garbage", "hello", errc::parse_error, ""},
    {"cut", R"({"jsonrpc":"2.0","id":1,"method":"ping")", errc::parse_error, "1"},
    {"cut before the id", R"({"jsonrpc":"2.0",)", errc::parse_error, ""},
    {"two messages", R"({"jsonrpc":"2.0","id":1,"method":"a"}{})", errc::parse_error, "1"},
    {"BOM", "\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}", errc::parse_error, ""},
    {"invalid UTF-8", request_with("\"params\":{\"name\":\"\xff\"}"), errc::parse_error, ""},
    {"bad escape in arguments", request_with(R"("params":{"arguments":{"a":"\x"}})"),
     errc::parse_error, "1"},
    {"too deep",
     request_with("\"params\":{\"arguments\":" + std::string(200, '[') + std::string(200, ']') +
                  "}"),
     errc::parse_error, "1"},
    {"parse error wins over an earlier mistake", R"({"jsonrpc":"1.0","id":1,"method":2,"x":})",
     errc::parse_error, "1"},
    // Not a message.
    {"batch", R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", errc::invalid_request, ""},
    {"string", R"("ping")", errc::invalid_request, ""},
    {"null", "null", errc::invalid_request, ""},
    {"empty object", "{}", errc::invalid_request, ""},
    {"no jsonrpc", R"({"id":1,"method":"ping"})", errc::invalid_request, "1"},
    {"jsonrpc 1.0", R"({"jsonrpc":"1.0","id":1,"method":"ping"})", errc::invalid_request, "1"},
    {"jsonrpc number", R"({"jsonrpc":2.0,"id":1,"method":"ping"})", errc::invalid_request, "1"},
    {"jsonrpc null", R"({"jsonrpc":null,"id":1,"method":"ping"})", errc::invalid_request, "1"},
    {"jsonrpc with space", R"({"jsonrpc":"2.0 ","id":1,"method":"a"})", errc::invalid_request, "1"},
    {"id after the mistake", R"({"jsonrpc":"1.0","method":5,"id":"late"})", errc::invalid_request,
     "\"late\""},
    {"no method", R"({"jsonrpc":"2.0","id":1})", errc::invalid_request, "1"},
    {"method null", R"({"jsonrpc":"2.0","id":1,"method":null})", errc::invalid_request, "1"},
    {"method number", R"({"jsonrpc":"2.0","id":1,"method":1})", errc::invalid_request, "1"},
    {"method object", R"({"jsonrpc":"2.0","id":1,"method":{}})", errc::invalid_request, "1"},
    {"method empty", R"({"jsonrpc":"2.0","id":1,"method":""})", errc::invalid_request, "1"},
    {"method too long",
     R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(limits::name_bytes_max + 1, 'm') + "\"}",
     errc::invalid_request, "1"},
    {"method far too long",
     R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(100'000, 'm') + "\"}",
     errc::invalid_request, "1"},
    {"method and result", request_with(R"("result":{})"), errc::invalid_request, "1"},
    {"method and error", request_with(R"("error":{"code":1,"message":""})"), errc::invalid_request,
     "1"},
    {"result and error", R"({"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}})",
     errc::invalid_request, "1"},
    {"result and null error", R"({"jsonrpc":"2.0","id":1,"result":{},"error":null})",
     errc::invalid_request, "1"},
    {"result without id", R"({"jsonrpc":"2.0","result":{}})", errc::invalid_request, ""},
    {"result with null id", R"({"jsonrpc":"2.0","id":null,"result":{}})", errc::invalid_request,
     ""},
    {"result and params", R"({"jsonrpc":"2.0","id":1,"result":{},"params":{}})",
     errc::invalid_request, "1"},
    {"error string", R"({"jsonrpc":"2.0","id":1,"error":"no"})", errc::invalid_request, "1"},
    {"error null", R"({"jsonrpc":"2.0","id":1,"error":null})", errc::invalid_request, "1"},
    // Ids.
    {"id null", R"({"jsonrpc":"2.0","id":null,"method":"ping"})", errc::invalid_request, ""},
    {"id true", R"({"jsonrpc":"2.0","id":true,"method":"ping"})", errc::invalid_request, ""},
    {"id object", R"({"jsonrpc":"2.0","id":{},"method":"ping"})", errc::invalid_request, ""},
    {"id array", R"({"jsonrpc":"2.0","id":[1],"method":"ping"})", errc::invalid_request, ""},
    {"id fraction", R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", errc::invalid_request, ""},
    {"id whole fraction", R"({"jsonrpc":"2.0","id":1.0,"method":"a"})", errc::invalid_request, ""},
    {"id exponent", R"({"jsonrpc":"2.0","id":1e3,"method":"ping"})", errc::invalid_request, ""},
    {"id beyond int64", R"({"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"})",
     errc::invalid_request, ""},
    {"id number of 300 digits",
     R"({"jsonrpc":"2.0","method":"a","id":)" + std::string(300, '1') + "}", errc::invalid_request,
     ""},
    {"id too long",
     R"({"jsonrpc":"2.0","method":"a","id":")" +
         std::string(limits::request_id_bytes_max - 1, 'i') + "\"}",
     errc::invalid_request, ""},
    {"id float in response", R"({"jsonrpc":"2.0","id":1.0,"result":{}})", errc::invalid_request,
     ""},
    {"id object in error", R"({"jsonrpc":"2.0","id":{},"error":{"code":1,"message":""}})",
     errc::invalid_request, ""},
    // Duplicate and wrong-case keys of the message.
    {"duplicate method", R"({"jsonrpc":"2.0","id":1,"method":"a","method":"b"})",
     errc::invalid_request, "1"},
    {"duplicate id", R"({"jsonrpc":"2.0","id":1,"id":2,"method":"a"})", errc::invalid_request, "1"},
    {"duplicate params", request_with(R"("params":{},"params":{})"), errc::invalid_request, "1"},
    {"duplicate by escape", request_with(R"("params":{},"p\u0061rams":{})"), errc::invalid_request,
     "1"},
    {"duplicate unknown", request_with(R"("x":1,"x":2)"), errc::invalid_request, "1"},
    {"Method", R"({"jsonrpc":"2.0","id":1,"method":"a","Method":"b"})", errc::invalid_request, "1"},
    {"only Method", R"({"jsonrpc":"2.0","id":1,"Method":"b"})", errc::invalid_request, "1"},
    {"PARAMS", request_with(R"("PARAMS":{})"), errc::invalid_request, "1"},
    {"ID", request_with(R"("ID":2)"), errc::invalid_request, "1"},
    {"jsonRPC", request_with(R"("jsonRPC":"2.0")"), errc::invalid_request, "1"},
    {"long s in params", request_with("\"param\xc5\xbf\":{}"), errc::invalid_request, "1"},
    {"escaped long s in params", request_with(R"("param\u017f":{})"), errc::invalid_request, "1"},
    {"long s in result", R"({"jsonrpc":"2.0","id":1,"re\u017fult":{}})", errc::invalid_request,
     "1"},
    {"ERROR", R"({"jsonrpc":"2.0","id":1,"result":{},"ERROR":{}})", errc::invalid_request, "1"},
    {"duplicate in result", R"({"jsonrpc":"2.0","id":1,"result":{"isError":true,"isError":false}})",
     errc::invalid_request, "1"},
    {"duplicate in error", R"({"jsonrpc":"2.0","id":1,"error":{"code":1,"code":2}})",
     errc::invalid_request, "1"},
    // Params and _meta.
    {"params array", request_with(R"("params":["a"])"), errc::invalid_params, "1"},
    {"params null", request_with(R"("params":null)"), errc::invalid_params, "1"},
    {"params string", request_with(R"("params":"{}")"), errc::invalid_params, "1"},
    {"params number in notification", R"({"jsonrpc":"2.0","method":"a","params":1})",
     errc::invalid_params, ""},
    {"id after bad params", R"({"jsonrpc":"2.0","method":"a","params":[],"id":4})",
     errc::invalid_params, "4"},
    {"bad message wins over bad params", R"({"jsonrpc":"1.0","method":"a","params":[],"id":4})",
     errc::invalid_request, "4"},
    {"duplicate name", request_with(R"("params":{"name":"a","name":"b"})"), errc::invalid_params,
     "1"},
    {"duplicate name by escape", request_with(R"("params":{"name":"a","n\u0061me":"b"})"),
     errc::invalid_params, "1"},
    {"Name", request_with(R"("params":{"name":"a","Name":"b"})"), errc::invalid_params, "1"},
    {"ARGUMENTS", request_with(R"("params":{"ARGUMENTS":{}})"), errc::invalid_params, "1"},
    {"long s in arguments", request_with("\"params\":{\"argument\xc5\xbf\":{}}"),
     errc::invalid_params, "1"},
    {"requestid", request_with(R"("params":{"requestid":1})"), errc::invalid_params, "1"},
    {"Kelvin sign in progressToken",
     request_with("\"params\":{\"progressTo\xe2\x84\xaa"
                  "en\":1}"),
     errc::invalid_params, "1"},
    {"_Meta", request_with(R"("params":{"_Meta":{}})"), errc::invalid_params, "1"},
    {"_meta null", request_with(R"("params":{"_meta":null})"), errc::invalid_params, "1"},
    {"_meta array", request_with(R"("params":{"_meta":[]})"), errc::invalid_params, "1"},
    {"duplicate _meta", request_with(R"("params":{"_meta":{},"_meta":{}})"), errc::invalid_params,
     "1"},
    {"duplicate in _meta", request_with(R"("params":{"_meta":{"x":1,"x":2}})"),
     errc::invalid_params, "1"},
    {"duplicate in params after _meta", request_with(R"("params":{"_meta":{"x":1},"a":1,"a":2})"),
     errc::invalid_params, "1"},
    {"duplicate in message after params", request_with(R"("params":{"_meta":{}},"id":1)"),
     errc::invalid_request, "1"},
    {"ProgressToken in _meta", request_with(R"("params":{"_meta":{"ProgressToken":1}})"),
     errc::invalid_params, "1"},
    {"wrong case behind the prefix",
     request_with(R"("params":{"_meta":{"io.modelcontextprotocol/ProtocolVersion":"x"}})"),
     errc::invalid_params, "1"},
    {"wrong case in the prefix",
     request_with(R"("params":{"_meta":{"IO.modelcontextprotocol/protocolVersion":"x"}})"),
     errc::invalid_params, "1"},
};

} // namespace

TEST_CASE("mcp message tells kinds apart", "[mcp][message]") {
  for (const auto& row : kind_rows) {
    INFO(row.wire);
    const parsed p(row.wire);
    REQUIRE(p.outcome);
    CHECK(p.msg.kind == row.kind);
    CHECK(p.msg.id.raw == row.id);
    CHECK(static_cast<bool>(p.msg.id) == (*row.id != '\0'));
    CHECK(p.msg.method == row.method);
  }
}

TEST_CASE("mcp message refuses what another parser could read differently", "[mcp][message]") {
  for (const auto& row : refusal_rows) {
    INFO(row.name);
    const parsed p(row.wire);
    REQUIRE_FALSE(p.outcome);
    CHECK(p.failed_with(row.code));
    CHECK(p.msg.id.raw == row.id);
  }
  CHECK(refusal_rows.size() >= kind_rows.size());
}

TEST_CASE("mcp message finds the members of a modern call", "[mcp][message]") {
  const parsed p(modern_call);
  REQUIRE(p.outcome);
  const auto& m = p.msg;
  CHECK(m.kind == message_kind::request);
  CHECK(m.id.raw == "\"r-1\"");
  CHECK(m.params[param_key::name].raw == "\"get_weather\"");
  CHECK(m.params.at(param_key::name).span == R"("name":"get_weather")");
  CHECK(m.params[param_key::arguments].raw == R"({"location":"Oslo","name":1})");
  CHECK(m.params[param_key::meta].raw == m.meta.whole.raw);
  CHECK_FALSE(m.params[param_key::uri]);
  CHECK_FALSE(m.params.has(param_key::uri));
  CHECK_FALSE(m.params.at(param_key::cursor));
  REQUIRE(m.params.others().size() == 1);
  CHECK(m.params.others()[0].span == R"("x-vendor":{"a":[1]})");
  CHECK(m.params.others()[0].value.raw == R"({"a":[1]})");
  CHECK(m.params.whole.raw.starts_with(R"({"name")"));

  CHECK(m.meta[meta_key::protocol_version].raw == "\"2026-07-28\"");
  CHECK(m.meta[meta_key::client_info].raw == R"({"name":"c","version":"1"})");
  CHECK(m.meta[meta_key::client_capabilities].raw == R"({"elicitation":{}})");
  CHECK(m.meta[meta_key::log_level].raw == "\"info\"");
  CHECK(m.meta[meta_key::progress_token].raw == "7");
  CHECK(m.meta[meta_key::traceparent].raw == "\"00-1-2-01\"");
  CHECK(m.meta[meta_key::tracestate].raw == "\"k=v\"");
  CHECK(m.meta[meta_key::baggage].raw == "\"b=1\"");
  REQUIRE(m.meta.others().size() == 1);
  CHECK(m.meta.others()[0].span == R"("com.example/x": true)");
  CHECK(m.meta.whole.raw.starts_with("{\"io.modelcontextprotocol/protocolVersion\""));
  CHECK_FALSE(m.result.whole);
  CHECK(m.result.empty());
  CHECK(m.error.empty());
}

TEST_CASE("mcp message knows every name of its keys", "[mcp][message]") {
  const std::pair<param_key, const char*> params[] = {
      {param_key::name, "name"},
      {param_key::arguments, "arguments"},
      {param_key::uri, "uri"},
      {param_key::cursor, "cursor"},
      {param_key::level, "level"},
      {param_key::request_id, "requestId"},
      {param_key::reason, "reason"},
      {param_key::progress_token, "progressToken"},
      {param_key::input_responses, "inputResponses"},
      {param_key::request_state, "requestState"},
      {param_key::ref, "ref"},
      {param_key::argument, "argument"},
      {param_key::notifications, "notifications"},
      {param_key::protocol_version, "protocolVersion"},
      {param_key::capabilities, "capabilities"},
      {param_key::client_info, "clientInfo"},
      {param_key::task_id, "taskId"}};
  CHECK(std::size(params) + 1 == static_cast<std::size_t>(param_key::count));
  for (const auto& [key, name] : params) {
    const parsed p(request_with(std::string(R"("params":{")") + name + "\":\"v\"}"));
    REQUIRE(p.outcome);
    CHECK(p.msg.params[key].raw == "\"v\"");
    CHECK(p.msg.params.others().empty());
  }
  const std::pair<result_key, const char*> results[] = {
      {result_key::result_type, "resultType"},
      {result_key::meta, "_meta"},
      {result_key::ttl_ms, "ttlMs"},
      {result_key::cache_scope, "cacheScope"},
      {result_key::next_cursor, "nextCursor"},
      {result_key::is_error, "isError"},
      {result_key::protocol_version, "protocolVersion"},
      {result_key::capabilities, "capabilities"},
      {result_key::server_info, "serverInfo"},
      {result_key::instructions, "instructions"},
      {result_key::input_requests, "inputRequests"},
      {result_key::request_state, "requestState"},
      {result_key::structured_content, "structuredContent"},
      {result_key::task_id, "taskId"}};
  CHECK(std::size(results) == static_cast<std::size_t>(result_key::count));
  for (const auto& [key, name] : results) {
    const parsed p(std::string(R"({"jsonrpc":"2.0","id":1,"result":{")") + name + "\" : [1]}}");
    REQUIRE(p.outcome);
    CHECK(p.msg.result.at(key).span == "\"" + std::string(name) + "\" : [1]");
    CHECK_FALSE(p.msg.result.empty());
    CHECK(p.msg.result.others().empty());
  }
}

TEST_CASE("mcp message finds the members of results and errors", "[mcp][message]") {
  const parsed answer(R"({"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"x"}],)"
                      R"("isError":false,"_meta":{"a":1,"a":2},"structuredContent":{"n":1}}})");
  REQUIRE(answer.outcome);
  CHECK(answer.msg.result[result_key::is_error].raw == "false");
  CHECK(answer.msg.result[result_key::meta].raw == R"({"a":1,"a":2})");
  CHECK(answer.msg.result[result_key::structured_content].raw == R"({"n":1})");
  REQUIRE(answer.msg.result.others().size() == 1);
  CHECK(answer.msg.result.others()[0].span == R"("content":[{"type":"text","text":"x"}])");
  CHECK_FALSE(answer.msg.result.empty());

  const parsed failure(
      R"({"jsonrpc":"2.0","id":3,"error":{"code":-32602,"message":"m","data":{"uri":"u"},"x":1}})");
  REQUIRE(failure.outcome);
  CHECK(failure.msg.error[mcp::error_key::code].raw == "-32602");
  CHECK(failure.msg.error[mcp::error_key::message].raw == "\"m\"");
  CHECK(failure.msg.error[mcp::error_key::data].raw == R"({"uri":"u"})");
  CHECK(failure.msg.error.others().size() == 1);
}

TEST_CASE("mcp message accepts names that merely resemble", "[mcp][message]") {
  for (const char* key : {"names", "nam", "uris", "_metadata", "argument_s",
                          "u\xc5\xbf"
                          "i"}) {
    INFO(key);
    CHECK(parsed(request_with(std::string("\"params\":{\"") + key + "\":1}")).outcome);
  }
  // Payloads are not the protocol's: their keys are free.
  CHECK(parsed(request_with(R"("params":{"arguments":{"Name":1,"name":2,"name":3}})")).outcome);
}

TEST_CASE("mcp message takes names and ids up to their limits", "[mcp][message]") {
  const std::string method(limits::name_bytes_max, 'm');
  const std::string id(limits::request_id_bytes_max - 2, 'i');
  const parsed p(R"({"jsonrpc":"2.0","id":")" + id + R"(","method":")" + method + "\"}");
  REQUIRE(p.outcome);
  CHECK(p.msg.method == method);
  CHECK(p.msg.id.raw.size() == limits::request_id_bytes_max);
  std::string escaped;
  for (std::size_t i = 0; i < limits::name_bytes_max; ++i)
    escaped += "\\u006d";
  const parsed q(R"({"jsonrpc":"2.0","id":1,"method":")" + escaped + "\"}");
  REQUIRE(q.outcome);
  CHECK(q.msg.method == method);
}

TEST_CASE("mcp message bounds the members that it stores", "[mcp][message]") {
  std::string many = "\"params\":{\"k\":0";
  for (std::size_t i = 0; i < limits::envelope_members_max; ++i)
    many += ",\"k" + std::to_string(i) + "\":0";
  CHECK(parsed(request_with(many + "}")).failed_with(errc::invalid_params));
}

TEST_CASE("mcp message forgets the message before", "[mcp][message]") {
  json::scanner scanner;
  mcp::message msg;
  std::string first(modern_call);
  json::ensure_padding(first);
  REQUIRE(mcp::parse_message(first, scanner, msg));
  std::string second = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";
  json::ensure_padding(second);
  REQUIRE(mcp::parse_message(second, scanner, msg));
  CHECK(msg.kind == message_kind::notification);
  CHECK_FALSE(msg.id);
  CHECK_FALSE(msg.params.whole);
  CHECK(msg.params.empty());
  CHECK_FALSE(msg.params[param_key::name]);
  CHECK_FALSE(msg.meta.whole);
  CHECK(msg.meta.empty());
}

TEST_CASE("mcp message parsing allocates nothing once it is warm", "[mcp][message]") {
  json::scanner scanner;
  mcp::message msg;
  std::string call(modern_call);
  json::ensure_padding(call);
  std::string answer = R"({"jsonrpc":"2.0","id":3,"result":{"content":[],"x":1,"isError":false}})";
  json::ensure_padding(answer);
  const auto parse_both = [&] {
    return mcp::parse_message(call, scanner, msg).has_value() &&
           mcp::parse_message(answer, scanner, msg).has_value();
  };
  REQUIRE(parse_both());
  const std::size_t before = allocations;
  bool good = true;
  for (int i = 0; i < 100; ++i)
    good = parse_both() && good;
  const std::size_t after = allocations;
  CHECK(good);
  CHECK(after == before);
}

TEST_CASE("mcp batch detection looks at the first byte that counts", "[mcp][message]") {
  CHECK(mcp::is_batch("[]"));
  CHECK(mcp::is_batch(" \r\n\t[{"));
  CHECK_FALSE(mcp::is_batch(""));
  CHECK_FALSE(mcp::is_batch("   "));
  CHECK_FALSE(mcp::is_batch("{\"a\":[]}"));
  CHECK_FALSE(mcp::is_batch("\f["));
}

TEST_CASE("mcp error table has the numbers of the specification", "[mcp][errors]") {
  const std::tuple<errc, int, int> rows[] = {
      {errc::parse_error, -32700, 400},        {errc::invalid_request, -32600, 400},
      {errc::method_not_found, -32601, 404},   {errc::invalid_params, -32602, 400},
      {errc::internal_error, -32603, 500},     {errc::header_mismatch, -32020, 400},
      {errc::missing_capability, -32021, 400}, {errc::unsupported_version, -32022, 400},
      {errc::resource_not_found, -32002, 404}};
  for (const auto& [code, number, status] : rows) {
    CHECK(mcp::json_rpc_code(code) == number);
    CHECK(mcp::http_status(code) == status);
    CHECK_FALSE(make_error_code(code).message().empty());
  }
}
