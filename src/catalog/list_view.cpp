#include "catalog/list_view.hpp"

#include <functional>
#include <span>

#include "base/text.hpp"
#include "catalog/snapshot.hpp"
#include "json/write.hpp"

namespace nexus::catalog {
namespace {

/// Tells clients that what is listed belongs to a server that does not answer.
constexpr std::string_view unavailable_mark = R"("dev.nexus/unavailable":true)";
/// Key of the server's own name of what is listed under an alias.
constexpr std::string_view original_name_key = R"("dev.nexus/name":)";

/// A range of a definition and what stands in its place.
struct edit {
  std::size_t offset, cut;
  std::string text;
};

/// Puts members into "_meta", which is made where there is none and where it is no object.
edit add_to_meta(std::string_view definition, const item& t, const std::string& members) {
  if (t.meta_bytes == 0)
    return {1, 0, "\"_meta\":{" + members + "},"};
  const auto meta = definition.substr(t.meta_offset, t.meta_bytes);
  if (meta.front() != '{')
    return {t.meta_offset, t.meta_bytes, '{' + members + '}'};
  const bool empty = meta.find('"') == std::string_view::npos;
  return {t.meta_offset + 1u, 0, members + (empty ? "" : ",")};
}

/// True when `public_name` does not show what the server itself calls `t`.
bool is_alias(std::string_view public_name, std::string_view server, std::string_view own) {
  return public_name != own && !(public_name.size() == server.size() + 2 + own.size() &&
                                 public_name.starts_with(server) && public_name.ends_with(own));
}

/// What follows the server's prefix of a name; the whole name when there is none.
std::string_view without_prefix(std::string_view name) noexcept {
  const auto cut = name.find("__");
  return cut == std::string_view::npos ? name : name.substr(cut + 2);
}

/// Appends the definition with its public name and what "_meta" has to say about it.
/// @param renamed the configuration has chosen the name
void append_definition(std::string& out, const server_part& part, const item_list& list,
                       const item& t, std::string_view public_name, bool renamed) {
  const std::string_view definition = list.definition(t);
  std::vector<edit> edits;
  if (public_name != t.name) {
    std::string quoted;
    json::append_string(quoted, public_name);
    edits.push_back({t.name_offset, t.name_bytes, std::move(quoted)});
  }
  std::string marks(part.available ? "" : unavailable_mark);
  if (!renamed && is_alias(public_name, part.name, t.name)) {
    marks += marks.empty() ? "" : ",";
    marks += original_name_key;
    json::append_string(marks, t.name);
  }
  if (!marks.empty())
    edits.push_back(add_to_meta(definition, t, marks));
  if (edits.size() == 2 && edits[1].offset < edits[0].offset)
    std::swap(edits[0], edits[1]);
  std::size_t at = 0;
  for (const auto& e : edits) {
    out += definition.substr(at, e.offset - at);
    out += e.text;
    at = e.offset + e.cut;
  }
  out += definition.substr(at);
}

} // namespace

void list_view::add(std::string public_name, const server_part& part, list_kind kind, const item& t,
                    const item_list* list, const config::vmcp_item* change) {
  if (list == nullptr)
    list = &part.catalogue->list(kind);
  append_definition(text_, part, *list, t, public_name, change != nullptr && !change->name.empty());
  text_ += ',';
  ends_.push_back(text_.size());
  wraps_output_ = wraps_output_ || t.wraps_output;
  names_.push_back(std::move(public_name));
  routes_.push_back({part.slot, &t, list, change, nullptr});
  changes_ = changes_ || change != nullptr;
}

void list_view::finish(const cache_hints& hints) {
  hints_ = hints.text();
  for (std::uint32_t i = 0; i < names_.size(); ++i) {
    by_name_.emplace(names_[i], i);
    by_own_name_.emplace(routes_[i].own_name(), i);
  }
  fingerprint_ = std::hash<std::string_view>{}(text_);
}

std::string_view route::own_name() const noexcept {
  return change != nullptr && !change->name.empty() ? std::string_view(change->name)
                                                    : std::string_view(target->name);
}

std::size_t list_view::bytes() const noexcept {
  constexpr std::size_t per_entry = 256; // names, routes and two tables
  return sizeof(*this) + text_.capacity() + routes_.size() * per_entry;
}

std::string_view list_view::page(std::size_t first, std::size_t last) const noexcept {
  if (first >= last)
    return {};
  const std::size_t begin = first == 0 ? 0 : ends_[first - 1];
  return std::string_view(text_).substr(begin, ends_[last - 1] - begin - 1);
}

const route* list_view::find(std::string_view public_name) const noexcept {
  const auto found = by_name_.find(public_name);
  return found == by_name_.end() ? nullptr : &routes_[found->second];
}

const route* list_view::find_own(std::uint32_t slot, std::string_view own_name) const noexcept {
  const auto [first, last] = by_own_name_.equal_range(own_name);
  for (auto at = first; at != last; ++at)
    if (routes_[at->second].slot == slot)
      return &routes_[at->second];
  return nullptr;
}

const route* list_view::find_target(std::uint32_t slot, std::string_view name) const noexcept {
  const auto* const usual = find_own(slot, name);
  if (usual != nullptr && usual->target->name == name)
    return usual;
  for (const auto& renamed : changes_ ? std::span(routes_) : std::span<const route>())
    if (renamed.change != nullptr && renamed.slot == slot && renamed.target->name == name)
      return &renamed;
  return nullptr;
}

std::vector<std::string_view> list_view::nearest(std::string_view name, std::size_t count) const {
  // A model often drops or invents the server's prefix: the same tool elsewhere is nearer than any
  // spelling.
  std::vector<std::string_view> near, others;
  for (const std::string_view candidate : names_) {
    if (near.size() < count && without_prefix(candidate) == without_prefix(name))
      near.push_back(candidate);
    else
      others.push_back(candidate);
  }
  const auto spelled = nearest_names(name, others, count - near.size());
  near.insert(near.end(), spelled.begin(), spelled.end());
  return near;
}

} // namespace nexus::catalog
