/// A schema becomes a graph: one node for each subschema, references led to their nodes.

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "schema/describe.hpp"
#include "schema/graph.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::schema {
namespace {

std::optional<double> number_of(json::slice value) {
  double out = 0;
  if (!value.is(json::kind::number))
    return std::nullopt;
  const auto read = std::from_chars(value.raw.data(), value.raw.data() + value.raw.size(), out);
  return read.ec == std::errc{} ? std::optional(out) : std::nullopt;
}

/// `%41~1` of a reference's fragment is `A/` in a key.
std::string unescape_token(std::string_view token) {
  std::string plain;
  for (std::size_t at = 0; at < token.size(); ++at) {
    unsigned byte = 0;
    if (token[at] == '%' && at + 2 < token.size() &&
        std::from_chars(&token[at + 1], &token[at + 1] + 2, byte, 16).ptr == &token[at + 1] + 2) {
      plain += static_cast<char>(byte);
      at += 2;
    } else {
      plain += token[at];
    }
  }
  std::string out;
  for (std::size_t at = 0; at < plain.size(); ++at) {
    const bool escaped = plain[at] == '~' && at + 1 < plain.size();
    out += escaped ? (plain[at + 1] == '1' ? '/' : '~') : plain[at];
    at += escaped ? 1 : 0;
  }
  return out;
}

json::slice element_at(json::slice array, std::string_view index) {
  std::size_t wanted = 0;
  const auto read = std::from_chars(index.data(), index.data() + index.size(), wanted);
  if (read.ec != std::errc{} || read.ptr != index.data() + index.size())
    return {};
  std::size_t at = 0;
  for (json::element_walk e(array); e.next(); ++at) {
    if (at == wanted)
      return e.value();
  }
  return {};
}

} // namespace

class compiler {
 public:
  static std::shared_ptr<const compiled> run(json::slice schema) {
    compiler work(schema);
    (void)work.node_of(schema, 0);
    return std::shared_ptr<const compiled>(new compiled(std::move(work.graph_)));
  }

 private:
  explicit compiler(json::slice root) : root_(root) {
    const json::slice dialect = json::find_member(root, "$schema");
    for (const char* old : {"draft-07", "draft-06", "draft-04"})
      old_ = old_ || dialect.raw.find(old) != std::string_view::npos;
    const json::slice id = json::find_member(root, "$id");
    if (id.is(json::kind::string))
      id_ = json::unquote(id);
  }

  void note(std::string text) {
    if (graph_->notes.size() < limits::schema_notes_max)
      graph_->notes.push_back(std::move(text));
  }

  /// The node of a subschema, made at its first use. Text identifies it.
  node_id node_of(json::slice schema, unsigned depth) {
    const auto known = ids_.find(schema.raw.data());
    if (known != ids_.end())
      return known->second;
    if (graph_->nodes.size() >= limits::schema_nodes_max || depth > limits::json_depth_max) {
      note("the schema is too large; the rest of it is not enforced");
      return always();
    }
    const auto id = static_cast<node_id>(graph_->nodes.size());
    ids_.emplace(schema.raw.data(), id);
    graph_->nodes.emplace_back();
    // Nodes move while more are made: this one is put in its place at the end.
    node made = read(schema, depth);
    graph_->nodes[id] = std::move(made);
    return id;
  }

  node_id always() {
    if (always_ == no_node) {
      always_ = static_cast<node_id>(graph_->nodes.size());
      graph_->nodes.emplace_back();
    }
    return always_;
  }

  node read(json::slice schema, unsigned depth) {
    node out;
    if (!schema.is(json::kind::object)) {
      out.never = schema.raw == "false";
      return out;
    }
    const json::slice reference = json::find_member(schema, "$ref");
    if (old_ && reference) {
      add_reference(out, reference, depth);
      return out; // draft-07 s8.3: its siblings are ignored
    }
    for (json::member_walk m(schema); m.next();) {
      const std::string key(m.key());
      if (!read_value(out, key, m.value()) && !read_counts(out, key, m.value()) &&
          !read_members(out, key, m.value(), depth))
        read_schemas(out, key, m.value(), depth);
    }
    finish(out, schema, depth);
    return out;
  }

  bool read_value(node& to, const std::string& key, json::slice value) {
    if (key == "type") {
      add_type(to, value);
      for (json::element_walk e(value); e.next();)
        add_type(to, e.value());
    } else if (key == "enum" || key == "const") {
      auto& all = to.values.emplace();
      if (key == "const")
        all.push_back(json::canonical(value.raw));
      for (json::element_walk e(key == "enum" ? value : json::slice{}); e.next();)
        all.push_back(json::canonical(e.value().raw));
    } else if (key == "pattern") {
      to.text = make_pattern(value);
    } else if (key == "format" && value.is(json::kind::string)) {
      to.format = json::unquote(value);
    } else if (key == "default") {
      to.sample = value.raw;
    } else if (key == "examples" && to.sample.empty()) {
      json::element_walk e(value);
      to.sample = e.next() ? e.value().raw : std::string_view();
    } else if (key == "uniqueItems") {
      to.unique = value.raw == "true";
    } else {
      return false;
    }
    return true;
  }

  static void add_type(node& to, json::slice value) {
    if (value.is(json::kind::string))
      to.types = static_cast<std::uint8_t>(to.types | type_named(json::unquote(value)));
  }

  std::optional<pattern> make_pattern(json::slice value) {
    if (!value.is(json::kind::string))
      return std::nullopt;
    const std::string text = json::unquote(value);
    auto out = pattern::make(text);
    if (!out)
      note(fmt::format("the pattern '{}' is not enforced", text.substr(0, 80)));
    return out;
  }

  bool read_counts(node& to, const std::string& key, json::slice value) {
    const std::pair<std::string_view, std::optional<double> node::*> numbers[] = {
        {"minimum", &node::least},          {"maximum", &node::most},
        {"exclusiveMinimum", &node::above}, {"exclusiveMaximum", &node::below},
        {"multipleOf", &node::step},
    };
    for (const auto& [name, member] : numbers) {
      if (key == name) {
        to.*member = number_of(value);
        if (name == "multipleOf" && to.step && !(*to.step > 0))
          to.step.reset();
        return true;
      }
    }
    const std::pair<std::string_view, std::size_t*> counts[] = {
        {"minLength", &to.length.least},
        {"maxLength", &to.length.most},
        {"minItems", &to.items_count.least},
        {"maxItems", &to.items_count.most},
        {"minProperties", &to.members_count.least},
        {"maxProperties", &to.members_count.most},
        {"minContains", &to.contained.least},
        {"maxContains", &to.contained.most},
    };
    for (const auto& [name, place] : counts) {
      if (key != name)
        continue;
      const auto number = number_of(value);
      if (number && *number >= 0 && *number < 1e15)
        *place = static_cast<std::size_t>(*number);
      return true;
    }
    return false;
  }

  static std::vector<std::string> names_in(json::slice array) {
    std::vector<std::string> out;
    for (json::element_walk e(array); e.next();) {
      if (e.value().is(json::kind::string))
        out.push_back(json::unquote(e.value()));
    }
    return out;
  }

  bool read_members(node& to, const std::string& key, json::slice value, unsigned depth) {
    if (key == "required") {
      to.required = names_in(value);
    } else if (key == "properties") {
      for (json::member_walk m(value); m.next();) {
        std::string name(m.key());
        to.properties.emplace_back(std::move(name), node_of(m.value(), depth + 1));
      }
      std::ranges::stable_sort(to.properties, {}, &std::pair<std::string, node_id>::first);
    } else if (key == "patternProperties") {
      for (json::member_walk m(value); m.next();) {
        if (auto made = pattern::make(std::string(m.key())))
          to.pattern_properties.emplace_back(*made, node_of(m.value(), depth + 1));
        else
          to.additional = always(); // what it would have named must not be refused
      }
    } else if (key == "dependentRequired" || key == "dependentSchemas" || key == "dependencies") {
      for (json::member_walk m(value); m.next();) {
        if (m.value().is(json::kind::array))
          to.dependent_names.emplace_back(m.key(), names_in(m.value()));
        else
          to.dependent.emplace_back(m.key(), node_of(m.value(), depth + 1));
      }
    } else {
      return false;
    }
    return true;
  }

  void read_schemas(node& to, const std::string& key, json::slice value, unsigned depth) {
    const std::pair<std::string_view, node_id node::*> single[] = {
        {"propertyNames", &node::names},
        {"contains", &node::contains},
        {"not", &node::denied},
        {"if", &node::condition},
        {"then", &node::then},
        {"else", &node::otherwise},
        {"unevaluatedProperties", &node::unevaluated_members},
        {"unevaluatedItems", &node::unevaluated_items},
    };
    for (const auto& [name, member] : single) {
      if (key == name) {
        to.*member = node_of(value, depth + 1);
        graph_->tracks = graph_->tracks || name.starts_with("unevaluated");
        return;
      }
    }
    const std::pair<std::string_view, std::vector<node_id> node::*> lists[] = {
        {"allOf", &node::all},
        {"anyOf", &node::any},
        {"oneOf", &node::one},
        {"prefixItems", &node::prefix},
    };
    for (const auto& [name, member] : lists) {
      for (json::element_walk e(key == name ? value : json::slice{}); e.next();)
        (to.*member).push_back(node_of(e.value(), depth + 1));
    }
    if (key == "$ref" || key == "$dynamicRef")
      add_reference(to, value, depth);
    else if (key == "additionalProperties" && to.additional == no_node)
      to.additional = node_of(value, depth + 1);
  }

  /// `items` and `additionalItems` depend on each other, and so do draft-04's exclusive limits.
  void finish(node& to, json::slice schema, unsigned depth) {
    const json::slice items = json::find_member(schema, "items");
    if (items.is(json::kind::array)) {
      for (json::element_walk e(items); e.next();)
        to.prefix.push_back(node_of(e.value(), depth + 1));
      if (const json::slice rest = json::find_member(schema, "additionalItems"))
        to.items = node_of(rest, depth + 1);
    } else if (items) {
      to.items = node_of(items, depth + 1);
    }
    if (json::find_member(schema, "exclusiveMinimum").raw == "true")
      std::swap(to.above, to.least);
    if (json::find_member(schema, "exclusiveMaximum").raw == "true")
      std::swap(to.below, to.most);
  }

  void add_reference(node& to, json::slice reference, unsigned depth) {
    std::string text = reference.is(json::kind::string) ? json::unquote(reference) : "?";
    if (!id_.empty() && text.starts_with(id_))
      text.erase(0, id_.size());
    json::slice target;
    if (++references_ > limits::schema_references_max)
      text = "?"; // each costs a walk through the schema
    if (text.empty() || text == "#")
      target = root_;
    else if (text.starts_with("#/"))
      target = follow(text.substr(2));
    else if (text.starts_with('#'))
      target = anchor(root_, text.substr(1), 0);
    if (target)
      to.all.push_back(node_of(target, depth + 1));
    else
      note(fmt::format("the reference '{}' leads nowhere in the schema", text.substr(0, 80)));
  }

  [[nodiscard]] json::slice follow(std::string_view pointer) const {
    json::slice at = root_;
    while (at) {
      const std::size_t end = std::min(pointer.find('/'), pointer.size());
      const std::string token = unescape_token(pointer.substr(0, end));
      at = at.is(json::kind::array) ? element_at(at, token) : json::find_member(at, token);
      if (end == pointer.size())
        break;
      pointer.remove_prefix(end + 1);
    }
    return at;
  }

  /// The subschema of a name. Names are searched once for each reference, within the budget.
  json::slice anchor(json::slice within, std::string_view name, unsigned depth) {
    if (depth > limits::json_depth_max || ++anchor_steps_ > limits::schema_nodes_max)
      return {};
    for (json::member_walk m(within); m.next();) {
      const std::string_view key = m.key();
      const bool names = key == "$anchor" || key == "$dynamicAnchor" || key == "$id";
      if (names && m.value().is(json::kind::string)) {
        const std::string own = json::unquote(m.value());
        if (own == name || own == "#" + std::string(name))
          return within;
      }
      if (const json::slice found = anchor(m.value(), name, depth + 1))
        return found;
    }
    for (json::element_walk e(within); e.next();) {
      if (const json::slice found = anchor(e.value(), name, depth + 1))
        return found;
    }
    return {};
  }

  json::slice root_;
  std::string id_;
  bool old_ = false;
  std::size_t anchor_steps_ = 0, references_ = 0;
  node_id always_ = no_node;
  std::unique_ptr<compiled::graph> graph_ = std::make_unique<compiled::graph>();
  std::unordered_map<const char*, node_id> ids_;
};

compiled::compiled(std::unique_ptr<const graph> made) : graph_(std::move(made)) {}
compiled::~compiled() = default;

std::shared_ptr<const compiled> compiled::make(json::slice schema) {
  return compiler::run(schema);
}

const std::vector<std::string>& compiled::notes() const noexcept {
  return graph_->notes;
}

} // namespace nexus::schema
