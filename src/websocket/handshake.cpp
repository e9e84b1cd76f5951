#include "websocket/handshake.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <openssl/sha.h>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace nexus::websocket {
namespace {

class websocket_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "websocket"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
    case errc::bad_upgrade:
      return "no WebSocket handshake";
    case errc::bad_version:
      return "unsupported WebSocket version";
    case errc::protocol_error:
      return "forbidden frame";
    case errc::bad_text:
      return "text is not UTF-8";
    case errc::unsupported_data:
      return "binary message";
    case errc::too_large:
      return "message too large";
    case errc::flood:
      return "too many control frames";
    }
    return "unknown";
  }
};

const websocket_category category;

constexpr std::string_view version = "13";
/// @source RFC 6455 s1.3
constexpr std::string_view accept_suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t key_bytes = 16;

/// True when a comma-separated list, spread over any number of fields, has `wanted` in any case.
bool lists(const http::header_fields& fields, std::string_view name,
           std::string_view wanted) noexcept {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (!iequals(fields[i].name, name))
      continue;
    std::string_view rest = fields[i].value;
    while (!rest.empty()) {
      const std::string_view item = rest.substr(0, rest.find(','));
      if (iequals(trim(item), wanted))
        return true;
      rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    }
  }
  return false;
}

/// The value of a field that stands exactly once; empty otherwise.
std::string_view only(const http::header_fields& fields, std::string_view name) noexcept {
  return fields.count(name) == 1 ? *fields.find(name) : std::string_view{};
}

std::string accept_of(std::string_view key) {
  std::string text(key);
  text += accept_suffix;
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::string out;
  append_base64(out, {reinterpret_cast<const char*>(digest.data()), digest.size()},
                base64_form::standard);
  return out;
}

} // namespace

std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), category};
}

bool wants_upgrade(const http::request& request) noexcept {
  return lists(request.headers, "Upgrade", "websocket");
}

result<upgrade> check_upgrade(const http::request& request) {
  if (request.verb != http::method::get || request.version < 11 || !request.body.empty())
    return fail(errc::bad_upgrade, "a WebSocket handshake is a GET of HTTP/1.1 without a body");
  if (!wants_upgrade(request) || !lists(request.headers, "Connection", "Upgrade"))
    return fail(errc::bad_upgrade, "Upgrade: websocket and Connection: Upgrade are needed");
  if (only(request.headers, "Sec-WebSocket-Version") != version)
    return fail(errc::bad_version, "WebSocket version 13 is needed");
  const std::string_view key = only(request.headers, "Sec-WebSocket-Key");
  std::string nonce;
  if (!decode_base64(key, base64_form::standard, nonce) || nonce.size() != key_bytes)
    return fail(errc::bad_upgrade, "Sec-WebSocket-Key is not 16 bytes in base64");
  return upgrade{accept_of(key), lists(request.headers, "Sec-WebSocket-Protocol", "mcp")};
}

void append_upgrade_answer(std::string& out, const upgrade& agreed) {
  http::append_status_line(out, 101);
  http::append_field(out, "Upgrade", "websocket");
  http::append_field(out, "Connection", "Upgrade");
  http::append_field(out, "Sec-WebSocket-Accept", agreed.accept);
  if (agreed.mcp)
    http::append_field(out, "Sec-WebSocket-Protocol", "mcp");
  out += "\r\n";
}

unsigned refusal_status(const error& failure) noexcept {
  return failure.code == errc::bad_version ? 426 : 400;
}

void append_version_fields(std::string& out) {
  http::append_field(out, "Upgrade", "websocket");
  http::append_field(out, "Connection", "Upgrade");
  http::append_field(out, "Sec-WebSocket-Version", version);
}

} // namespace nexus::websocket
