#include "bench/mock/behaviour.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <numbers>

namespace nexus::mock {
namespace {

using failure = std::unexpected<std::string>;

constexpr double longest_ns = 3600e9;
constexpr std::size_t padding_bytes_max = std::size_t{16} << 20;
constexpr double share_slack = 1e-6;

/// The number that a text begins with, which is cut off from it.
std::expected<double, std::string> take_number(std::string_view& text) {
  double value = 0;
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc{} || !std::isfinite(value) || value < 0)
    return failure(fmt::format("no number: \"{}\"", text));
  text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  return value;
}

/// Cuts off what comes before the first `separator`; everything when there is none.
std::string_view take_until(std::string_view& text, char separator) {
  const auto at = text.find(separator);
  const auto taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return taken;
}

std::expected<std::size_t, std::string> parse_bytes(std::string_view text) {
  std::size_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc{} || read.ptr != end || value > padding_bytes_max)
    return failure(fmt::format("\"{}\" is no number of bytes up to {}", text, padding_bytes_max));
  return value;
}

} // namespace

std::expected<nanoseconds, std::string> parse_duration(std::string_view text) {
  auto unit = text;
  const auto value = take_number(unit);
  if (!value)
    return failure(value.error());
  const double scale = unit == "s"                   ? 1e9
                       : unit == "ms"                ? 1e6
                       : unit == "us"                ? 1e3
                       : unit.empty() && *value == 0 ? 1
                                                     : 0;
  if (scale == 0 || *value * scale > longest_ns)
    return failure(
        fmt::format("\"{}\" is no time: a number with s, ms or us, an hour at most", text));
  return nanoseconds(std::llround(*value * scale));
}

std::expected<double, std::string> parse_share(std::string_view text) {
  auto unit = text;
  const auto value = take_number(unit);
  if (!value || unit != "%" || *value > 100)
    return failure(fmt::format("\"{}\" is no share: 0% to 100%", text));
  return *value / 100;
}

std::expected<latency::part, std::string> latency::parse_part(std::string_view text) {
  const auto whole = text;
  part made;
  const auto name = take_until(text, ':');
  const auto first = parse_duration(take_until(text, name == "uniform" ? '-' : ','));
  if (!first)
    return failure(first.error());
  made.first_ns = static_cast<double>(first->count());
  if (name == "fixed" || name == "exp") {
    made.form = name == "fixed" ? shape::fixed : shape::exponential;
  } else if (name == "uniform") {
    made.form = shape::uniform;
    const auto most = parse_duration(take_until(text, ','));
    if (!most || *most < *first)
      return failure(
          fmt::format("\"{}\": uniform:LEAST-MOST wants two times, the longer last", whole));
    made.second = static_cast<double>(most->count());
  } else if (name == "lognormal") {
    made.form = shape::lognormal;
    const auto sigma = take_number(text);
    if (!sigma || *sigma > 10)
      return failure(fmt::format("\"{}\": lognormal:MEDIAN,SIGMA wants a sigma of 0 to 10", whole));
    made.second = *sigma;
  } else {
    return failure(fmt::format("\"{}\" is none of fixed, uniform, exp, lognormal", name));
  }
  if (!text.empty())
    return failure(fmt::format("\"{}\": \"{}\" is too much", whole, text));
  return made;
}

std::expected<latency, std::string> latency::parse(std::string_view text) {
  if (text.ends_with('+'))
    return failure(fmt::format("\"{}\": the last part of the mix is missing", text));
  latency made;
  made.parts_.clear();
  double sum = 0;
  do {
    auto one = take_until(text, '+');
    double share = 1;
    if (const auto percent = one.find("%:"); percent != std::string_view::npos) {
      const auto given = parse_share(one.substr(0, percent + 1));
      if (!given)
        return failure(given.error());
      share = *given;
      one.remove_prefix(percent + 2);
    }
    auto read = parse_part(one);
    if (!read)
      return failure(read.error());
    read->share = share;
    sum += share;
    made.parts_.push_back(*read);
  } while (!text.empty());
  if (std::abs(sum - 1) > share_slack)
    return failure(fmt::format("the shares of a mix are 100 % in all, not {:g} %", 100 * sum));
  return made;
}

nanoseconds latency::sample(random_source& from) const {
  // A number for each purpose is drawn whatever the shape, so that a change of it leaves others
  // as they were.
  const double which = from.unit();
  const double one = from.unit();
  const double two = from.unit();
  double below = 0;
  const auto* chosen = &parts_.back();
  for (const auto& candidate : parts_) {
    below += candidate.share;
    if (which < below) {
      chosen = &candidate;
      break;
    }
  }
  double ns = chosen->first_ns;
  switch (chosen->form) {
  case shape::fixed:
    break;
  case shape::uniform:
    ns += one * (chosen->second - ns);
    break;
  case shape::exponential:
    ns *= -std::log1p(-one);
    break;
  case shape::lognormal: // Box and Muller's way to a normal number
    ns *= std::exp(chosen->second * std::sqrt(-2 * std::log1p(-one)) *
                   std::cos(2 * std::numbers::pi * two));
    break;
  }
  return nanoseconds(std::llround(std::min(ns, longest_ns)));
}

bool latency::none() const {
  return std::ranges::all_of(parts_, [](const part& one) {
    return one.first_ns == 0 && (one.form != shape::uniform || one.second == 0);
  });
}

std::expected<error_rates, std::string> error_rates::parse(std::string_view text) {
  if (text.ends_with(','))
    return failure(fmt::format("\"{}\": the last rate is missing", text));
  error_rates made;
  do {
    auto one = take_until(text, ',');
    const auto name = take_until(one, ':');
    const auto share = parse_share(one);
    if (!share)
      return failure(share.error());
    if (name == "tool")
      made.tool = *share;
    else if (name == "protocol")
      made.protocol = *share;
    else if (name == "drop")
      made.drop = *share;
    else
      return failure(fmt::format("\"{}\" is none of tool, protocol, drop", name));
  } while (!text.empty());
  if (made.tool + made.protocol + made.drop > 1)
    return failure("more than 100 % of the calls cannot fail");
  return made;
}

std::expected<size_range, std::string> size_range::parse(std::string_view text) {
  const auto whole = text;
  const auto least = parse_bytes(take_until(text, '-'));
  if (!least)
    return failure(least.error());
  const auto most = whole.find('-') == std::string_view::npos ? least : parse_bytes(text);
  if (!most)
    return failure(most.error());
  if (*most < *least)
    return failure(fmt::format("\"{}\": the larger size comes last", whole));
  return size_range{*least, *most};
}

outcome behaviour::of_call(std::uint64_t server, std::uint64_t call) const {
  random_source mixed(seed);
  random_source of_server(mixed.next() ^ server);
  random_source from(of_server.next() ^ call);
  outcome made;
  made.delay = delay.sample(from);
  const double fate = from.unit();
  if (fate < errors.tool)
    made.end = ending::tool_error;
  else if (fate < errors.tool + errors.protocol)
    made.end = ending::protocol_error;
  else if (fate < errors.tool + errors.protocol + errors.drop)
    made.end = ending::dropped;
  const auto span = static_cast<double>(padding.most - padding.least + 1);
  made.padding_bytes = padding.least + static_cast<std::size_t>(from.unit() * span);
  return made;
}

} // namespace nexus::mock
