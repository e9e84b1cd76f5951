/// A small valid value from the graph of a schema: built from what the schema says, then checked.

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "schema/graph.hpp"
#include "json/write.hpp"

namespace nexus::schema {
namespace {

constexpr unsigned example_depth_max = 24;

enum class samples : std::uint8_t {
  use,   ///< the schema's own defaults and examples
  ignore ///< they can be wrong
};

struct formatted {
  std::string_view format, text;
};
constexpr std::array<formatted, 12> texts{{{"date-time", "2025-01-31T12:00:00Z"},
                                           {"date", "2025-01-31"},
                                           {"time", "12:00:00Z"},
                                           {"duration", "P1D"},
                                           {"email", "user@example.com"},
                                           {"uri", "https://example.com"},
                                           {"uuid", "123e4567-e89b-42d3-a456-426614174000"},
                                           {"ipv4", "192.0.2.1"},
                                           {"ipv6", "2001:db8::1"},
                                           {"hostname", "example.com"},
                                           {"", "text"},
                                           {"", "1"}}};

/// What holds for one value: a node, those it refers to, and one alternative of each choice.
class builder {
 public:
  builder(const compiled::graph& of, samples policy) : graph_(of), policy_(policy) {}

  /// Empty when there is none.
  std::string build(node_id id, unsigned depth) {
    if (depth > example_depth_max || ++built_ > limits::schema_nodes_max)
      return {};
    std::vector<const node*> rules;
    gather(id, rules, 0);
    std::uint8_t types = 0x7F;
    for (const node* n : rules) {
      if (n->never)
        return {};
      types = static_cast<std::uint8_t>(types & (n->types == 0 ? 0x7F : n->types));
    }
    for (const node* n : rules) {
      if (n->values)
        return n->values->empty() ? std::string() : n->values->front();
    }
    for (const node* n : rules) {
      if (!n->sample.empty() && policy_ == samples::use)
        return n->sample;
    }
    return of_type(types, rules, depth);
  }

 private:
  void gather(node_id id, std::vector<const node*>& to, unsigned depth) {
    const node& n = graph_.nodes[id];
    if (depth > example_depth_max || std::ranges::find(to, &n) != to.end())
      return;
    to.push_back(&n);
    for (const node_id other : n.all)
      gather(other, to, depth + 1);
    for (const auto* choice : {&n.any, &n.one}) {
      if (!choice->empty())
        gather(choice->front(), to, depth + 1);
    }
    if (n.condition == no_node)
      return;
    // A value without the members that a condition asks for mostly fails it.
    if (n.otherwise != no_node)
      gather(n.otherwise, to, depth + 1);
  }

  std::string of_type(std::uint8_t types, const std::vector<const node*>& rules, unsigned depth) {
    const auto any = [&rules](auto says) {
      return std::ranges::any_of(rules, [&](const node* n) { return says(*n); });
    };
    if (types == 0x7F) {
      const bool object = any([](const node& n) {
        return !n.properties.empty() || !n.required.empty() || n.additional != no_node;
      });
      const bool array = any([](const node& n) { return n.items != no_node || !n.prefix.empty(); });
      const bool number =
          any([](const node& n) { return n.least || n.most || n.above || n.below; });
      types = object ? type_object : array ? type_array : number ? type_number : type_string;
    }
    if ((types & type_object) != 0)
      return object(rules, depth);
    if ((types & type_string) != 0)
      return text(rules);
    if ((types & (type_integer | type_number)) != 0)
      return number(rules, (types & type_number) == 0);
    if ((types & type_boolean) != 0)
      return "false";
    if ((types & type_array) != 0)
      return array(rules, depth);
    return (types & type_null) != 0 ? "null" : "";
  }

  std::string object(const std::vector<const node*>& rules, unsigned depth) {
    std::vector<std::string> names;
    for (const node* n : rules) {
      for (const std::string& name : n->required) {
        if (std::ranges::find(names, name) == names.end())
          names.push_back(name);
      }
    }
    std::string out = "{";
    for (const std::string& name : names) {
      const node_id id = member_rule(rules, name);
      const std::string value = id == no_node ? "\"text\"" : build(id, depth + 1);
      if (value.empty() || out.size() + value.size() > limits::schema_example_bytes_max)
        return {};
      out += out.size() > 1 ? "," : "";
      json::append_string(out, name);
      out += ':' + value;
    }
    return out + '}';
  }

  static node_id member_rule(const std::vector<const node*>& rules, const std::string& name) {
    for (const node* n : rules) {
      const auto found = std::ranges::lower_bound(n->properties, name, {},
                                                  &std::pair<std::string, node_id>::first);
      if (found != n->properties.end() && found->first == name)
        return found->second;
    }
    for (const node* n : rules) {
      for (const auto& [pattern, id] : n->pattern_properties) {
        if (pattern.matches(name))
          return id;
      }
      if (n->additional != no_node)
        return n->additional;
    }
    return no_node;
  }

  std::string array(const std::vector<const node*>& rules, unsigned depth) {
    std::size_t count = 0;
    for (const node* n : rules)
      count = std::max({count, n->items_count.least,
                        n->contains != no_node ? n->contained.least : std::size_t{0}});
    std::string out = "[";
    for (std::size_t k = 0; k < count; ++k) {
      node_id id = no_node;
      for (const node* n : rules) {
        const node_id own = k < n->prefix.size()  ? n->prefix[k]
                            : n->items != no_node ? n->items
                                                  : n->contains;
        id = id == no_node ? own : id;
      }
      const std::string value = id == no_node ? std::to_string(k) : build(id, depth + 1);
      if (value.empty() || out.size() + value.size() > limits::schema_example_bytes_max)
        return {};
      out += (k > 0 ? "," : "") + value;
    }
    return out + ']';
  }

  static std::string text(const std::vector<const node*>& rules) {
    std::size_t least = 0, most = count_range().most;
    for (const node* n : rules) {
      least = std::max(least, n->length.least);
      most = std::min(most, n->length.most);
    }
    std::string best;
    for (const auto& [format, sample] : texts) {
      const bool wanted = format.empty() || std::ranges::any_of(rules, [&](const node* n) {
                            return n->format == format;
                          });
      if (wanted && best.empty() && fits(rules, std::string(sample), least, most))
        best = sample;
    }
    // What a pattern may want: any of the formats, or one character often enough.
    for (const auto& [format, sample] : texts) {
      if (best.empty() && fits(rules, std::string(sample), least, most))
        best = sample;
    }
    for (const char c : std::string_view("a0A_-")) {
      const std::string filled(std::min(std::max<std::size_t>(least, most > 0 ? 1 : 0),
                                        limits::schema_example_bytes_max),
                               c);
      if (best.empty() && fits(rules, filled, least, most))
        best = filled;
    }
    std::string out;
    json::append_string(out, best);
    return out;
  }

  static bool fits(const std::vector<const node*>& rules, const std::string& text,
                   std::size_t least, std::size_t most) {
    return text.size() >= least && text.size() <= most &&
           std::ranges::all_of(rules,
                               [&](const node* n) { return !n->text || n->text->matches(text); });
  }

  static std::string number(const std::vector<const node*>& rules, bool whole) {
    std::vector<double> tried{1, 0};
    for (const node* n : rules) {
      for (const auto& limit : {n->least, n->most, n->above, n->below}) {
        if (limit)
          tried.insert(tried.end(), {*limit, *limit + 1, *limit - 1, *limit + 0.5, *limit - 0.5});
      }
      if (n->step) {
        const double from = n->least.value_or(n->above.value_or(0));
        tried.push_back(std::ceil(from / *n->step) * *n->step);
        tried.push_back((std::floor(from / *n->step) + 1) * *n->step);
      }
    }
    for (const double x : tried) {
      const bool good = std::ranges::all_of(rules, [x](const node* n) {
        return !(n->least && x < *n->least) && !(n->most && x > *n->most) &&
               !(n->above && x <= *n->above) && !(n->below && x >= *n->below) &&
               !(n->step && std::abs(std::remainder(x, *n->step)) > 1e-9 * std::max(1.0, x));
      });
      if (good && (!whole || std::trunc(x) == x))
        return fmt::format("{}", x);
    }
    return {};
  }

  const compiled::graph& graph_;
  samples policy_;
  std::size_t built_ = 0;
};

} // namespace

std::optional<std::string> compiled::example() const {
  for (const samples policy : {samples::use, samples::ignore}) {
    std::string made = builder(*graph_, policy).build(0, 0);
    if (made.empty())
      continue;
    json::ensure_padding(made);
    json::scanner scanner;
    const auto value = scanner.validate(made);
    if (value && check(*value).what == verdict::state::valid)
      return made;
  }
  return std::nullopt;
}

} // namespace nexus::schema
