#include "bench/load/request_set.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace nexus::load {
namespace {

// Ten bytes that no JSON text and no header field can hold stand for the id until it is known.
constexpr std::string_view hole = "\x01NEXUS-ID\x01";
static_assert(hole.size() == id_digits);
constexpr std::string_view padding =
    "The quick brown fox jumps over the lazy dog and then does it all over again. ";

bool continues_name(std::string_view text, std::size_t at) {
  return at < text.size() &&
         (std::isalnum(static_cast<unsigned char>(text[at])) != 0 || text[at] == '_');
}

/// Every `$NAME` that is not the beginning of a longer name, or every `${NAME}`.
std::string replaced(std::string_view text, std::string_view name, std::string_view with) {
  std::string out;
  std::size_t from = 0;
  for (auto at = text.find(name); at != std::string_view::npos; at = text.find(name, from)) {
    const auto end = at + name.size();
    out += text.substr(from, at - from);
    out += name.back() != '}' && continues_name(text, end) ? name : with;
    from = end;
  }
  out += text.substr(from);
  return out;
}

std::string text_of(std::size_t bytes) {
  std::string out;
  out.reserve(bytes + padding.size());
  while (out.size() < bytes)
    out += padding;
  out.resize(bytes);
  return out;
}

std::string envelope(const target& to) {
  return fmt::format(R"("_meta":{{"io.modelcontextprotocol/protocolVersion":"{}",)"
                     R"("io.modelcontextprotocol/clientInfo":{{"name":"nexus-bench",)"
                     R"("version":"1"}},"io.modelcontextprotocol/clientCapabilities":{{}}}})",
                     mcp::to_string(to.revision));
}

std::string wire_of(const operation& one, const target& to,
                    const std::vector<std::string>& extra_fields, int number, std::size_t pad) {
  const auto body =
      request_body(to, hole, one.method, replaced(expand(one.params, number, pad), "$ID", hole));
  if (to.over == transport::stdio)
    return body + "\n";
  if (to.over == transport::websocket)
    return body;
  return post_rest(to, extra_fields, one.method,
                   replaced(expand(one.mcp_name, number, 0), "$ID", hole), body);
}

} // namespace

id_text::id_text(std::uint64_t id) noexcept {
  for (std::size_t i = id_digits; i-- > 0; id /= 10)
    digits_[i] = static_cast<char>('0' + id % 10);
}

id_template::id_template(std::string_view text) : bytes_(replaced(text, "$ID", hole)) {
  for (auto at = bytes_.find(hole); at != std::string::npos; at = bytes_.find(hole, at + 1))
    holes_.push_back(static_cast<std::uint32_t>(at));
}

void id_template::append_to(std::string& out, const id_text& id) const {
  const auto base = out.size();
  out += bytes_;
  for (const auto at : holes_)
    std::copy_n(id.view().data(), id_digits, out.begin() + static_cast<std::ptrdiff_t>(base + at));
}

std::string expand(std::string_view text, int number, std::size_t pad_bytes) {
  const auto digits = std::to_string(number);
  const auto numbered = replaced(replaced(text, "${N}", digits), "$N", digits);
  return numbered.find("$PAD") == std::string::npos
             ? numbered
             : replaced(numbered, "$PAD", text_of(pad_bytes));
}

request_set::request_set(const workload& work, const target& to,
                         const std::vector<std::string>& extra_fields, std::uint32_t seed)
    : random_(seed) {
  double weight = 0;
  for (std::size_t index = 0; index < work.operations.size(); ++index) {
    const auto& one = work.operations[index];
    if (one.weight <= 0)
      continue;
    prepared_operation out;
    out.index = index;
    out.weight_up_to = weight += one.weight;
    out.expect = id_template(one.expect);
    out.member = one.member;
    const std::vector<std::size_t> unpadded{0};
    for (const auto pad : one.pad_bytes.empty() ? unpadded : one.pad_bytes)
      for (int number = 1; number <= one.spread; ++number)
        out.variants.emplace_back(wire_of(one, to, extra_fields, number, pad));
    operations_.push_back(std::move(out));
  }
}

request_set::choice request_set::next() {
  std::size_t chosen = 0;
  if (operations_.size() > 1) {
    const auto at = std::uniform_real_distribution<>(0, operations_.back().weight_up_to)(random_);
    while (chosen + 1 < operations_.size() && operations_[chosen].weight_up_to <= at)
      ++chosen;
  }
  auto& what = operations_[chosen];
  const auto& bytes = what.variants[what.next];
  what.next = what.next + 1 == what.variants.size() ? 0 : what.next + 1;
  return {&what, &bytes};
}

std::string request_body(const target& to, std::string_view id, std::string_view method,
                         std::string_view params) {
  std::string inner(params);
  if (to.stateless()) {
    if (inner.empty())
      inner = "{}";
    const bool bare = inner.find_first_not_of(" \t\r\n", 1) == inner.size() - 1;
    inner.insert(inner.size() - 1, (bare ? "" : ",") + envelope(to));
  }
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}"{}{}}})", id, method,
                     inner.empty() ? "" : R"(,"params":)", inner);
}

std::string initialize_params(const target& to) {
  return fmt::format(R"({{"protocolVersion":"{}","capabilities":{{}},)"
                     R"("clientInfo":{{"name":"nexus-bench","version":"1"}}}})",
                     mcp::to_string(to.revision));
}

std::string post_rest(const target& to, const std::vector<std::string>& extra_fields,
                      std::string_view method, std::string_view mcp_name, std::string_view body) {
  std::string out = "Content-Type: application/json\r\n"
                    "Accept: application/json, text/event-stream\r\n";
  // 2024-11-05 and 2025-03-26 do not know the field, and initialize agrees on what it says.
  const bool named =
      to.stateless() ||
      (to.has_session() && to.revision >= mcp::revision::r2025_06_18 && method != "initialize");
  if (named)
    out += fmt::format("MCP-Protocol-Version: {}\r\n", mcp::to_string(to.revision));
  if (to.stateless()) {
    out += fmt::format("Mcp-Method: {}\r\n", method);
    if (!mcp_name.empty())
      out += fmt::format("Mcp-Name: {}\r\n", mcp_name);
  }
  for (const auto& field : extra_fields)
    out += field + "\r\n";
  out += fmt::format("Content-Length: {}\r\n\r\n", body.size());
  out += body;
  return out;
}

} // namespace nexus::load
