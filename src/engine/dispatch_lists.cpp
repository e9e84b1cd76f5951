/// The lists that clients see, page by page, from the snapshot.

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/render.hpp"

namespace nexus::engine {
namespace {

using catalog::list_kind;
using mcp::param_key;

/// `<offset>-<fingerprint>`, so that a cursor into a list that has changed is noticed.
std::string make_cursor(std::size_t offset, const catalog::list_view& view) {
  return fmt::format("{:x}-{:x}", offset, view.fingerprint());
}

/// Where a page begins; nothing for a cursor that is not of this list. An empty one is the
/// beginning.
std::optional<std::size_t> read_cursor(json::slice cursor, const catalog::list_view& view) {
  if (!cursor)
    return 0;
  if (!cursor.is(json::kind::string))
    return std::nullopt;
  const auto text = json::unquote(cursor);
  if (text.empty())
    return 0;
  std::size_t offset = 0;
  std::from_chars(text.data(), text.data() + text.size(), offset, 16);
  if (offset == 0 || offset >= view.size() || text != make_cursor(offset, view))
    return std::nullopt;
  return offset;
}

void answer_list(worker& on, exchange& x, list_kind kind) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr)
    return refuse_unconfigured(on, x);
  if (auto* const up = unlisted_server(on, x); up != nullptr && !x.resolve_later)
    return up->submit_unresolved(x);
  const auto& view = shown->list(kind);
  const auto first = read_cursor(x.request.params[param_key::cursor], view);
  if (!first)
    return refuse(on, x, mcp::errc::invalid_params,
                  "the cursor is unknown, or the list has changed: begin again without a cursor");
  const auto last = std::min(view.size(), *first + limits::list_page_items);
  gateway::pieces text;
  std::string next;
  text.add(R"({"jsonrpc":"2.0","id":)");
  text.add(x.id());
  text.add(R"(,"result":{")");
  text.add(words_of(kind).array);
  text.add("\":[");
  text.add(view.page(*first, last));
  text.add("]");
  if (last < view.size()) {
    next = fmt::format(R"(,"nextCursor":"{}")", make_cursor(last, view));
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
  if (!x.scope.one_server)
    return nullptr;
  const auto* const part = on.snapshot().part(x.scope.slot);
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
