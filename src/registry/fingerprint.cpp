#include "registry/fingerprint.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/limits.hpp"
#include "base/utf8.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::registry {
namespace {

/// The beginning of a text, whole characters.
std::string shown(std::string_view text) {
  if (text.size() <= limits::pin_shown_bytes)
    return std::string(text);
  std::size_t end = 0;
  while (end < limits::pin_shown_bytes)
    end += std::max<std::size_t>(1, next_utf8(text.substr(end)).bytes);
  return std::string(text.substr(0, end)) + "…";
}

std::string pointer_token(std::string_view key) {
  std::string out = "/";
  for (const char c : key)
    if (c == '~' || c == '/')
      out += c == '~' ? "~0" : "~1";
    else
      out += c;
  return out;
}

json::slice slice_of(std::string_view canonical) {
  if (canonical.empty())
    return {};
  return {canonical, canonical[0] == '{'   ? json::kind::object
                     : canonical[0] == '[' ? json::kind::array
                                           : json::kind::string};
}

/// Walks two canonical texts at once. Recursion is bounded by limits::json_depth_max.
class differ {
 public:
  explicit differ(std::string& out) : out_(out) {}

  void compare(const std::string& path, json::slice before, json::slice after) {
    if (before.raw == after.raw)
      return;
    if (before.is(json::kind::object) && after.is(json::kind::object))
      return compare_objects(path, before, after);
    if (before.is(json::kind::array) && after.is(json::kind::array) &&
        size_of(before) == size_of(after))
      return compare_arrays(path, before, after);
    note(path, before, after);
  }
  [[nodiscard]] std::int64_t more() const noexcept { return more_; }

 private:
  static std::size_t size_of(json::slice array) {
    std::size_t count = 0;
    for (json::element_walk e(array); e.next();)
      ++count;
    return count;
  }

  void compare_objects(const std::string& path, json::slice before, json::slice after) {
    std::unordered_map<std::string, json::slice> old;
    for (json::member_walk m(before); m.next();)
      old[std::string(m.key())] = m.value();
    for (json::member_walk m(after); m.next();) {
      const auto found = old.find(std::string(m.key()));
      const json::slice value = m.value();
      if (found == old.end()) {
        note(path + pointer_token(m.key()), {}, value);
        continue;
      }
      compare(path + pointer_token(m.key()), found->second, value);
      old.erase(found);
    }
    // In the order of the text, not of the table.
    for (json::member_walk m(before); m.next();)
      if (old.erase(std::string(m.key())) > 0)
        note(path + pointer_token(m.key()), m.value(), {});
  }

  void compare_arrays(const std::string& path, json::slice before, json::slice after) {
    json::element_walk old(before);
    std::size_t index = 0;
    for (json::element_walk e(after); e.next() && old.next(); ++index)
      compare(path + pointer_token(std::to_string(index)), old.value(), e.value());
  }

  void note(std::string_view path, json::slice before, json::slice after) {
    if (count_ == limits::pin_differences_max) {
      ++more_;
      return;
    }
    out_ += count_++ == 0 ? "" : ",";
    json::object_writer entry(out_);
    entry.string("path", shown(path));
    if (before)
      entry.string("before", shown(before.raw));
    if (after)
      entry.string("after", shown(after.raw));
    entry.end();
  }

  std::string& out_;
  std::size_t count_ = 0;
  std::int64_t more_ = 0;
};

} // namespace

seal::digest definition_digest(std::string_view definition) {
  if (definition.size() > limits::pinned_definition_bytes_max)
    return seal::sha256(definition);
  return seal::sha256(json::canonical(definition));
}

seal::digest tool_digest(json::slice definition) {
  const auto canonical = [](json::slice value) {
    if (!value)
      return std::string("null");
    return value.raw.size() > limits::pinned_definition_bytes_max ? std::string(value.raw)
                                                                  : json::canonical(value.raw);
  };
  const json::slice description = json::find_member(definition, "description");
  std::string text = canonical(description);
  if (!description || description.raw == "\"\"")
    text += canonical(json::find_member(definition, "name"));
  // Neither text contains a line break.
  text += '\n';
  text += canonical(json::find_member(definition, "inputSchema"));
  return seal::sha256(text);
}

std::string describe_difference(std::string_view before, std::string_view after) {
  const std::string old = before.empty() ? std::string() : json::canonical(before);
  const std::string now = after.empty() ? std::string() : json::canonical(after);
  std::string out = R"({"differences":[)";
  differ both(out);
  both.compare({}, slice_of(old), slice_of(now));
  out += ']';
  if (both.more() > 0) {
    out += R"(,"more":)";
    json::append_int(out, both.more());
  }
  return out + '}';
}

} // namespace nexus::registry
