#include "catalog/view_builder.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "catalog/builtin_tools.hpp"
#include "catalog/names.hpp"
#include "json/write.hpp"

namespace nexus::catalog {
namespace {

bool is_pinned(const config::tool_surface& surface, const server_part& part,
               std::string_view public_name, const route& to) {
  const auto matches = [&](const std::string& glob) { return glob_match(glob, public_name); };
  return std::ranges::any_of(surface.pinned, matches) ||
         std::ranges::any_of(surface.most_used, [&](const auto& used) {
           return used.first == part.name && used.second == to.target->name;
         });
}

} // namespace

std::string capabilities_of(const offered& offers, bool modern) {
  std::string out;
  json::object_writer members(out);
  // The configuration may bring tools at any time.
  members.raw("tools", R"({"listChanged":true})");
  if (offers.prompts)
    members.raw("prompts", R"({"listChanged":true})");
  if (offers.resources)
    members.raw("resources", offers.subscribe ? R"({"subscribe":true,"listChanged":true})"
                                              : R"({"listChanged":true})");
  if (offers.completions)
    members.raw("completions", "{}");
  if (offers.logging)
    members.raw("logging", "{}");
  // Legacy revisions have other tasks, under the same name.
  std::string extensions;
  if (modern && offers.tasks)
    extensions = R"({"io.modelcontextprotocol/tasks":{}})";
  add_missing_members(extensions, offers.extensions);
  if (!extensions.empty())
    members.raw("extensions", extensions);
  members.end();
  return out;
}

view_builder::view_builder(list_kind kind, naming mode, const std::vector<server_part>& parts)
    : kind_(kind), mode_(mode), parts_(parts), view_(std::make_shared<list_view>()) {
  for (const auto& part : parts_)
    servers_.insert(part.name);
  if (mode_ == naming::bare && !by_uri())
    for (const auto& part : parts_)
      if (part.catalogue)
        for (const auto& entry : part.catalogue->list(kind_).items())
          bare_uses_[bare_name(part.name, entry.name)] += is_hidden(part, entry) ? 0 : 1;
}

std::shared_ptr<const list_view> view_builder::merged(std::vector<std::string>& problems) {
  auto hints = usual_hints;
  bool first = true;
  for (const auto& part : parts_) {
    // What is to come counts as usual.
    const auto& own = part.catalogue ? part.catalogue->list(kind_).hints() : usual_hints;
    if (first)
      hints = own;
    first = false;
    hints.merge(own);
    if (part.catalogue)
      by_uri() ? add_by_uri(part, problems) : add_by_name(part);
  }
  view_->finish(hints);
  return view_;
}

std::shared_ptr<const list_view> view_builder::covered(const list_view& all, covering what,
                                                       const config::tool_surface& surface,
                                                       const std::vector<server_part>& parts) {
  auto view = std::make_shared<list_view>();
  const auto& own = builtin_part();
  auto hints = usual_hints;
  std::unordered_set<std::string_view> taken;
  for (const auto& entry : own.catalogue->tools()) {
    if (manages_vmcps(builtin_of(entry)) ? !surface.manages_vmcps : what == covering::nothing)
      continue;
    taken.insert(entry.name);
    view->add(entry.name, own, list_kind::tools, entry);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto name = all.name(i);
    const auto part = std::ranges::find(parts, all.at(i).slot, &server_part::slot);
    if (part == parts.end() || taken.contains(name))
      continue;
    const auto& to = all.at(i);
    const bool shown = what == covering::nothing || (surface.mode != config::exposure_mode::meta &&
                                                     is_pinned(surface, *part, name, to));
    if (!shown)
      continue;
    if (to.merged)
      add_entry(*view, std::string(name), *part, list_kind::tools, *to.target);
    else
      view->add(std::string(name), *part, list_kind::tools, *to.target, to.list, to.change);
    hints.merge(part->catalogue->list(list_kind::tools).hints());
  }
  view->finish(hints);
  return view;
}

std::shared_ptr<const list_view> view_builder::own(const server_part& part, list_kind kind) {
  auto view = std::make_shared<list_view>();
  if (!part.catalogue) {
    view->finish(usual_hints);
    return view;
  }
  for (const auto& entry : part.catalogue->list(kind).items())
    view->add(entry.name, part, kind, entry);
  view->finish(part.catalogue->list(kind).hints());
  return view;
}

bool view_builder::reads_as_prefixed(std::string_view name, std::size_t bytes_min) const {
  constexpr std::string_view mark = "__";
  for (auto end = name.find(mark, bytes_min); end != std::string_view::npos;
       end = name.find(mark, end + 1))
    if (servers_.contains(name.substr(0, end)))
      return true;
  return false;
}

void view_builder::add_by_name(const server_part& part) {
  for (const auto& entry : part.catalogue->list(kind_).items()) {
    if (is_hidden(part, entry))
      continue;
    std::string name = prefixed_name(part.name, entry.name);
    if (reads_as_prefixed(name, part.name.size() + 1))
      name = aliased_name(part.name, entry.name);
    if (mode_ == naming::bare) {
      std::string bare = bare_name(part.name, entry.name);
      if (bare_uses_[bare] == 1 && !reads_as_prefixed(bare, 1))
        name = std::move(bare);
    }
    if (!taken_.insert(name).second) {
      name = aliased_name(part.name, entry.name);
      // A server may list a tool that is called like another one's alias. Clients refuse whole
      // lists with a name twice, so the later tool is shown at its server's own address only.
      if (!taken_.insert(name).second)
        continue;
    }
    add_entry(*view_, std::move(name), part, kind_, entry);
  }
}

void view_builder::add_entry(list_view& to, std::string name, const server_part& part,
                             list_kind kind, const item& entry) {
  const bool merges = kind == list_kind::tools && part.merged;
  const auto merged = merges ? part.merged->find(entry.name) : merged_tools::const_iterator{};
  if (!merges || merged == part.merged->end())
    return to.add(std::move(name), part, kind, entry);
  // It can be called as long as one of its servers answers.
  auto shown = part;
  shown.available = std::ranges::any_of(merged->second->members, &merged_tool::member::available);
  to.add(std::move(name), shown, kind, entry);
  to.merge_last(merged->second);
}

void view_builder::add_by_uri(const server_part& part, std::vector<std::string>& problems) {
  std::size_t hidden = 0;
  std::string_view example;
  for (const auto& entry : part.catalogue->list(kind_).items()) {
    if (taken_.insert(entry.name).second) {
      view_->add(entry.name, part, kind_, entry);
    } else if (++hidden == 1) {
      example = entry.name;
    }
  }
  if (hidden > 0)
    problems.push_back(fmt::format("server '{}': {} {}(s) are listed by a server before it and "
                                   "stand at its own address only, e.g. {}",
                                   part.name, hidden, words_of(kind_).noun, example));
}

void exposure::cover(const config::tool_surface& surface, const std::vector<server_part>& parts) {
  using mode = config::exposure_mode;
  surface_ = surface;
  auto& tools = lists_[index_of(list_kind::tools)];
  const bool direct = surface.mode == mode::tools ||
                      (surface.mode == mode::automatic && tools->size() <= surface.threshold);
  if (direct && !surface.manages_vmcps)
    return;
  const auto what = direct ? covering::nothing : covering::unpinned;
  reachable_ = std::exchange(tools, view_builder::covered(*tools, what, surface, parts));
  offers_.tools = true;
  if (direct)
    return;
  std::string text(builtin_instructions());
  if (!instructions_.empty())
    text += "\n\n" + instructions_;
  instructions_ = std::move(text);
}

} // namespace nexus::catalog
