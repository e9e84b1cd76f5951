#include "catalog/changed_definition.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::catalog {
namespace {

using hidden_names = std::set<std::string, std::less<>>;

/// `"key":value` for each member, with commas.
class members {
 public:
  void add(std::string_view key, std::string_view json) {
    if (!text_.empty())
      text_ += ',';
    json::append_string(text_, key);
    text_.append(1, ':').append(json);
  }
  [[nodiscard]] std::string object() const { return '{' + text_ + '}'; }

 private:
  std::string text_;
};

/// The schema without the arguments that the model does not give.
std::string hide_arguments(json::slice schema, const hidden_names& hidden) {
  members out;
  for (json::member_walk m(schema); m.next();) {
    if (m.key() == "properties" && m.value().is(json::kind::object)) {
      members kept;
      for (json::member_walk property(m.value()); property.next();)
        if (!hidden.contains(property.key()))
          kept.add(property.key(), property.value().raw);
      out.add("properties", kept.object());
    } else if (m.key() == "required" && m.value().is(json::kind::array)) {
      std::string kept = "[";
      for (json::element_walk name(m.value()); name.next();)
        if (!name.value().is(json::kind::string) || !hidden.contains(json::unquote(name.value())))
          kept.append(kept.size() == 1 ? "" : ",").append(name.value().raw);
      out.add("required", kept + ']');
    } else {
      out.add(m.key(), m.value().raw);
    }
  }
  return out.object();
}

/// A prompt's arguments without those that the model does not give.
std::string hide_prompt_arguments(json::slice arguments, const hidden_names& hidden) {
  std::string kept = "[";
  for (json::element_walk one(arguments); one.next();) {
    const auto name = json::find_member(one.value(), "name");
    if (!name.is(json::kind::string) || !hidden.contains(json::unquote(name)))
      kept.append(kept.size() == 1 ? "" : ",").append(one.value().raw);
  }
  return kept + ']';
}

hidden_names hidden_by(const config::vmcp_item& change) {
  hidden_names out;
  for (const auto* const text : {&change.fixed, &change.defaults})
    for (json::member_walk m({*text, text->empty() ? json::kind::absent : json::kind::object});
         m.next();)
      out.emplace(m.key());
  return out;
}

bool has_uri(list_kind kind) noexcept {
  return family_of(kind) == family::resources;
}

} // namespace

bool changes_definition(list_kind kind, const config::vmcp_item& change) noexcept {
  return !change.title.empty() || !change.description.empty() || !change.fixed.empty() ||
         !change.defaults.empty() || (has_uri(kind) && !change.name.empty());
}

std::string changed_definition(list_kind kind, std::string_view definition,
                               const config::vmcp_item& change) {
  const auto hidden = hidden_by(change);
  // What stands there instead of the item's own, or beside it when it has none.
  std::vector<std::pair<std::string_view, std::string_view>> texts;
  if (has_uri(kind) && !change.name.empty())
    texts.emplace_back("name", change.name);
  if (!change.title.empty())
    texts.emplace_back("title", change.title);
  if (!change.description.empty())
    texts.emplace_back("description", change.description);
  members out;
  const auto add_text = [&out](std::string_view key, std::string_view text) {
    std::string written;
    json::append_string(written, text);
    out.add(key, written);
  };
  for (json::member_walk m({definition, json::kind::object}); m.next();) {
    const auto other =
        std::ranges::find_if(texts, [&](const auto& text) { return text.first == m.key(); });
    if (other != texts.end()) {
      add_text(other->first, other->second);
      texts.erase(other);
    } else if (m.key() == "inputSchema" && m.value().is(json::kind::object) && !hidden.empty()) {
      out.add("inputSchema", hide_arguments(m.value(), hidden));
    } else if (m.key() == "arguments" && m.value().is(json::kind::array) && !hidden.empty()) {
      out.add("arguments", hide_prompt_arguments(m.value(), hidden));
    } else {
      out.add(m.key(), m.value().raw);
    }
  }
  for (const auto& [key, text] : texts)
    add_text(key, text);
  return out.object();
}

} // namespace nexus::catalog
