#include "registry/saved.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "seal/digest.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::registry {
namespace {

using catalog::cache_hints;
using catalog::list_kind;

void write_hints(std::string& out, const cache_hints& hints) {
  json::object_writer(out)
      .integer("ttlMs", hints.ttl_ms)
      .boolean("private", hints.is_private)
      .end();
}

cache_hints read_hints(json::slice from) {
  const auto ttl = json::to_int64(json::find_member(from, "ttlMs"));
  if (!ttl)
    return {0, true};
  return {std::clamp<std::int64_t>(*ttl, 0, limits::list_ttl_max.count()),
          json::find_member(from, "private").raw != "false"};
}

struct offer_word {
  std::string_view word;
  bool catalog::offered::*member;
};
constexpr offer_word offer_words[] = {
    {"tools", &catalog::offered::tools},         {"prompts", &catalog::offered::prompts},
    {"resources", &catalog::offered::resources}, {"subscribe", &catalog::offered::subscribe},
    {"tasks", &catalog::offered::tasks},         {"completions", &catalog::offered::completions},
    {"logging", &catalog::offered::logging},
};

std::string facts_of(const catalog::server_catalogue& from) {
  std::string out;
  json::object_writer facts(out);
  json::object_writer offers(facts.key("offers"));
  for (const auto& [word, member] : offer_words)
    offers.boolean(word, from.offers.*member);
  if (!from.offers.extensions.empty())
    offers.raw("extensions", from.offers.extensions);
  offers.end();
  write_hints(facts.key("hints"), from.hints);
  std::string& lists = facts.key("listHints");
  for (const auto kind : catalog::list_kinds) {
    lists += kind == list_kind::tools ? '[' : ',';
    write_hints(lists, from.list(kind).hints());
  }
  lists += ']';
  facts.end();
  return out;
}

/// A list of definitions. @param text a JSON array
result<catalog::item_list_ptr> read_list(list_kind kind, const cache_hints& hints, std::string text,
                                         json::scanner& scanner) {
  json::ensure_padding(text);
  catalog::list_builder builder(kind, hints);
  if (auto added = builder.add_page({text, json::kind::array}, scanner); !added)
    return std::unexpected(added.error());
  return builder.finish();
}

} // namespace

std::string settings_fingerprint(const config::server& of) {
  std::string text;
  // Lengths part what stands side by side.
  const auto add = [&](std::string_view part) {
    fmt::format_to(std::back_inserter(text), "{}:{}", part.size(), part);
  };
  const auto add_count = [&](std::size_t count) {
    fmt::format_to(std::back_inserter(text), "{};", count);
  };
  const auto add_all = [&](const std::vector<std::string>& parts) {
    add_count(parts.size());
    for (const std::string& part : parts)
      add(part);
  };
  add_count(static_cast<std::size_t>(of.kind));
  add_count(static_cast<std::size_t>(of.era));
  add_all(of.argv);
  add_count(of.env.size());
  for (const auto& [name, value] : of.env)
    add(name), add(value);
  add_all(of.env_unset);
  add(of.cwd);
  add(of.url);
  add_count(of.headers.size());
  for (const auto& [name, value] : of.headers)
    add(name), add(value);
  add(of.tls.ca_file);
  add(of.tls.certificate_file);
  add_all(of.include_tools);
  add_all(of.exclude_tools);
  return seal::to_hex(seal::sha256(text));
}

store::saved_catalogue to_saved(std::string_view server, std::string_view settings,
                                const catalog::server_catalogue& from, store::wall_ms now) {
  store::saved_catalogue out;
  out.server = server;
  out.settings = settings;
  for (const auto kind : catalog::list_kinds)
    out.lists[index_of(kind)] = '[' + from.list(kind).text() + ']';
  out.facts = facts_of(from);
  out.instructions = from.instructions;
  out.saved_at = now;
  return out;
}

result<std::shared_ptr<const catalog::server_catalogue>>
from_saved(const store::saved_catalogue& saved, json::scanner& scanner) {
  std::string text = saved.facts;
  json::ensure_padding(text);
  const auto facts = scanner.validate(text);
  if (!facts)
    return std::unexpected(facts.error());
  auto out = std::make_shared<catalog::server_catalogue>();
  const json::slice offers = json::find_member(*facts, "offers");
  for (const auto& [word, member] : offer_words)
    out->offers.*member = json::find_member(offers, word).raw == "true";
  out->offers.extensions = json::find_member(offers, "extensions").raw;
  out->hints = read_hints(json::find_member(*facts, "hints"));
  out->instructions = saved.instructions;
  json::element_walk hints(json::find_member(*facts, "listHints"));
  for (const auto kind : catalog::list_kinds) {
    const cache_hints own = hints.next() ? read_hints(hints.value()) : cache_hints{0, true};
    auto list = read_list(kind, own, saved.lists[index_of(kind)], scanner);
    if (!list)
      return std::unexpected(list.error());
    out->lists[index_of(kind)] = std::move(*list);
  }
  return out;
}

std::shared_ptr<const catalog::server_catalogue>
without(const catalog::server_catalogue& from,
        const std::array<std::vector<std::string>, catalog::list_kinds.size()>& names,
        json::scanner& scanner) {
  auto out = std::make_shared<catalog::server_catalogue>(from);
  for (const auto kind : catalog::list_kinds) {
    const std::unordered_set<std::string_view> unwanted(names[index_of(kind)].begin(),
                                                        names[index_of(kind)].end());
    if (unwanted.empty())
      continue;
    const catalog::item_list& all = from.list(kind);
    std::string text = "[";
    for (const catalog::item& item : all.items())
      if (!unwanted.contains(item.name))
        text.append(text.size() > 1 ? "," : "").append(all.definition(item));
    auto list = read_list(kind, all.hints(), text + ']', scanner);
    NEXUS_ASSERT(list); // its definitions are in a list already
    out->lists[index_of(kind)] = std::move(*list);
  }
  return out;
}

} // namespace nexus::registry
