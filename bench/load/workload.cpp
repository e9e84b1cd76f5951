#include "bench/load/workload.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <span>

#include "base/text.hpp"
#include "json/scan.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::load {
namespace {

constexpr std::size_t pad_bytes_max = 64UL * 1024 * 1024;
constexpr int spread_max = 100'000;
constexpr std::string_view search_tool = "search-tools";

std::unexpected<error> bad(std::string text) {
  return fail(std::make_error_code(std::errc::invalid_argument), std::move(text));
}

/// Reads the members of one object by name and says what is wrong with which.
class reader {
 public:
  reader(std::string where, json::slice object) : where_(std::move(where)), object_(object) {}

  /// Refuses members that are none of `known`.
  [[nodiscard]] result<> knows(std::span<const std::string_view> known) const {
    if (!object_.is(json::kind::object))
      return bad(fmt::format("{}: must be an object", where_));
    for (json::member_walk m(object_); m.next();) {
      if (std::find(known.begin(), known.end(), m.key()) != known.end())
        continue;
      const auto near = nearest_names(m.key(), known, 1);
      return bad(fmt::format("{}: unknown key \"{}\"{}", where_, m.key(),
                             near.empty() ? fmt::format("; known are {}", fmt::join(known, ", "))
                                          : fmt::format("; did you mean \"{}\"?", near[0])));
    }
    return {};
  }

  [[nodiscard]] result<std::string> text(std::string_view key, std::string fallback) const {
    const auto value = json::find_member(object_, key);
    if (!value)
      return fallback;
    if (!value.is(json::kind::string))
      return bad(fmt::format("{}: \"{}\" must be a string", where_, key));
    return json::unquote(value);
  }

  [[nodiscard]] result<double> number(std::string_view key, double fallback, double least,
                                      double most) const {
    const auto value = json::find_member(object_, key);
    return value ? number_of(key, value, least, most) : result<double>(fallback);
  }

  [[nodiscard]] result<int> whole(std::string_view key, int fallback, int least, int most) const {
    const auto value = number(key, fallback, least, most);
    if (!value)
      return std::unexpected(value.error());
    if (*value != std::floor(*value))
      return bad(fmt::format("{}: \"{}\" must be a whole number", where_, key));
    return static_cast<int>(*value);
  }

  /// A JSON object as it stands, or nothing.
  [[nodiscard]] result<std::string> object(std::string_view key) const {
    const auto value = json::find_member(object_, key);
    if (!value)
      return std::string{};
    if (!value.is(json::kind::object))
      return bad(fmt::format("{}: \"{}\" must be an object", where_, key));
    return std::string(value.raw);
  }

  /// One size or a list of them.
  [[nodiscard]] result<std::vector<std::size_t>> sizes(std::string_view key) const {
    std::vector<std::size_t> out;
    const auto add = [&](json::slice value) -> result<> {
      const auto size = number_of(key, value, 0, static_cast<double>(pad_bytes_max));
      if (!size)
        return std::unexpected(size.error());
      out.push_back(static_cast<std::size_t>(*size));
      return {};
    };
    const auto value = json::find_member(object_, key);
    if (value.is(json::kind::array)) {
      for (json::element_walk e(value); e.next();)
        if (auto added = add(e.value()); !added)
          return std::unexpected(added.error());
    } else if (value) {
      if (auto added = add(value); !added)
        return std::unexpected(added.error());
    }
    return out;
  }

  [[nodiscard]] result<std::vector<std::string>> texts(std::string_view key) const {
    std::vector<std::string> out;
    const auto value = json::find_member(object_, key);
    if (value && !value.is(json::kind::array))
      return bad(fmt::format("{}: \"{}\" must be a list of strings", where_, key));
    for (json::element_walk e(value); e.next();) {
      if (!e.value().is(json::kind::string))
        return bad(fmt::format("{}: \"{}\" must be a list of strings", where_, key));
      out.push_back(json::unquote(e.value()));
    }
    return out;
  }

  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] json::slice member(std::string_view key) const {
    return json::find_member(object_, key);
  }

 private:
  [[nodiscard]] result<double> number_of(std::string_view key, json::slice value, double least,
                                         double most) const {
    double out = 0;
    const auto end = value.raw.data() + value.raw.size();
    const auto parsed = std::from_chars(value.raw.data(), end, out);
    if (!value.is(json::kind::number) || parsed.ec != std::errc{} || out < least || out > most)
      return bad(
          fmt::format("{}: \"{}\" must be a number from {} to {}", where_, key, least, most));
    return out;
  }

  std::string where_;
  json::slice object_;
};

std::string quoted(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

/// What one kind of operation needs beside the common keys.
struct operation_kind {
  std::string_view name;
  std::vector<std::string_view> keys;
  result<> (*fill)(const reader& from, operation& into);
};

result<std::string> needed(const reader& from, std::string_view key) {
  auto value = from.text(key, {});
  if (value && value->empty())
    return bad(fmt::format("{}: \"{}\" is missing", from.where(), key));
  return value;
}

result<> fill_call(const reader& from, operation& into) {
  const auto tool = needed(from, "tool");
  const auto arguments = from.object("arguments");
  if (!tool || !arguments)
    return std::unexpected(tool ? arguments.error() : tool.error());
  const auto made = make_call(*tool, arguments->empty() ? "{}" : *arguments);
  into.method = made.method;
  into.params = made.params;
  into.mcp_name = made.mcp_name;
  into.expect = made.expect;
  into.name = into.name.empty() ? fmt::format("call {}", *tool) : into.name;
  return {};
}

result<> fill_list(const reader& from, operation& into) {
  static constexpr std::array<std::string_view, 4> lists{"tools", "resources", "prompts",
                                                         "resources/templates"};
  const auto what = from.text("what", "tools");
  if (!what)
    return std::unexpected(what.error());
  if (std::find(lists.begin(), lists.end(), *what) == lists.end())
    return bad(fmt::format("{}: \"what\" must be one of {}", from.where(), fmt::join(lists, ", ")));
  into.method = *what + "/list";
  into.member = *what == "resources/templates" ? "resourceTemplates" : *what;
  return {};
}

result<> fill_read(const reader& from, operation& into) {
  const auto uri = needed(from, "uri");
  if (!uri)
    return std::unexpected(uri.error());
  into.method = "resources/read";
  into.params = fmt::format(R"({{"uri":{}}})", quoted(*uri));
  into.mcp_name = *uri;
  into.member = "contents";
  return {};
}

result<> fill_prompt(const reader& from, operation& into) {
  const auto prompt = needed(from, "prompt");
  const auto arguments = from.object("arguments");
  if (!prompt || !arguments)
    return std::unexpected(prompt ? arguments.error() : prompt.error());
  into.method = "prompts/get";
  into.params = fmt::format(R"({{"name":{},"arguments":{}}})", quoted(*prompt),
                            arguments->empty() ? "{}" : *arguments);
  into.mcp_name = *prompt;
  into.member = "messages";
  return {};
}

result<> fill_search(const reader& from, operation& into) {
  const auto query = needed(from, "query");
  const auto tool = from.text("tool", std::string(search_tool));
  if (!query || !tool)
    return std::unexpected(query ? tool.error() : query.error());
  const auto made = make_call(*tool, fmt::format(R"({{"query":{}}})", quoted(*query)));
  into.method = made.method;
  into.params = made.params;
  into.mcp_name = made.mcp_name;
  return {};
}

result<> fill_ping(const reader& /*from*/, operation& into) {
  into.method = "ping";
  return {};
}

result<> fill_request(const reader& from, operation& into) {
  const auto method = needed(from, "method");
  const auto params = from.object("params");
  if (!method || !params)
    return std::unexpected(method ? params.error() : method.error());
  into.method = *method;
  into.params = *params;
  into.name = into.name.empty() ? *method : into.name;
  return {};
}

const std::vector<operation_kind>& kinds() {
  static const std::vector<operation_kind> all = {
      {"call", {"tool", "arguments"}, fill_call},
      {"list", {"what"}, fill_list},
      {"read", {"uri"}, fill_read},
      {"prompt", {"prompt", "arguments"}, fill_prompt},
      {"search", {"query", "tool"}, fill_search},
      {"ping", {}, fill_ping},
      {"request", {"method", "params"}, fill_request},
  };
  return all;
}

result<operation> read_operation(const reader& from) {
  const auto op = needed(from, "op");
  if (!op)
    return std::unexpected(op.error());
  const auto kind = std::find_if(kinds().begin(), kinds().end(),
                                 [&op](const operation_kind& one) { return one.name == *op; });
  if (kind == kinds().end()) {
    std::vector<std::string_view> names;
    for (const auto& one : kinds())
      names.push_back(one.name);
    return bad(fmt::format("{}: unknown \"op\": {}; known are {}", from.where(), *op,
                           fmt::join(names, ", ")));
  }
  std::vector<std::string_view> known{"op", "name", "weight", "spread", "bytes", "expect"};
  known.insert(known.end(), kind->keys.begin(), kind->keys.end());
  if (auto checked = from.knows(known); !checked)
    return std::unexpected(checked.error());
  operation out;
  const auto name = from.text("name", {});
  const auto weight = from.number("weight", 1, 0, 1e9);
  const auto spread = from.whole("spread", 1, 1, spread_max);
  auto sizes = from.sizes("bytes");
  if (!name || !weight || !spread || !sizes)
    return std::unexpected(!name     ? name.error()
                           : !weight ? weight.error()
                           : !spread ? spread.error()
                                     : sizes.error());
  out.name = *name;
  out.weight = *weight;
  out.spread = *spread;
  out.pad_bytes = std::move(*sizes);
  if (auto filled = kind->fill(from, out); !filled)
    return std::unexpected(filled.error());
  if (out.name.empty())
    out.name = *op;
  auto expect = from.text("expect", out.expect);
  if (!expect)
    return std::unexpected(expect.error());
  out.expect = std::move(*expect);
  return out;
}

result<> read_think(const reader& file, workload& into) {
  const auto value = file.member("think_time_ms");
  if (!value.is(json::kind::object)) {
    const auto mean = file.number("think_time_ms", 0, 0, 3.6e6);
    if (!mean)
      return std::unexpected(mean.error());
    into.think.mean_ms = *mean;
    return {};
  }
  const reader think(file.where() + ": think_time_ms", value);
  static constexpr std::array<std::string_view, 2> known{"mean", "distribution"};
  if (auto checked = think.knows(known); !checked)
    return checked;
  const auto mean = think.number("mean", 0, 0, 3.6e6);
  const auto shape = think.text("distribution", "constant");
  if (!mean || !shape)
    return std::unexpected(mean ? shape.error() : mean.error());
  if (*shape != "constant" && *shape != "exponential")
    return bad(think.where() + ": \"distribution\" must be constant or exponential");
  into.think = {*mean, *shape == "exponential"};
  return {};
}

result<> read_subscribers(const reader& file, workload& into) {
  const auto value = file.member("subscribers");
  if (!value)
    return {};
  const reader plan(file.where() + ": subscribers", value);
  static constexpr std::array<std::string_view, 2> known{"count", "resources"};
  if (auto checked = plan.knows(known); !checked)
    return checked;
  const auto count = plan.whole("count", 1, 0, 1'000'000);
  auto resources = plan.texts("resources");
  if (!count || !resources)
    return std::unexpected(count ? resources.error() : count.error());
  into.subscribers = {*count, std::move(*resources)};
  return {};
}

} // namespace

operation make_call(std::string_view tool, std::string_view arguments) {
  operation out;
  out.name = fmt::format("call {}", tool);
  out.method = "tools/call";
  out.params = fmt::format(R"({{"name":{},"arguments":{}}})", quoted(tool), arguments);
  out.mcp_name = tool;
  if (arguments.find("$ID") != std::string_view::npos)
    out.expect = "$ID";
  return out;
}

result<workload> parse_workload(std::string text, std::string_view file_name) {
  json::scanner scanner;
  json::ensure_padding(text);
  const auto root = scanner.validate(text);
  if (!root)
    return bad(fmt::format("{}: {}", file_name, root.error().message));
  const reader file(std::string(file_name), *root);
  static constexpr std::array<std::string_view, 4> known{"operations", "think_time_ms",
                                                         "calls_per_session", "subscribers"};
  if (auto checked = file.knows(known); !checked)
    return std::unexpected(checked.error());
  workload out;
  const auto per_session = file.whole("calls_per_session", 0, 0, 1'000'000'000);
  if (!per_session)
    return std::unexpected(per_session.error());
  out.calls_per_session = static_cast<std::uint64_t>(*per_session);
  if (auto read = read_think(file, out); !read)
    return std::unexpected(read.error());
  if (auto read = read_subscribers(file, out); !read)
    return std::unexpected(read.error());
  const auto list = file.member("operations");
  double weights = 0;
  for (json::element_walk e(list); e.next();) {
    auto one = read_operation(
        reader(fmt::format("{}: operation {}", file_name, out.operations.size() + 1), e.value()));
    if (!one)
      return std::unexpected(one.error());
    weights += one->weight;
    out.operations.push_back(std::move(*one));
  }
  if (!(weights > 0))
    return bad(fmt::format("{}: \"operations\" must be a list of at least one operation with a "
                           "weight above 0",
                           file_name));
  return out;
}

} // namespace nexus::load
