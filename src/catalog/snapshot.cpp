#include "catalog/snapshot.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "catalog/view_builder.hpp"

namespace nexus::catalog {
namespace {

/// The first bytes of a UTF-8 text, without half a character at the end.
std::string_view cut_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max)
    return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0) == 0x80)
    --bytes_max;
  return text.substr(0, bytes_max);
}

} // namespace

const offered& snapshot::offers_of(const server_part& part) noexcept {
  static const offered nothing, everything = offered::everything();
  if (part.catalogue)
    return part.catalogue->offers;
  return part.unusable ? nothing : everything;
}

bool exposure::leads_to(std::uint32_t slot) const noexcept {
  return owner_ == nullptr || std::ranges::binary_search(slots_, slot);
}

std::size_t exposure::bytes() const noexcept {
  std::size_t out = sizeof(*this) + instructions_.size();
  for (const auto& list : lists_)
    out += list->bytes();
  return out + (reachable_ ? reachable_->bytes() : 0);
}

std::uint64_t exposure::fingerprint(family of) const noexcept {
  if (of != family::resources)
    return list(static_cast<list_kind>(of)).fingerprint();
  const auto templates = list(list_kind::templates).fingerprint();
  return list(list_kind::resources).fingerprint() ^ (templates << 1 | templates >> 63);
}

snapshot::snapshot(std::uint64_t generation, naming mode, std::vector<server_part> parts,
                   const snapshot* before, const config::tool_surface& surface,
                   std::shared_ptr<const config::duplicate_rules> duplicates)
    : generation_(generation), mode_(mode), parts_(std::move(parts)),
      duplicates_(std::move(duplicates)) {
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
                             (kind != list_kind::tools ||
                              (mine.hidden == theirs.hidden && mine.merged == theirs.merged));
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

std::size_t snapshot::tools_count() const noexcept {
  std::size_t out = 0;
  for (const auto& part : parts_)
    out += part.catalogue ? part.catalogue->tools().size() : 0;
  return out;
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
