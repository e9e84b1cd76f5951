#include "catalog/tags.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "json/walk.hpp"

namespace nexus::catalog {
namespace {

/// Calls `take` for the strings of a list, which may be missing or something else.
template <class Take>
void each_of(json::slice tags, Take take) {
  if (!tags.is(json::kind::array))
    return;
  for (json::element_walk tag(tags); tag.next();)
    if (tag.value().is(json::kind::string))
      take(json::unquote(tag.value()));
}

} // namespace

std::vector<std::string> tags_of(const server_part& part, const item_list& list, const item& tool) {
  std::vector<std::string> out;
  const auto take = [&out](std::string tag) {
    if (!tag.empty() && tag.size() <= limits::tag_bytes_max &&
        out.size() < limits::tags_per_tool_max && std::ranges::find(out, tag) == out.end())
      out.push_back(std::move(tag));
  };
  if (part.tags != nullptr) {
    for (const auto& tag : part.tags->of_all)
      take(tag);
    for (const auto& [pattern, tags] : part.tags->of_tools)
      if (glob_match(pattern, tool.name))
        for (const auto& tag : tags)
          take(tag);
  }
  const auto text = list.definition(tool).substr(tool.meta_offset, tool.meta_bytes);
  if (!text.starts_with('{') || text.find("\"tags\"") == std::string_view::npos)
    return out;
  const json::slice meta{text, json::kind::object};
  each_of(json::find_member(meta, "tags"), take);
  for (const std::string_view key : {"fastmcp", "_fastmcp"})
    if (const auto of_library = json::find_member(meta, key); of_library.is(json::kind::object))
      each_of(json::find_member(of_library, "tags"), take);
  return out;
}

bool has_tag(const server_part& part, const item& tool, const std::vector<std::string>& patterns) {
  const auto tags = tags_of(part, part.catalogue->list(list_kind::tools), tool);
  return std::ranges::any_of(tags, [&](const std::string& tag) {
    return std::ranges::any_of(patterns,
                               [&](const std::string& glob) { return glob_match(glob, tag); });
  });
}

} // namespace nexus::catalog
