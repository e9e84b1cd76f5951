#pragma once

#include <string>
#include <string_view>

#include "catalog/item_list.hpp"
#include "mcp/message.hpp"
#include "mcp/revision.hpp"

/// What clients of older revisions would not understand, said in their words. Unknown members harm
/// no client and stay; content of an unknown type, and structured content that is no object, break
/// the whole answer.
namespace nexus::gateway {

/// Whether a result has to be converted.
/// @param wraps_output catalog::item::wraps_output of the tool that was called
[[nodiscard]] inline bool needs_conversion(const mcp::message& response, mcp::revision client,
                                           bool wraps_output) noexcept {
  if (client >= mcp::newest_modern)
    return false;
  const auto structured = response.result[mcp::result_key::structured_content];
  if (client >= mcp::revision::r2025_06_18)
    return structured && (wraps_output || !structured.is(json::kind::object));
  return response.result.whole.is(json::kind::object);
}

/// A whole response with the result in the client's words, ready to be parsed. Up to 2025-11-25,
/// structured content of another type than an object is wrapped as `{"result":...}`; before
/// 2025-06-18 it is left out (as text, when there is no other content) and links become text; in
/// 2024-11-05 so does audio.
[[nodiscard]] std::string converted_response(const mcp::message& response, mcp::revision client,
                                             bool wraps_output);

/// Whether a list has to be converted. @param wraps_output catalog::list_view::wraps_output
[[nodiscard]] inline bool list_needs_conversion(mcp::revision client, bool wraps_output) noexcept {
  return client < mcp::revision::r2025_06_18 || (client < mcp::newest_modern && wraps_output);
}

/// Appends a definition of a list: an output schema of another type than an object becomes a
/// property of one up to 2025-11-25; before 2025-06-18 there is none, and no title; in 2024-11-05
/// tools have no annotations.
/// @pre `definition` is a validated object
void append_converted_definition(std::string& out, std::string_view definition,
                                 catalog::list_kind kind, mcp::revision client);

} // namespace nexus::gateway
