#include "bench/mock/options.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <iterator>
#include <limits>

#include "json/write.hpp"

namespace nexus::mock {
namespace {

using failure = std::unexpected<std::string>;

constexpr std::uint32_t servers_max = 10'000;
constexpr std::uint32_t tools_max = 100'000;

template <class Number>
std::expected<void, std::string> read_number(std::string_view text, Number least, Number most,
                                             Number& into) {
  Number value = 0;
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc{} || read.ptr != end || value < least || value > most)
    return failure(fmt::format("\"{}\" is no whole number from {} to {}", text, least, most));
  into = value;
  return {};
}

/// Puts a parsed value where it belongs.
template <class Parsed, class Value>
std::expected<void, std::string> put(const Parsed& read, Value& into) {
  if (!read)
    return failure(read.error());
  into = *read;
  return {};
}

template <class Value>
struct word {
  std::string_view text;
  Value value;
};

template <class Value, std::size_t Count>
std::expected<void, std::string> choose(std::string_view text, const word<Value> (&words)[Count],
                                        Value& into) {
  std::string known;
  for (const auto& one : words) {
    if (one.text == text) {
      into = one.value;
      return {};
    }
    known += (known.empty() ? "" : ", ") + std::string(one.text);
  }
  return failure(fmt::format("\"{}\" is none of {}", text, known));
}

std::expected<void, std::string> read_address(std::string_view text, options& into) {
  auto read = net::endpoint::parse(text);
  if (!read)
    return failure(read.error().message);
  into.at = *read;
  return {};
}

constexpr word<served_era> eras[] = {
    {"legacy", served_era::legacy}, {"modern", served_era::modern}, {"both", served_era::both}};
constexpr word<transport> transports[] = {{"http", transport::http}, {"stdio", transport::stdio}};
constexpr word<net::reactor_kind> reactors[] = {{"auto", net::reactor_kind::automatic},
                                                {"io_uring", net::reactor_kind::io_uring},
                                                {"epoll", net::reactor_kind::epoll}};

/// An option with a value: how it is read, and whether the servers of one fleet share it, so that
/// a child over stdio has to be told.
struct entry {
  std::string_view name;
  bool shared;
  std::expected<void, std::string> (*read)(std::string_view text, options& into);
};

constexpr entry entries[] = {
    {"--servers", false,
     [](std::string_view text, options& into) {
       return read_number(text, 1u, servers_max, into.servers);
     }},
    {"--tools", true,
     [](std::string_view text, options& into) {
       return read_number(text, 1u, tools_max, into.tools);
     }},
    {"--latency", true,
     [](std::string_view text, options& into) {
       return put(latency::parse(text), into.calls.delay);
     }},
    {"--error-rate", true,
     [](std::string_view text, options& into) {
       return put(error_rates::parse(text), into.calls.errors);
     }},
    {"--result-bytes", true,
     [](std::string_view text, options& into) {
       return put(size_range::parse(text), into.calls.padding);
     }},
    {"--seed", true,
     [](std::string_view text, options& into) {
       return read_number(text, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max(),
                          into.calls.seed);
     }},
    {"--era", true,
     [](std::string_view text, options& into) { return choose(text, eras, into.era); }},
    {"--transport", false,
     [](std::string_view text, options& into) { return choose(text, transports, into.over); }},
    {"--listen", false, read_address},
    {"--server", false,
     [](std::string_view text, options& into) {
       return read_number(text, 1u, servers_max, into.server);
     }},
    {"--reactor", true,
     [](std::string_view text, options& into) { return choose(text, reactors, into.reactor); }},
};

} // namespace

std::string_view usage() noexcept {
  return R"(usage: nexus-mock [options]
Serves many MCP servers from one process, over HTTP at http://HOST:PORT/NUMBER/mcp, or one of them
over stdio.
  --servers N            how many servers (1)
  --tools M              tools of each: echo, tool_2, tool_3 ... (10)
  --latency WHAT         how long a call takes (fixed:0): fixed:5ms, uniform:1ms-10ms, exp:MEAN,
                         lognormal:MEDIAN,SIGMA, or a mix: 95%:fixed:2ms+5%:exp:200ms
  --error-rate WHAT      calls that fail (none): tool:1%,protocol:0.5%,drop:0.1%
  --result-bytes N[-M]   text in a result beside the arguments, which always come back (0)
  --era WHICH            legacy, modern or both (both)
  --transport WHICH      http or stdio (http)
  --listen HOST:PORT     http: port 0 takes a free one, stderr says which (127.0.0.1:4900)
  --server N             stdio: which server of the fleet this process is (1)
  --seed N               the same seed gives every server's n-th call the same fate (1)
  --reactor WHICH        auto, io_uring or epoll (auto)
  --print-config         print a nexus.json with all servers, and end
)";
}

std::expected<options, std::string> parse_options(std::span<const char* const> given) {
  options made;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string_view name = given[i];
    if (name == "--print-config" || name == "--help") {
      (name == "--help" ? made.help : made.print_config) = true;
      continue;
    }
    const auto* const found = std::find_if(std::begin(entries), std::end(entries),
                                           [name](const entry& one) { return one.name == name; });
    if (found == std::end(entries))
      return failure(fmt::format("unknown option: {}", name));
    if (++i == given.size())
      return failure(fmt::format("{}: needs a value", name));
    if (const auto read = found->read(given[i], made); !read)
      return failure(fmt::format("{}: {}", name, read.error()));
    if (found->shared)
      made.passed_on.insert(made.passed_on.end(), {std::string(name), given[i]});
  }
  if (made.print_config && made.over == transport::http && made.at.port == 0)
    return failure("--listen: --print-config needs a port, as nobody knows a free one yet");
  return made;
}

std::string gateway_config(const options& of, std::string_view program) {
  std::string out = "{\"mcpServers\": {";
  for (std::uint32_t number = 1; number <= of.servers; ++number) {
    out += fmt::format("{}\n  \"mock_{}\": {{", number == 1 ? "" : ",", number);
    if (of.over == transport::http) {
      out += fmt::format(R"("type": "http", "url": "http://{}/{}/mcp")", of.at.to_string(), number);
    } else {
      out += R"("type": "stdio", "command": )";
      json::append_string(out, program);
      out += fmt::format(R"(, "args": ["--transport", "stdio", "--server", "{}")", number);
      for (const auto& argument : of.passed_on) {
        out += ", ";
        json::append_string(out, argument);
      }
      out += ']';
    }
    out += '}';
  }
  return out + "\n}}\n";
}

} // namespace nexus::mock
