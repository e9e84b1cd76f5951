/// The lists that clients see, page by page, from the snapshot.

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/down_conversion.hpp"
#include "gateway/render.hpp"

namespace nexus::engine {
namespace {

using catalog::list_kind;
using mcp::param_key;

/// Where in which list: the fingerprint tells that the list has changed since.
std::string position(std::size_t offset, const catalog::list_view& view) {
  return fmt::format("{:x}-{:x}", offset, view.fingerprint());
}

/// A cursor is of use for one list of one address alone.
struct cursor_binding {
  std::array<std::string_view, 1> request;
  seal::binding to;
  cursor_binding(worker& on, const exchange& x, list_kind kind) : request{words_of(kind).method} {
    const auto* const part = x.scope.one_server() ? on.snapshot().part(x.scope.number) : nullptr;
    to = {{}, part != nullptr ? std::string_view(part->name) : std::string_view(), request};
  }
  cursor_binding(const cursor_binding&) = delete;
};

result<std::string> make_cursor(worker& on, const exchange& x, list_kind kind, std::size_t offset,
                                const catalog::list_view& view) {
  const cursor_binding bound(on, x, kind);
  return on.sealer().seal(seal::kind::cursor, position(offset, view), bound.to,
                          on.shared().wall_now() + limits::list_cursor_lifetime);
}

/// Where a page begins; nothing for a cursor that is not of this list. An empty one is the
/// beginning.
std::optional<std::size_t> read_cursor(worker& on, const exchange& x, list_kind kind,
                                       const catalog::list_view& view) {
  const auto cursor = x.request.params[param_key::cursor];
  if (!cursor)
    return 0;
  if (!cursor.is(json::kind::string))
    return std::nullopt;
  const auto text = json::unquote(cursor);
  if (text.empty())
    return 0;
  const cursor_binding bound(on, x, kind);
  const auto opened = on.sealer().open(seal::kind::cursor, text, bound.to, on.shared().wall_now());
  if (!opened) {
    on.metrics().sealed_refusals.add(metrics::sealed_text::cursor);
    return std::nullopt;
  }
  const auto& at = opened->payload;
  std::size_t offset = 0;
  std::from_chars(at.data(), at.data() + at.size(), offset, 16);
  if (offset == 0 || offset >= view.size() || at != position(offset, view))
    return std::nullopt;
  return offset;
}

/// The entries of a page as a client of an older revision understands them.
std::string converted_page(const catalog::list_view& view, std::size_t first, std::size_t last,
                           list_kind kind, mcp::revision client) {
  std::string out;
  for (std::size_t i = first; i < last; ++i) {
    if (i > first)
      out += ',';
    gateway::append_converted_definition(out, view.page(i, i + 1), kind, client);
  }
  return out;
}

void answer_list(worker& on, exchange& x, list_kind kind) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr)
    return refuse_unconfigured(on, x);
  if (auto* const up = unlisted_server(on, x); up != nullptr && !x.resolve_later)
    return up->submit_unresolved(x);
  const auto& view = shown->list(kind);
  const auto first = read_cursor(on, x, kind, view);
  if (!first)
    return refuse(on, x, mcp::errc::invalid_params,
                  "the cursor is unknown, altered or expired, or the list has changed: begin again "
                  "without a cursor");
  const auto last = std::min(view.size(), *first + limits::list_page_items);
  gateway::pieces text;
  std::string next;
  text.add(R"({"jsonrpc":"2.0","id":)");
  text.add(x.id());
  text.add(R"(,"result":{")");
  text.add(words_of(kind).array);
  text.add("\":[");
  std::string converted;
  if (gateway::list_needs_conversion(x.revision, view.wraps_output())) {
    converted = converted_page(view, *first, last, kind, x.revision);
    text.add(converted);
  } else {
    text.add(view.page(*first, last));
  }
  text.add("]");
  if (last < view.size()) {
    const auto cursor = make_cursor(on, x, kind, last, view);
    if (!cursor)
      return refuse(on, x, mcp::errc::internal_error, cursor.error().message);
    next = fmt::format(R"(,"nextCursor":"{}")", *cursor);
    text.add(next);
  }
  if (x.era == mcp::era::modern) {
    text.add(R"(,"resultType":"complete",)");
    text.add(view.hints());
    text.add(R"(,"_meta":{)");
    text.add(gateway::server_info_member());
    text.add("}");
  } else if (x.caller) {
    x.caller->seen[index_of(kind)].store(view.fingerprint(), std::memory_order_relaxed);
  }
  text.add("}}");
  answer(on, x, text);
}

} // namespace

upstream* unlisted_server(worker& on, const exchange& x) {
  if (!x.scope.one_server())
    return nullptr;
  const auto* const part = on.snapshot().part(x.scope.number);
  return part != nullptr && !part->catalogue ? on.find_upstream(part->slot) : nullptr;
}

void list_tools(worker& on, exchange& x) {
  answer_list(on, x, list_kind::tools);
}
void list_prompts(worker& on, exchange& x) {
  answer_list(on, x, list_kind::prompts);
}
void list_resources(worker& on, exchange& x) {
  answer_list(on, x, list_kind::resources);
}
void list_templates(worker& on, exchange& x) {
  answer_list(on, x, list_kind::templates);
}

} // namespace nexus::engine
