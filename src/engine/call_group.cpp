#include "engine/call_group.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"
#include "engine/dispatch.hpp"
#include "engine/meta_tools.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

/// What a modern call has to carry in its own _meta. The client's abilities are not repeated:
/// nobody may be asked here.
std::string envelope_of(const exchange& whole) {
  if (whole.era == mcp::era::legacy)
    return {};
  std::string out = R"(,"_meta":{)";
  for (const auto key : {mcp::meta_key::protocol_version, mcp::meta_key::client_info,
                         mcp::meta_key::traceparent, mcp::meta_key::tracestate})
    if (const auto found = whole.request.meta.at(key))
      out.append(out.back() == '{' ? "" : ",").append(found.span);
  return out + R"(,"io.modelcontextprotocol/clientCapabilities":{}})";
}

/// The text blocks of a result, one after the other.
std::string text_of(json::slice result) {
  std::string out;
  for (json::element_walk block(json::find_member(result, "content")); block.next();)
    out += text_argument(block.value(), "text") + '\n';
  return out;
}

} // namespace

call_group::~call_group() {
  end();
}

exchange& call_group::open(std::size_t index, json::slice arguments) {
  auto& x = worker_.acquire();
  x.client = this;
  x.era = whole_.era;
  x.revision = whole_.revision;
  x.scope = whole_.scope;
  x.caller = whole_.caller;
  x.text = fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"tools/call","params":)"
                       R"({{"name":"call-tool","arguments":{}{}}}}})",
                       index, arguments.raw, envelope_of(whole_));
  json::ensure_padding(x.text);
  x.request.clear();
  const auto parsed = mcp::parse_message(x.text, worker_.scanner(), x.request);
  NEXUS_ASSERT(parsed.has_value()); // its parts were parsed before
  return x;
}

void call_group::start(const std::vector<json::slice>& calls) {
  starting_ = true;
  parts_.resize(calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    parts_[i].server = text_argument(calls[i], "server_name");
    parts_[i].tool = text_argument(calls[i], "tool_name");
    parts_[i].under_way = &open(i, calls[i]);
  }
  for (std::size_t i = 0; i < parts_.size(); ++i)
    dispatch(worker_, *parts_[i].under_way);
  starting_ = false;
  answer_if_done();
}

void call_group::end() {
  if (std::exchange(ended_, true))
    return;
  for (auto& one : parts_) {
    auto* const x = std::exchange(one.under_way, nullptr);
    if (x == nullptr)
      continue;
    x->client = nullptr;
    if (x->via != nullptr)
      x->via->abandon(*x, give_up::cancelled);
  }
}

void call_group::send_answer(exchange& x, const gateway::pieces& message, unsigned) {
  auto text = message.to_string();
  json::ensure_padding(text);
  const auto whole = worker_.scanner().validate(text);
  const auto result = whole ? json::find_member(*whole, "result") : json::slice{};
  if (result)
    return take(x, fmt::format(R"("result":{})", result.raw), text_of(result));
  const auto failure = whole ? json::find_member(*whole, "error") : json::slice{};
  take(x, fmt::format(R"("error":{})", failure ? failure.raw : "null"),
       text_argument(failure, "message"));
}

void call_group::send_cancelled(exchange& x) {
  take(x, R"("error":{"code":-32800,"message":"cancelled"})", "cancelled");
}

void call_group::listen(exchange&) {
  NEXUS_ASSERT(false); // no tool is one
}

void call_group::take(exchange& x, std::string answer, std::string text) {
  for (auto& one : parts_) {
    if (one.under_way != &x)
      continue;
    one.under_way = nullptr;
    one.answer = std::move(answer);
    one.text = std::move(text);
  }
  answer_if_done();
}

void call_group::answer_if_done() {
  if (starting_ || ended_)
    return;
  for (const auto& one : parts_)
    if (one.under_way != nullptr)
      return;
  ended_ = true;
  std::string text, structured = R"({"results":[)";
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const auto& one = parts_[i];
    text += fmt::format("# {}. Server name: {}, Tool name: {}\n{}\n", i + 1, one.server, one.tool,
                        one.text);
    structured += i == 0 ? "" : ",";
    json::object_writer out(structured);
    out.string("server_name", one.server).string("tool_name", one.tool);
    structured += ',' + one.answer;
    out.end();
  }
  answer_tool(worker_, whole_, text, structured + "]}"); // buries this group
}

} // namespace nexus::engine
