#include "bench/e2e/load_options.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fmt/core.h>
#include <string_view>

namespace nexus::bench {
namespace {

constexpr const char* usage = R"(usage: nexus_e2e_load --url http://127.0.0.1:PORT/PATH [options]
  --era blind|legacy|modern    how to speak (blind)
  --tool NAME                  tool to call (echo); {} in it stands for 1..N of --spread-tools
  --spread-tools N             cycle through N names (1)
  --arguments JSON             arguments; $ID becomes the call's id and must come back in the result
  --connections N              connections (64)
  --rate R                     open loop of R calls per second; without it a closed loop
  --seconds S                  measured window (5)
  --warmup-seconds S           before it (1)
  --timeout-seconds S          a call without an answer is an error after this time (10)
  --session connection|shared  legacy: one session each, or one for all (connection)
  --idle-sessions N            legacy: open N more sessions first and leave them idle
  --header 'NAME: VALUE'       an additional header, repeatable
  --watch-pid PID              report this process's CPU time over the window, repeatable
Prints one line of JSON.
)";

double number_of(std::string_view name, std::string_view text) {
  double value = 0;
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end || !std::isfinite(value) || value < 0)
    die(fmt::format("{}: not a number: {}", name, text));
  return value;
}

int count_of(std::string_view name, std::string_view text, int least) {
  const auto value = number_of(name, text);
  if (value < least || value > 1'000'000'000 || value != std::floor(value))
    die(fmt::format("{}: needs a whole number of {} or more: {}", name, least, text));
  return static_cast<int>(value);
}

era era_of(std::string_view text) {
  if (text == "blind")
    return era::blind;
  if (text == "legacy")
    return era::legacy;
  if (text == "modern")
    return era::modern;
  die(fmt::format("--era: unknown: {}", text));
}

session_scope session_of(std::string_view text) {
  if (text == "connection")
    return session_scope::connection;
  if (text == "shared")
    return session_scope::shared;
  die(fmt::format("--session: unknown: {}", text));
}

bool take_number(std::string_view name, std::string_view value, load_options& out) {
  if (name == "--connections")
    out.connections = count_of(name, value, 1);
  else if (name == "--spread-tools")
    out.spread_tools = count_of(name, value, 1);
  else if (name == "--idle-sessions")
    out.idle_sessions = count_of(name, value, 0);
  else if (name == "--watch-pid")
    out.watched.push_back(count_of(name, value, 1));
  else if (name == "--rate")
    out.rate = number_of(name, value);
  else if (name == "--seconds")
    out.seconds = number_of(name, value);
  else if (name == "--warmup-seconds")
    out.warmup_seconds = number_of(name, value);
  else if (name == "--timeout-seconds")
    out.timeout_seconds = number_of(name, value);
  else
    return false;
  return true;
}

bool take_text(std::string_view name, std::string_view value, load_options& out) {
  if (name == "--url") {
    if (!parse_url(value, out.url))
      die(fmt::format("--url: not http://IPV4:PORT/PATH: {}", value));
  } else if (name == "--era") {
    out.speech = era_of(value);
  } else if (name == "--session") {
    out.session = session_of(value);
  } else if (name == "--tool") {
    out.tool = value;
  } else if (name == "--arguments") {
    out.arguments = value;
  } else if (name == "--header") {
    out.headers.emplace_back(value);
  } else {
    return false;
  }
  return true;
}

} // namespace

load_options parse_load_options(int argc, char** argv) {
  load_options out;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--help") {
      fmt::print("{}", usage);
      std::exit(0);
    }
    if (i + 1 >= argc)
      die(fmt::format("{}: needs a value\n{}", name, usage));
    if (!take_number(name, argv[i + 1], out) && !take_text(name, argv[i + 1], out))
      die(fmt::format("unknown option: {}\n{}", name, usage));
  }
  if (out.url.path.empty())
    die(fmt::format("--url is needed\n{}", usage));
  if (out.idle_sessions > 0 && out.speech != era::legacy)
    die("--idle-sessions needs --era legacy: no other era has sessions");
  if (out.seconds <= 0)
    die("--seconds: must be more than 0");
  return out;
}

} // namespace nexus::bench
