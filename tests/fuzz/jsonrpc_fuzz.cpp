/// Any bytes as a JSON-RPC message: nothing is read outside of the text and its padding, every
/// slice lies within it, and what was accepted can be rebuilt from its parts and is accepted again.

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "mcp/message.hpp"
#include "json/scan.hpp"
#include "json/write.hpp"

namespace {

using namespace nexus;

/// The text in memory that ends exactly with its padding.
struct padded {
  explicit padded(std::string_view text)
      : size(text.size()), bytes(new char[text.size() + json::padding_bytes]) {
    std::memcpy(bytes.get(), text.data(), size);
    std::memset(bytes.get() + size, '"', json::padding_bytes);
  }
  std::string_view view() const { return {bytes.get(), size}; }

  std::size_t size;
  std::unique_ptr<char[]> bytes;
};

void check_within(std::string_view text, std::string_view part) {
  if (part.empty())
    return;
  NEXUS_ASSERT(part.data() >= text.data());
  NEXUS_ASSERT(part.data() + part.size() <= text.data() + text.size());
}

template <class Key>
void check_members(std::string_view text, const mcp::members<Key>& object) {
  check_within(text, object.whole.raw);
  const auto check = [&](const mcp::field& found) {
    if (!found)
      return;
    check_within(object.whole.raw, found.span);
    check_within(found.span, found.value.raw);
    NEXUS_ASSERT(found.span.front() == '"' && found.span.ends_with(found.value.raw));
  };
  for (unsigned key = 0; key < static_cast<unsigned>(Key::count); ++key)
    check(object.at(static_cast<Key>(key)));
  for (const auto& other : object.others())
    check(other);
}

/// Each slice alone is JSON of the type that it claims.
void check_slice(json::scanner& scanner, json::slice value) {
  if (!value)
    return;
  const padded copy(value.raw);
  const auto again = scanner.validate(copy.view());
  NEXUS_ASSERT(again && again->type == value.type && again->raw.size() == value.raw.size());
  if (value.is(json::kind::string))
    static_cast<void>(json::unquote(value));
}

std::string rebuilt(const mcp::message& msg) {
  std::string out;
  json::object_writer writer(out);
  writer.string("jsonrpc", "2.0");
  if (msg.id)
    writer.raw("id", msg.id.raw);
  if (!msg.method.empty())
    writer.string("method", msg.method);
  if (msg.params.whole)
    writer.raw("params", msg.params.whole.raw);
  if (msg.result.whole)
    writer.raw("result", msg.result.whole.raw);
  if (msg.error.whole)
    writer.raw("error", msg.error.whole.raw);
  writer.end();
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static json::scanner scanner;
  static mcp::message msg;
  const padded input({reinterpret_cast<const char*>(data), size});
  const auto text = input.view();
  static_cast<void>(mcp::is_batch(text));

  const auto valid = scanner.validate(text);
  if (valid) {
    const std::string once = json::canonical(text);
    const padded copy(once);
    NEXUS_ASSERT(scanner.validate(copy.view()));
    NEXUS_ASSERT(json::canonical(copy.view()) == once);
  }
  const auto parsed = mcp::parse_message(text, scanner, msg);
  check_within(text, msg.id.raw);
  if (!parsed) {
    NEXUS_ASSERT(!parsed.error().message.empty());
    // The converse does not hold: a duplicate key ends the walk before the text does.
    NEXUS_ASSERT(parsed.error().code != mcp::errc::parse_error || !valid);
    return 0;
  }
  NEXUS_ASSERT(valid && valid->is(json::kind::object));
  check_members(text, msg.params);
  check_members(text, msg.meta);
  check_members(text, msg.result);
  check_members(text, msg.error);
  for (const json::slice value : {msg.id, msg.params.whole, msg.meta.whole, msg.result.whole})
    check_slice(scanner, value);

  const auto kind = msg.kind;
  const std::string method = msg.method;
  const padded again(rebuilt(msg));
  const auto reparsed = mcp::parse_message(again.view(), scanner, msg);
  NEXUS_ASSERT(reparsed && msg.kind == kind && msg.method == method);
  return 0;
}
