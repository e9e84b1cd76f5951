/// A value against the graph of a schema.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/utf8.hpp"
#include "schema/describe.hpp"
#include "schema/graph.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::schema {
namespace {

struct held_member {
  std::string key;
  json::slice value;
  bool evaluated = false;
};

/// An array or object at hand, taken apart once for all rules that look at it.
struct parts {
  std::vector<held_member> members; ///< elements have no keys
};

std::uint8_t types_of(json::slice value, double number) {
  switch (value.type) {
  case json::kind::null:
    return type_null;
  case json::kind::boolean:
    return type_boolean;
  case json::kind::number:
    return static_cast<std::uint8_t>(
        type_number | (std::isfinite(number) && std::trunc(number) == number ? type_integer : 0));
  case json::kind::string:
    return type_string;
  case json::kind::array:
    return type_array;
  case json::kind::object:
    return type_object;
  case json::kind::absent:
    break;
  }
  return 0;
}

double number_in(json::slice value) {
  double out = 0;
  const auto read = std::from_chars(value.raw.data(), value.raw.data() + value.raw.size(), out);
  if (read.ec == std::errc::result_out_of_range)
    return value.raw.starts_with('-') ? -HUGE_VAL : HUGE_VAL;
  return out;
}

bool is_multiple(double number, double step) {
  const double times = number / step;
  // 0.3 is a multiple of 0.1 though no double says so.
  return std::abs(times - std::round(times)) <= 1e-9 * std::max(1.0, std::abs(times));
}

std::size_t count_characters(std::string_view text) {
  std::size_t out = 0;
  for (std::size_t at = 0; at < text.size(); ++out)
    at += next_utf8(text.substr(at)).bytes;
  return out;
}

} // namespace

class checker {
 public:
  explicit checker(const compiled::graph& of) : graph_(of) {}

  verdict run(json::slice value) {
    verdict out;
    parts held;
    const bool good = check(0, value, "", held, out.violations, 0);
    out.what = exhausted_ ? verdict::state::undecided
               : good     ? verdict::state::valid
                          : verdict::state::invalid;
    if (out.what != verdict::state::invalid)
      out.violations.clear();
    return out;
  }

 private:
  using sink = std::vector<violation>;

  bool fail(sink& to, const std::string& path, std::string expected, json::slice found) const {
    return fail(to, path, std::move(expected), found ? shown(found.raw) : "nothing");
  }
  static bool fail(sink& to, const std::string& path, std::string expected, std::string found) {
    if (to.size() < limits::schema_violations_max)
      to.push_back({path, std::move(expected), std::move(found)});
    return false;
  }

  /// @returns false once the budget is used up
  bool pay(std::size_t steps) {
    work_ += steps;
    exhausted_ = exhausted_ || work_ > limits::schema_work_max;
    return !exhausted_;
  }

  static void take_apart(json::slice value, parts& to) {
    for (json::member_walk m(value); m.next();)
      to.members.push_back({std::string(m.key()), m.value()});
    for (json::element_walk e(value); e.next();)
      to.members.push_back({{}, e.value()});
  }

  bool check_fresh(node_id id, json::slice value, const std::string& path, sink& to,
                   unsigned depth) {
    parts held;
    return check(id, value, path, held, to, depth);
  }

  /// `held` belongs to `value`: rules about the same value share what they evaluated.
  bool check(node_id id, json::slice value, const std::string& path, parts& held, sink& to,
             unsigned depth) {
    if (depth > limits::schema_depth_max)
      exhausted_ = true;
    if (!pay(1 + value.raw.size() / 100))
      return false;
    const node& n = graph_.nodes[id];
    if (n.never)
      return fail(to, path, "nothing here", value);
    const double number = value.is(json::kind::number) ? number_in(value) : 0;
    if (n.types != 0 && (n.types & types_of(value, number)) == 0)
      return fail(to, path, describe_types(n.types), value);
    if (n.values && std::ranges::find(*n.values, json::canonical(value.raw)) == n.values->end())
      return fail(to, path, list_of(*n.values), value);
    bool good = true;
    if (value.is(json::kind::number))
      good = check_number(n, number, value, path, to);
    else if (value.is(json::kind::string))
      good = check_string(n, value, path, to);
    if (held.members.empty() && (value.is(json::kind::object) || value.is(json::kind::array)))
      take_apart(value, held);
    if (value.is(json::kind::object))
      good = check_object(n, value, path, held, to, depth) && good;
    else if (value.is(json::kind::array))
      good = check_array(n, value, path, held, to, depth) && good;
    good = check_combined(n, value, path, held, to, depth) && good;
    return check_unevaluated(n, path, held, value, to, depth) && good && !exhausted_;
  }

  bool check_number(const node& n, double number, json::slice value, const std::string& path,
                    sink& to) const {
    if (n.least && number < *n.least)
      return fail(to, path, fmt::format("a number that is at least {}", *n.least), value);
    if (n.most && number > *n.most)
      return fail(to, path, fmt::format("a number that is at most {}", *n.most), value);
    if (n.above && number <= *n.above)
      return fail(to, path, fmt::format("a number above {}", *n.above), value);
    if (n.below && number >= *n.below)
      return fail(to, path, fmt::format("a number below {}", *n.below), value);
    if (n.step && !is_multiple(number, *n.step))
      return fail(to, path, fmt::format("a multiple of {}", *n.step), value);
    return true;
  }

  bool check_string(const node& n, json::slice value, const std::string& path, sink& to) const {
    const bool counted = n.length.least > 0 || n.length.most != count_range().most;
    if (!counted && !n.text)
      return true;
    const std::string text = json::unquote(value);
    if (counted && !n.length.holds(count_characters(text)))
      return fail(to, path, "a string of " + range_of(n.length, "character"), value);
    if (n.text && !n.text->matches(text))
      return fail(to, path, "a string that matches " + shown(n.text->text()), value);
    return true;
  }

  bool check_object(const node& n, json::slice value, const std::string& path, parts& held,
                    sink& to, unsigned depth) {
    bool good = true;
    const auto find = [&held](std::string_view key) {
      return std::ranges::any_of(held.members,
                                 [key](const held_member& m) { return m.key == key; });
    };
    for (const std::string& name : n.required) {
      if (!pay(1 + held.members.size() / 8))
        return false;
      if (!find(name))
        good = fail(to, child_path(path, name), "a value: it is required", json::slice{});
    }
    for (const auto& [asking, names] : n.dependent_names) {
      for (const std::string& name : names) {
        if (pay(1 + held.members.size() / 8) && find(asking) && !find(name))
          good = fail(to, child_path(path, name), fmt::format("a value: '{}' requires it", asking),
                      json::slice{});
      }
    }
    if (!n.members_count.holds(held.members.size()))
      good = fail(to, path, "an object of " + range_of(n.members_count, "member"), value);
    for (const auto& [asking, id] : n.dependent) {
      if (find(asking))
        good = check(id, value, path, held, to, depth + 1) && good;
    }
    for (held_member& m : held.members)
      good = check_member(n, m, path, to, depth) && good;
    return good;
  }

  bool check_member(const node& n, held_member& m, const std::string& path, sink& to,
                    unsigned depth) {
    if (!pay(1 + n.pattern_properties.size()))
      return false;
    bool good = true, known = false;
    const std::string own = child_path(path, m.key);
    if (n.names != no_node) {
      std::string quoted;
      json::append_string(quoted, m.key);
      sink ignored;
      if (!check_fresh(n.names, {quoted, json::kind::string}, own, ignored, depth + 1))
        good = fail(to, own, "another name", shown(quoted));
    }
    const auto found =
        std::ranges::lower_bound(n.properties, m.key, {}, &std::pair<std::string, node_id>::first);
    if (found != n.properties.end() && found->first == m.key) {
      known = true;
      good = check_fresh(found->second, m.value, own, to, depth + 1) && good;
    }
    for (const auto& [name, id] : n.pattern_properties) {
      if (!name.matches(m.key))
        continue;
      known = true;
      good = check_fresh(id, m.value, own, to, depth + 1) && good;
    }
    if (!known && n.additional != no_node) {
      known = true;
      if (graph_.nodes[n.additional].never)
        good = fail(to, own, "no such member" + names_that_are(n), m.value);
      else
        good = check_fresh(n.additional, m.value, own, to, depth + 1) && good;
    }
    m.evaluated = m.evaluated || known;
    return good;
  }

  static std::string names_that_are(const node& n) {
    std::vector<std::string> names;
    for (const auto& [name, id] : n.properties)
      names.push_back(name);
    return names.empty() ? "" : "; there are " + shown(fmt::format("{}", fmt::join(names, ", ")));
  }

  bool check_array(const node& n, json::slice value, const std::string& path, parts& held, sink& to,
                   unsigned depth) {
    bool good = true;
    if (!n.items_count.holds(held.members.size()))
      good = fail(to, path, "an array of " + range_of(n.items_count, "item"), value);
    std::size_t contained = 0;
    for (std::size_t k = 0; k < held.members.size() && pay(1); ++k) {
      held_member& m = held.members[k];
      const node_id id = k < n.prefix.size() ? n.prefix[k] : n.items;
      const std::string own = path + '/' + std::to_string(k);
      if (id != no_node) {
        m.evaluated = true;
        good = check_fresh(id, m.value, own, to, depth + 1) && good;
      }
      sink ignored;
      if (n.contains != no_node && check_fresh(n.contains, m.value, own, ignored, depth + 1)) {
        m.evaluated = true;
        ++contained;
      }
    }
    if (n.contains != no_node && !n.contained.holds(contained))
      good = fail(to, path, "an array with " + range_of(n.contained, "fitting item"), value);
    if (n.unique && !all_different(held))
      good = fail(to, path, "an array without repetitions", value);
    return good;
  }

  bool all_different(const parts& held) {
    std::unordered_set<std::string> seen;
    return std::ranges::all_of(held.members, [&](const held_member& m) {
      return pay(1 + m.value.raw.size() / 50) && seen.insert(json::canonical(m.value.raw)).second;
    });
  }

  bool check_combined(const node& n, json::slice value, const std::string& path, parts& held,
                      sink& to, unsigned depth) {
    bool good = true;
    for (const node_id id : n.all)
      good = check(id, value, path, held, to, depth + 1) && good;
    if (!n.any.empty())
      good = check_choice(n.any, n.any.size(), value, path, held, to, depth) && good;
    if (!n.one.empty())
      good = check_choice(n.one, 1, value, path, held, to, depth) && good;
    sink ignored;
    if (n.denied != no_node && check_fresh(n.denied, value, path, ignored, depth + 1))
      good = fail(to, path, "something else", value);
    if (n.condition != no_node) {
      const bool holds = try_on(n.condition, value, path, held, ignored, depth + 1);
      const node_id next = holds ? n.then : n.otherwise;
      if (next != no_node)
        good = check(next, value, path, held, to, depth + 1) && good;
    }
    return good;
  }

  /// What a schema evaluates counts only if it holds.
  bool try_on(node_id id, json::slice value, const std::string& path, parts& held, sink& to,
              unsigned depth) {
    if (!graph_.tracks)
      return check_fresh(id, value, path, to, depth);
    parts copy = held;
    if (!pay(1 + held.members.size() / 4) || !check(id, value, path, copy, to, depth))
      return false;
    held = std::move(copy);
    return true;
  }

  /// One schema at least has to hold, and no more than `most`. What is wrong is told for the
  /// alternative that comes nearest: the one with the right type, and the fewest violations.
  bool check_choice(const std::vector<node_id>& ids, std::size_t most, json::slice value,
                    const std::string& path, parts& held, sink& to, unsigned depth) {
    std::size_t count = 0;
    sink nearest;
    std::vector<std::string> wanted;
    bool fits = false; // some alternative fails deeper than in the value itself
    for (const node_id id : ids) {
      sink own;
      if (try_on(id, value, path, held, own, depth + 1)) {
        ++count;
        if (most == ids.size() && !graph_.tracks)
          return true;
        continue;
      }
      if (exhausted_)
        return false;
      const bool deeper = !own.empty() && own.front().path != path;
      if (deeper && (!fits || own.size() < nearest.size()))
        nearest = own;
      fits = fits || deeper;
      if (!deeper && !own.empty() &&
          std::ranges::find(wanted, own.front().expected) == wanted.end())
        wanted.push_back(own.front().expected);
    }
    if (count > most)
      return fail(to, path, "exactly one of several alternatives; this fits more of them", value);
    if (count > 0)
      return true;
    if (!fits)
      return fail(to, path, shown(fmt::format("{}", fmt::join(wanted, ", or "))), value);
    for (violation& v : nearest)
      fail(to, v.path, std::move(v.expected), std::move(v.found));
    return false;
  }

  bool check_unevaluated(const node& n, const std::string& path, parts& held, json::slice value,
                         sink& to, unsigned depth) {
    const bool object = value.is(json::kind::object), array = value.is(json::kind::array);
    const node_id id = object ? n.unevaluated_members : array ? n.unevaluated_items : no_node;
    if (id == no_node)
      return true;
    bool good = true;
    for (std::size_t k = 0; k < held.members.size(); ++k) {
      held_member& m = held.members[k];
      const std::string own = object ? child_path(path, m.key) : path + '/' + std::to_string(k);
      if (!m.evaluated)
        good = check_fresh(id, m.value, own, to, depth + 1) && good;
      m.evaluated = true;
    }
    return good;
  }

  const compiled::graph& graph_;
  std::size_t work_ = 0;
  bool exhausted_ = false;
};

verdict compiled::check(json::slice value) const {
  return checker(*graph_).run(value);
}

} // namespace nexus::schema
