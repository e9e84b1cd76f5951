#include "catalog/snapshot.hpp"

#include <functional>
#include <unordered_set>

#include "base/text.hpp"
#include "catalog/names.hpp"
#include "json/write.hpp"

namespace nexus::catalog {
namespace {

/// Tells clients that a listed tool belongs to a server that does not answer.
constexpr std::string_view unavailable_mark = R"("dev.nexus/unavailable":true)";

/// Appends the definition with its public name and, for a dead server, the mark.
void append_definition(std::string& out, const server_part& part, const tool& t,
                       std::string_view public_name) {
  const std::string_view definition = part.catalogue->definition(t);
  struct edit {
    std::size_t offset, cut;
    std::string text;
  };
  std::vector<edit> edits;
  if (public_name != t.name) {
    std::string quoted;
    json::append_string(quoted, public_name);
    edits.push_back({t.name_offset, t.name_bytes, std::move(quoted)});
  }
  if (!part.available) {
    if (t.meta_offset != 0)
      edits.push_back(
          {t.meta_offset, 0, std::string(unavailable_mark) + (t.meta_empty ? "" : ",")});
    else
      edits.push_back({1, 0, "\"_meta\":{" + std::string(unavailable_mark) + "},"});
  }
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

void tool_view::add(std::string public_name, const server_part& part, const tool& t) {
  append_definition(text_, part, t, public_name);
  text_ += ',';
  ends_.push_back(text_.size());
  names_.push_back(std::move(public_name));
  routes_.push_back({part.slot, &t});
}

void tool_view::finish() {
  for (std::uint32_t i = 0; i < names_.size(); ++i)
    by_name_.emplace(names_[i], i);
  fingerprint_ = std::hash<std::string_view>{}(text_);
}

std::string_view tool_view::page(std::size_t first, std::size_t last) const noexcept {
  if (first >= last)
    return {};
  const std::size_t begin = first == 0 ? 0 : ends_[first - 1];
  return std::string_view(text_).substr(begin, ends_[last - 1] - begin - 1);
}

const route* tool_view::find(std::string_view public_name) const noexcept {
  const auto found = by_name_.find(public_name);
  return found == by_name_.end() ? nullptr : &routes_[found->second];
}

std::vector<std::string_view> tool_view::nearest(std::string_view name, std::size_t count) const {
  const std::vector<std::string_view> candidates(names_.begin(), names_.end());
  auto near = nearest_names(name, candidates, count);
  // A model often drops or invents the server prefix: the same tool elsewhere is nearer than any
  // spelling.
  for (const auto candidate : candidates) {
    if (near.size() >= count)
      break;
    const auto cut = candidate.find("__");
    if (cut != std::string_view::npos && candidate.substr(cut + 2) == name)
      near.push_back(candidate);
  }
  return near;
}

snapshot::snapshot(std::uint64_t generation, naming mode, std::vector<server_part> parts)
    : generation_(generation), parts_(std::move(parts)) {
  std::unordered_map<std::string, std::size_t> bare_uses;
  if (mode == naming::bare)
    for (const auto& part : parts_)
      if (part.catalogue)
        for (const auto& t : part.catalogue->tools())
          ++bare_uses[bare_name(part.name, t.name)];
  std::unordered_set<std::string> taken;
  for (std::uint32_t i = 0; i < parts_.size(); ++i) {
    const auto& part = parts_[i];
    part_by_name_.emplace(part.name, i);
    auto& own = by_server_[part.slot];
    if (!part.catalogue)
      continue;
    for (const auto& t : part.catalogue->tools()) {
      own.add(t.name, part, t);
      std::string name = prefixed_name(part.name, t.name);
      if (mode == naming::bare) {
        std::string bare = bare_name(part.name, t.name);
        if (bare_uses[bare] == 1)
          name = std::move(bare);
      }
      if (!taken.insert(name).second)
        name = aliased_name(part.name, t.name);
      all_.add(std::move(name), part, t);
    }
    own.finish();
  }
  all_.finish();
}

const tool_view* snapshot::of_server(std::uint32_t slot) const noexcept {
  const auto found = by_server_.find(slot);
  return found == by_server_.end() ? nullptr : &found->second;
}

const server_part* snapshot::server(std::string_view name) const noexcept {
  const auto found = part_by_name_.find(name);
  return found == part_by_name_.end() ? nullptr : &parts_[found->second];
}

} // namespace nexus::catalog
