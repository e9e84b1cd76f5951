#include "gateway/trace_context.hpp"

#include <algorithm>
#include <array>

#include "base/limits.hpp"
#include "json/write.hpp"

namespace nexus::gateway {
namespace {

using mcp::meta_key;

/// `version-trace-parent-flags` in lower-case hexadecimal digits; later versions may go on.
bool is_traceparent(std::string_view text) noexcept {
  constexpr std::string_view form = "00-00000000000000000000000000000000-0000000000000000-00";
  if (text.size() < form.size() || text.size() > limits::tracestate_bytes_max ||
      (text.size() > form.size() && text[form.size()] != '-'))
    return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const char c = text[i];
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (form[i] == '-' ? c != '-' : !digit)
      return false;
  }
  return true;
}

/// Whether the text may stand in a header as it is: _meta comes from models' hosts, and a line
/// break in it would be a header of theirs.
bool is_field_text(std::string_view text, std::size_t bytes_max) noexcept {
  return !text.empty() && text.size() <= bytes_max && text.front() != ' ' && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool fits(meta_key key, std::string_view text) noexcept {
  if (key == meta_key::traceparent)
    return is_field_text(text, limits::tracestate_bytes_max) && is_traceparent(text);
  return is_field_text(text, key == meta_key::baggage ? limits::baggage_bytes_max
                                                      : limits::tracestate_bytes_max);
}

constexpr std::array keys{meta_key::traceparent, meta_key::tracestate, meta_key::baggage};

/// In _meta as in headers.
std::string_view name_of(meta_key key) noexcept {
  return key == meta_key::traceparent  ? "traceparent"
         : key == meta_key::tracestate ? "tracestate"
                                       : "baggage";
}

std::string_view header(const http::header_fields& headers, meta_key key) {
  const auto found = headers.find(name_of(key));
  return found && fits(key, *found) ? *found : std::string_view();
}

} // namespace

std::string trace_context::member(meta_key key) const {
  std::string out = "\"";
  out += name_of(key);
  out += "\":";
  json::append_string(out, of(key));
  return out;
}

trace_context trace_beside_meta(const mcp::message& request, const http::header_fields& headers) {
  trace_context found;
  if (!request.meta.has(meta_key::traceparent)) {
    found.traceparent = header(headers, meta_key::traceparent);
    // A state belongs to the parent that came with it.
    if (!found.traceparent.empty() && !request.meta.has(meta_key::tracestate))
      found.tracestate = header(headers, meta_key::tracestate);
  }
  if (!request.meta.has(meta_key::baggage))
    found.baggage = header(headers, meta_key::baggage);
  return found;
}

void append_trace_headers(std::string& out, const mcp::message& request,
                          const trace_context& beside) {
  for (const auto key : keys) {
    const auto member = request.meta[key];
    std::string unescaped;
    const auto text =
        member.is(json::kind::string) ? json::unquote(member, unescaped) : beside.of(key);
    if (!fits(key, text))
      continue;
    out += "\r\n";
    out += name_of(key);
    out += ": ";
    out += text;
  }
}

} // namespace nexus::gateway
