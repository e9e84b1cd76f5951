#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "websocket/handshake.hpp"

namespace nexus::websocket {
namespace {

http::request parsed(std::string_view wire) {
  http::request_parser parser;
  CAPTURE(wire);
  const auto taken = parser.feed(wire);
  REQUIRE(taken);
  REQUIRE(parser.done());
  return std::move(parser.message());
}

const std::string good_key = "Sec-WebSocket-Key: bmV4dXMgdGVzdHMgaXQhIQ==\r\n";
const std::string good_version = "Sec-WebSocket-Version: 13\r\n";
const std::string good_upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";

std::string request_of(std::string_view fields, std::string_view line = "GET /ws HTTP/1.1") {
  return std::string(line).append("\r\nHost: a\r\n").append(fields).append("\r\n");
}

TEST_CASE("check_upgrade proves that it understood", "[websocket][handshake]") {
  // The key of the example in RFC 6455 s1.3 and its answer.
  const auto agreed = check_upgrade(parsed(
      request_of(good_upgrade + good_version + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")));
  REQUIRE(agreed);
  CHECK(agreed->accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  CHECK_FALSE(agreed->mcp);
  std::string out;
  append_upgrade_answer(out, *agreed);
  CHECK(out == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

TEST_CASE("check_upgrade takes fields as clients write them", "[websocket][handshake]") {
  struct row {
    std::string fields;
    bool mcp;
  };
  const std::vector<row> rows{
      {good_upgrade + good_version + good_key, false},
      {"upgrade: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n" + good_version + good_key,
       false},
      {"Upgrade: h2c, websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\n" +
           good_version + good_key,
       false},
      {good_upgrade + good_version + good_key + "Sec-WebSocket-Protocol: mcp\r\n", true},
      {good_upgrade + good_version + good_key + "Sec-WebSocket-Protocol: chat,  mcp ,x\r\n", true},
      {good_upgrade + good_version + good_key +
           "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mcp\r\n",
       true},
      {good_upgrade + good_version + good_key + "Sec-WebSocket-Protocol: mcp2, xmcp,,\r\n", false},
      {good_upgrade + good_version + good_key + "Sec-WebSocket-Extensions: permessage-deflate\r\n",
       false},
  };
  for (const row& r : rows) {
    CAPTURE(r.fields);
    const auto request = parsed(request_of(r.fields));
    CHECK(wants_upgrade(request));
    const auto agreed = check_upgrade(request);
    REQUIRE(agreed);
    CHECK(agreed->mcp == r.mcp);
    std::string out;
    append_upgrade_answer(out, *agreed);
    CHECK((out.find("Sec-WebSocket-Protocol: mcp\r\n") != std::string::npos) == r.mcp);
    CHECK(out.find("Extensions") == std::string::npos);
  }
}

TEST_CASE("check_upgrade refuses what is no handshake", "[websocket][handshake]") {
  struct row {
    std::string wire;
    unsigned status;
  };
  const std::string rest = good_version + good_key;
  const auto with_key = [](std::string_view key) {
    return request_of(good_upgrade + good_version + "Sec-WebSocket-Key: " + std::string(key) +
                      "\r\n");
  };
  const auto with_version = [](std::string_view version) {
    return request_of(good_upgrade + good_key + "Sec-WebSocket-Version: " + std::string(version) +
                      "\r\n");
  };
  const std::vector<row> rows{
      {request_of(rest), 400},
      {request_of("Upgrade: websocket\r\n" + rest), 400},
      {request_of("Connection: Upgrade\r\n" + rest), 400},
      {request_of("Upgrade: websockets\r\nConnection: Upgrade\r\n" + rest), 400},
      {request_of("Upgrade: websocket\r\nConnection: close\r\n" + rest), 400},
      {request_of(good_upgrade + rest, "POST /ws HTTP/1.1"), 400},
      {request_of(good_upgrade + rest, "GET /ws HTTP/1.0"), 400},
      {request_of(good_upgrade + rest + "Content-Length: 1\r\n") + "x", 400},
      {request_of(good_upgrade + good_version), 400},
      {request_of(good_upgrade + good_version + good_key + good_key), 400},
      {with_key(""), 400},
      {with_key("bmV4dXMgdGVzdHMgaXQhIQ"), 400},
      {with_key("bmV4dXMgdGVzdHMgaXQhIR=="), 400},
      {with_key("bmV4dXMgdGVzdHMgaXQh"), 400},
      {with_key("bmV4dXMgdGVzdHMgaXQhISE="), 400},
      {with_key("bmV4dXMgdGVzdHMgaXQhI_=="), 400},
      {request_of(good_upgrade + good_key), 426},
      {with_version("8"), 426},
      {with_version("8, 13"), 426},
      {with_version("013"), 426},
      {request_of(good_upgrade + good_key + good_version + good_version), 426},
  };
  for (const row& r : rows) {
    CAPTURE(r.wire);
    const auto agreed = check_upgrade(parsed(r.wire));
    REQUIRE_FALSE(agreed);
    CHECK(refusal_status(agreed.error()) == r.status);
    CHECK_FALSE(agreed.error().message.empty());
  }
  std::string out;
  append_version_fields(out);
  CHECK(out.find("Sec-WebSocket-Version: 13\r\n") != std::string::npos);
}

} // namespace
} // namespace nexus::websocket
