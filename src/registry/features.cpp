#include "registry/features.hpp"

#include <algorithm>
#include <cmath>

#include "base/limits.hpp"
#include "json/walk.hpp"

namespace nexus::registry {
namespace {

/// Read of a description: what a tool does is said first, how it is used later.
constexpr std::size_t description_terms_max = 48;
/// Arguments that are compared.
constexpr std::size_t arguments_max = 64;
/// Terms that candidates are looked for by.
constexpr std::size_t rare_terms_max = 16;
/// A word of the server's name says nothing about a tool of that server.
constexpr float own_server_weight = 0.15F;
/// What an argument that may be left out counts.
constexpr float optional_weight = 0.4F;

/// Terms of several kinds share one numbering.
enum class vocabulary : std::uint64_t { text = 0, argument = 0x9E3779B97F4A7C15 };

class feature_reader {
 public:
  feature_reader(std::span<const tool_entry> tools, std::span<const std::uint32_t> chosen)
      : tools_(tools), chosen_(chosen) {}

  std::vector<tool_features> read() {
    features_.resize(chosen_.size());
    for (std::size_t i = 0; i < chosen_.size(); ++i)
      read_terms(tools_[chosen_[i]], features_[i]);
    for (std::size_t i = 0; i < chosen_.size(); ++i)
      weigh(tools_[chosen_[i]].server, features_[i]);
    return std::move(features_);
  }

 private:
  struct server_terms {
    std::unordered_map<std::uint32_t, std::uint32_t> in_names; ///< tools that have the term
    std::vector<std::uint32_t> own;                            ///< of the server's name
    std::uint32_t tools = 0;
  };

  std::uint32_t term(std::uint64_t hash, vocabulary of) {
    const auto made = ids_.try_emplace(hash ^ static_cast<std::uint64_t>(of),
                                       static_cast<std::uint32_t>(ids_.size()));
    if (made.second)
      tools_with_.push_back(0);
    return made.first->second;
  }

  /// The terms of a text with their counts.
  term_vector count(std::string_view text, std::size_t at_most) {
    analysis_.clear();
    analyzer_.append(analysis_, text, search::gram_use::skip);
    std::vector<std::uint32_t> found;
    for (const search::token& t : analysis_.tokens)
      if (found.size() < at_most && t.kind != search::token_kind::joined)
        found.push_back(term(t.key.hash, vocabulary::text));
    std::sort(found.begin(), found.end());
    term_vector out;
    for (const std::uint32_t id : found)
      if (!out.empty() && out.back().first == id)
        ++out.back().second;
      else
        out.emplace_back(id, 1.0F);
    return out;
  }

  void read_terms(const tool_entry& tool, tool_features& to) {
    auto& server = servers_[tool.server];
    if (server.tools++ == 0)
      for (const auto& [id, times] : count(tool.server, description_terms_max))
        server.own.push_back(id);
    to.name = count(tool.name, description_terms_max);
    for (const auto& [id, times] : to.name)
      ++server.in_names[id];
    const json::slice description = json::find_member(tool.definition, "description");
    if (description.is(json::kind::string)) {
      const auto text = json::unquote(description);
      to.description = count(std::string_view(text).substr(0, limits::search_document_bytes_max),
                             description_terms_max);
    }
    read_arguments(json::find_member(tool.definition, "inputSchema"), to);
    std::vector<std::uint32_t> all;
    for (const auto* part : {&to.name, &to.description})
      for (const auto& [id, times] : *part)
        all.push_back(id);
    for (const argument& a : to.arguments)
      all.push_back(a.name);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    for (const std::uint32_t id : all) {
      ++tools_with_[id];
      to.rare.emplace_back(id, 0.0F);
    }
  }

  void read_arguments(json::slice schema, tool_features& to) {
    std::vector<std::string> required;
    for (json::element_walk e(json::find_member(schema, "required")); e.next();)
      if (e.value().is(json::kind::string) && required.size() < arguments_max)
        required.push_back(json::unquote(e.value()));
    for (json::member_walk m(json::find_member(schema, "properties"));
         m.next() && to.arguments.size() < arguments_max;) {
      argument made;
      std::uint64_t hash = 0;
      const std::string name(m.key().substr(0, limits::name_bytes_max));
      for (const auto& [id, times] : count(name, description_terms_max))
        hash = (hash ^ id) * 0x100000001B3; // ids are in order
      made.name = term(hash, vocabulary::argument);
      const json::slice type = json::find_member(m.value(), "type");
      made.type = type.is(json::kind::string) && type.raw.size() > 2 ? type.raw[1] : '\0';
      made.required = std::find(required.begin(), required.end(), name) != required.end();
      to.arguments.push_back(made);
    }
    std::sort(to.arguments.begin(), to.arguments.end(),
              [](const argument& a, const argument& b) { return a.name < b.name; });
  }

  [[nodiscard]] float rarity(std::uint32_t id) const {
    const auto all = static_cast<float>(chosen_.size());
    return std::log(1.0F + all / static_cast<float>(tools_with_[id]));
  }

  static void normalize(term_vector& v) {
    float sum = 0;
    for (const auto& [id, weight] : v)
      sum += weight * weight;
    for (auto& [id, weight] : v)
      weight /= std::sqrt(sum);
  }

  void weigh(std::string_view server_name, tool_features& of) {
    const server_terms& server = servers_[server_name];
    for (auto& [id, weight] : of.name) {
      // "browser" tells nothing among the tools of a browser, "API" nothing among those of an API.
      const auto here = static_cast<float>(server.in_names.at(id));
      weight =
          std::min(rarity(id), std::log(1.0F + 4.0F * static_cast<float>(server.tools) / here));
      if (std::find(server.own.begin(), server.own.end(), id) != server.own.end())
        weight *= own_server_weight;
    }
    for (auto& [id, weight] : of.description)
      weight = rarity(id) * (1.0F + std::log(weight));
    normalize(of.name);
    normalize(of.description);
    for (auto& [id, weight] : of.rare)
      weight = rarity(id);
    std::erase_if(of.rare, [&](const auto& t) { return tools_with_[t.first] < 2; });
    std::sort(of.rare.begin(), of.rare.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    of.rare.resize(std::min(of.rare.size(), rare_terms_max));
  }

  std::span<const tool_entry> tools_;
  std::span<const std::uint32_t> chosen_;
  std::vector<tool_features> features_;
  std::unordered_map<std::uint64_t, std::uint32_t> ids_;
  std::vector<std::uint32_t> tools_with_; ///< by term
  std::unordered_map<std::string_view, server_terms> servers_;
  search::analyzer analyzer_;
  search::analysis analysis_;
};

float cosine(const term_vector& a, const term_vector& b) {
  float sum = 0;
  for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
    if (x->first == y->first)
      sum += x++->second * y++->second;
    else
      ++(x->first < y->first ? x : y);
  }
  return std::min(sum, 1.0F);
}

float weight_of(const argument& a) {
  return a.required ? 1.0F : optional_weight;
}

/// What both have of what either has.
float compare_arguments(const std::vector<argument>& a, const std::vector<argument>& b) {
  float common = 0, all = 0;
  auto x = a.begin(), y = b.begin();
  while (x != a.end() || y != b.end()) {
    if (y == b.end() || (x != a.end() && x->name < y->name)) {
      all += weight_of(*x++);
    } else if (x == a.end() || y->name < x->name) {
      all += weight_of(*y++);
    } else {
      const float both = std::max(weight_of(*x), weight_of(*y));
      const float alike =
          (x->type == y->type ? 1.0F : 0.6F) * (x->required == y->required ? 1.0F : 0.8F);
      common += both * alike;
      all += both;
      ++x, ++y;
    }
  }
  return all == 0 ? 1.0F : common / all;
}

} // namespace

std::vector<tool_features> read_features(std::span<const tool_entry> tools,
                                         std::span<const std::uint32_t> chosen) {
  return feature_reader(tools, chosen).read();
}

likeness compare(const tool_features& a, const tool_features& b) {
  // How much each part says. That neither takes arguments says little.
  constexpr float of_name = 0.35F, of_description = 0.45F, of_schema = 0.2F;
  constexpr float of_no_arguments = 0.05F;
  const float arguments = a.arguments.empty() && b.arguments.empty() ? of_no_arguments : of_schema;
  likeness out;
  out.name = cosine(a.name, b.name);
  out.description = cosine(a.description, b.description);
  out.schema = compare_arguments(a.arguments, b.arguments);
  out.score = (of_name * out.name + of_description * out.description + arguments * out.schema) /
              (of_name + of_description + arguments);
  return out;
}

} // namespace nexus::registry
