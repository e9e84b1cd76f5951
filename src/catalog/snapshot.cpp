#include "catalog/snapshot.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "catalog/builtin_tools.hpp"
#include "catalog/names.hpp"
#include "json/write.hpp"

namespace nexus::catalog {
namespace {

constexpr cache_hints usual_hints{limits::list_ttl_default.count(), false};

/// The first bytes of a UTF-8 text, without half a character at the end.
std::string_view cut_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max)
    return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0) == 0x80)
    --bytes_max;
  return text.substr(0, bytes_max);
}

std::string capabilities_of(const offered& offers, bool modern = false) {
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
  if (modern && offers.tasks)
    members.raw("extensions", R"({"io.modelcontextprotocol/tasks":{}})");
  members.end();
  return out;
}

bool is_pinned(const config::tool_surface& surface, const server_part& part,
               std::string_view public_name, const item& tool) {
  const auto matches = [&](const std::string& glob) { return glob_match(glob, public_name); };
  return std::ranges::any_of(surface.pinned, matches) ||
         std::ranges::any_of(surface.most_used, [&](const auto& used) {
           return used.first == part.name && used.second == tool.name;
         });
}

/// What is offered by a server, as far as it is known.
offered offers_of(const server_part& part) {
  if (part.catalogue)
    return part.catalogue->offers;
  return part.unusable ? offered{} : offered::everything();
}

} // namespace

/// Builds one merged list under the names that clients of all servers see.
class view_builder {
 public:
  view_builder(list_kind kind, naming mode, const std::vector<server_part>& parts)
      : kind_(kind), mode_(mode), parts_(parts), view_(std::make_shared<list_view>()) {
    if (mode_ == naming::bare && !by_uri())
      for (const auto& part : parts_)
        if (part.catalogue)
          for (const auto& entry : part.catalogue->list(kind_).items())
            bare_uses_[bare_name(part.name, entry.name)] += is_hidden(part, entry) ? 0 : 1;
  }

  std::shared_ptr<const list_view> merged(std::vector<std::string>& problems) {
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

  /// The meta-tools, and the pinned ones of `all`.
  static std::shared_ptr<const list_view> meta(const list_view& all,
                                               const config::tool_surface& surface,
                                               const std::vector<server_part>& parts) {
    auto view = std::make_shared<list_view>();
    const auto& own = builtin_part();
    auto hints = usual_hints;
    for (const auto& entry : own.catalogue->tools())
      view->add(entry.name, own, list_kind::tools, entry);
    if (surface.mode == config::exposure_mode::meta) {
      view->finish(hints);
      return view;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto name = all.name(i);
      const auto part = std::ranges::find(parts, all.at(i).slot, &server_part::slot);
      if (part == parts.end() || own.catalogue->list(list_kind::tools).find(name) != nullptr ||
          !is_pinned(surface, *part, name, *all.at(i).target))
        continue;
      view->add(std::string(name), *part, list_kind::tools, *all.at(i).target);
      hints.merge(part->catalogue->list(list_kind::tools).hints());
    }
    view->finish(hints);
    return view;
  }

  /// The list of one server alone.
  static std::shared_ptr<const list_view> own(const server_part& part, list_kind kind) {
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

 private:
  [[nodiscard]] bool by_uri() const noexcept { return family_of(kind_) == family::resources; }

  [[nodiscard]] bool is_hidden(const server_part& part, const item& entry) const {
    return kind_ == list_kind::tools && part.hidden && part.hidden->contains(entry.name);
  }

  void add_by_name(const server_part& part) {
    for (const auto& entry : part.catalogue->list(kind_).items()) {
      if (is_hidden(part, entry))
        continue;
      std::string name = prefixed_name(part.name, entry.name);
      if (mode_ == naming::bare) {
        std::string bare = bare_name(part.name, entry.name);
        if (bare_uses_[bare] == 1)
          name = std::move(bare);
      }
      if (!taken_.insert(name).second) {
        name = aliased_name(part.name, entry.name);
        // A server may list a tool that is called like another one's alias. Clients refuse whole
        // lists with a name twice, so the later tool is shown at its server's own address only.
        if (!taken_.insert(name).second)
          continue;
      }
      view_->add(std::move(name), part, kind_, entry);
    }
  }

  /// URIs stand in results too, where they cannot be rewritten safely, so they keep their form and
  /// the first server in order has them.
  void add_by_uri(const server_part& part, std::vector<std::string>& problems) {
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

  const list_kind kind_;
  const naming mode_;
  const std::vector<server_part>& parts_;
  std::shared_ptr<list_view> view_;
  std::unordered_map<std::string, std::size_t> bare_uses_;
  std::unordered_set<std::string> taken_;
};

std::uint64_t exposure::fingerprint(family of) const noexcept {
  if (of != family::resources)
    return list(static_cast<list_kind>(of)).fingerprint();
  const auto templates = list(list_kind::templates).fingerprint();
  return list(list_kind::resources).fingerprint() ^ (templates << 1 | templates >> 63);
}

void exposure::cover(const config::tool_surface& surface, const std::vector<server_part>& parts) {
  using mode = config::exposure_mode;
  surface_ = surface;
  auto& tools = lists_[index_of(list_kind::tools)];
  if (surface.mode == mode::tools ||
      (surface.mode == mode::automatic && tools->size() <= surface.threshold))
    return;
  reachable_ = std::exchange(tools, view_builder::meta(*tools, surface, parts));
  offers_.tools = true;
  std::string text(builtin_instructions());
  if (!instructions_.empty())
    text += "\n\n" + instructions_;
  instructions_ = std::move(text);
}

snapshot::snapshot(std::uint64_t generation, naming mode, std::vector<server_part> parts,
                   const snapshot* before, const config::tool_surface& surface)
    : generation_(generation), mode_(mode), parts_(std::move(parts)) {
  for (std::uint32_t i = 0; i < parts_.size(); ++i) {
    part_by_name_.emplace(parts_[i].name, i);
    part_by_slot_.emplace(parts_[i].slot, i);
    expose_one(parts_[i], before);
    by_server_[parts_[i].slot].surface_.check = surface.check;
    if (parts_[i].catalogue)
      for (const auto& uri : parts_[i].catalogue->list(list_kind::tools).interface_uris())
        interface_owners_.emplace(uri, parts_[i].slot);
  }
  for (const auto kind : list_kinds)
    merge_list(kind, before);
  expose_all();
  everything_.cover(surface, parts_);
}

bool snapshot::same_parts(list_kind kind, const snapshot& before) const noexcept {
  const auto list_of = [&](const server_part& part) {
    return part.catalogue ? part.catalogue->lists[index_of(kind)] : nullptr;
  };
  return mode_ == before.mode_ &&
         std::equal(parts_.begin(), parts_.end(), before.parts_.begin(), before.parts_.end(),
                    [&](const server_part& mine, const server_part& theirs) {
                      return mine.slot == theirs.slot && mine.name == theirs.name &&
                             mine.available == theirs.available &&
                             list_of(mine) == list_of(theirs) &&
                             (kind != list_kind::tools || mine.hidden == theirs.hidden);
                    });
}

void snapshot::merge_list(list_kind kind, const snapshot* before) {
  const bool same = before != nullptr && same_parts(kind, *before);
  everything_.lists_[index_of(kind)] =
      same ? before->merged(kind) : view_builder(kind, mode_, parts_).merged(problems_);
  if (kind != list_kind::templates)
    return;
  if (same)
    templates_ = before->templates_;
  else
    merge_templates();
}

void snapshot::merge_templates() {
  const auto& list = all(list_kind::templates);
  std::vector<template_table::entry> entries;
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto pattern = uri_template::parse(list.name(i));
    if (pattern)
      entries.push_back({std::move(*pattern), list.at(i).slot});
    else
      problems_.push_back(fmt::format("resource template '{}' is listed, but reads are not routed "
                                      "by it: {}",
                                      list.name(i), pattern.error().message));
  }
  templates_ = std::make_shared<const template_table>(std::move(entries));
}

void snapshot::expose_one(const server_part& part, const snapshot* before) {
  auto& own = by_server_[part.slot];
  const auto* const old = before == nullptr ? nullptr : before->part(part.slot);
  for (const auto kind : list_kinds) {
    const auto i = index_of(kind);
    const bool same = old != nullptr && old->catalogue && part.catalogue &&
                      old->catalogue->lists[i] == part.catalogue->lists[i] &&
                      old->available == part.available;
    own.lists_[i] = same ? before->of_server(part.slot)->lists_[i] : view_builder::own(part, kind);
  }
  own.offers_ = offers_of(part);
  own.capabilities_ = capabilities_of(own.offers_);
  own.modern_capabilities_ = capabilities_of(own.offers_, true);
  own.hints_ = (part.catalogue ? part.catalogue->hints : usual_hints).text();
  if (part.catalogue)
    own.instructions_ =
        cut_text(part.catalogue->instructions, limits::joined_instructions_bytes_max);
}

void snapshot::expose_all() {
  auto hints = usual_hints;
  auto& text = everything_.instructions_;
  for (const auto& part : parts_) {
    everything_.offers_.merge(offers_of(part));
    if (!part.catalogue)
      continue;
    hints.merge(part.catalogue->hints);
    const auto own = cut_text(part.catalogue->instructions, limits::server_instructions_bytes_max);
    if (own.empty() || text.size() + own.size() > limits::joined_instructions_bytes_max)
      continue;
    text += fmt::format("{}# {}\n{}", text.empty() ? "" : "\n\n", part.name, own);
  }
  everything_.capabilities_ = capabilities_of(everything_.offers_);
  everything_.modern_capabilities_ = capabilities_of(everything_.offers_, true);
  everything_.hints_ = hints.text();
}

const exposure* snapshot::of_server(std::uint32_t slot) const noexcept {
  const auto found = by_server_.find(slot);
  return found == by_server_.end() ? nullptr : &found->second;
}

const server_part* snapshot::server(std::string_view name) const noexcept {
  const auto found = part_by_name_.find(name);
  return found == part_by_name_.end() ? nullptr : &parts_[found->second];
}

const server_part* snapshot::part(std::uint32_t slot) const noexcept {
  const auto found = part_by_slot_.find(slot);
  return found == part_by_slot_.end() ? nullptr : &parts_[found->second];
}

std::optional<std::uint32_t> snapshot::owner_of(std::string_view uri) const {
  if (const auto* const listed = all(list_kind::resources).find(uri))
    return listed->slot;
  if (const auto found = interface_owners_.find(uri); found != interface_owners_.end())
    return found->second;
  return templates_->find(uri);
}

std::optional<std::uint32_t> snapshot::only_resource_server() const noexcept {
  std::optional<std::uint32_t> only;
  for (const auto& part : parts_) {
    if (!offers_of(part).resources)
      continue;
    if (only || !part.catalogue)
      return std::nullopt;
    only = part.slot;
  }
  return only;
}

} // namespace nexus::catalog
