#include "bench/load/pacer.hpp"

#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace nexus::load {
namespace {

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end || !std::isfinite(value) ||
      value < 0)
    return std::nullopt;
  return value;
}

std::optional<stage> stage_of(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return std::nullopt;
  const auto seconds = number_of(text.substr(colon + 1));
  auto rate = text.substr(0, colon);
  if (!seconds || *seconds <= 0)
    return std::nullopt;
  if (rate.ends_with('c')) {
    rate.remove_suffix(1);
    const auto count = number_of(rate);
    if (!count || *count < 1 || *count > 1e6 || *count != std::floor(*count))
      return std::nullopt;
    return stage{*seconds, 0, 0, static_cast<int>(*count)};
  }
  const auto dash = rate.find('-');
  const auto from = number_of(rate.substr(0, dash));
  const auto to = dash == std::string_view::npos ? from : number_of(rate.substr(dash + 1));
  if (!from || !to || *from + *to <= 0)
    return std::nullopt;
  return stage{*seconds, *from, *to, 0};
}

/// The integral over the first `t` seconds of a stage.
double calls_of(const stage& of, double t) {
  return of.from_rate * t + (of.to_rate - of.from_rate) * t * t / (2 * of.seconds);
}

/// The time in a stage at which the integral is `calls`. @pre it is not more than that of all of it
double time_of(const stage& of, double calls) {
  const double slope = (of.to_rate - of.from_rate) / of.seconds;
  // The form without a difference of near numbers, which also serves a slope of zero.
  const double root = std::sqrt(std::max(0.0, of.from_rate * of.from_rate + 2 * slope * calls));
  return calls == 0 ? 0 : 2 * calls / (of.from_rate + root);
}

} // namespace

result<std::vector<stage>> parse_stages(std::string_view text) {
  std::vector<stage> out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const auto part = text.substr(0, comma);
    const auto one = stage_of(part);
    const bool mixed = one && !out.empty() && (one->connections > 0) != (out[0].connections > 0);
    if (!one || mixed)
      return fail(std::make_error_code(std::errc::invalid_argument),
                  fmt::format("stage \"{}\": {}", part,
                              mixed ? "rates and connections do not mix"
                                    : "must be RATE:SECONDS, FROM-TO:SECONDS or COUNTc:SECONDS"));
    out.push_back(*one);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return out;
}

std::string stages_text(const std::vector<stage>& stages) {
  std::string out;
  for (const auto& one : stages) {
    if (!out.empty())
      out += ',';
    if (one.connections > 0)
      out += fmt::format("{}c", one.connections);
    else if (one.from_rate == one.to_rate)
      out += fmt::format("{:g}", one.from_rate);
    else
      out += fmt::format("{:g}-{:g}", one.from_rate, one.to_rate);
    out += fmt::format(":{:g}", one.seconds);
  }
  return out;
}

pacer::pacer(std::vector<stage> stages, arrivals kind, unsigned share, unsigned shares,
             std::uint32_t seed)
    : stages_(std::move(stages)), kind_(kind), step_(shares), random_(seed) {
  if (kind_ == arrivals::even)
    calls_ = share;
  else
    calls_ = step_ * std::exponential_distribution<>(1)(random_);
  find_due();
}

void pacer::advance() {
  calls_ += kind_ == arrivals::even ? step_ : step_ * std::exponential_distribution<>(1)(random_);
  find_due();
}

void pacer::find_due() {
  for (; at_ < stages_.size(); ++at_) {
    const auto& now = stages_[at_];
    const double whole = calls_of(now, now.seconds);
    if (calls_ < calls_before_ + whole) {
      const double at = seconds_before_ + time_of(now, calls_ - calls_before_);
      due_ns_ = static_cast<std::int64_t>(at * 1e9);
      return;
    }
    calls_before_ += whole;
    seconds_before_ += now.seconds;
  }
  due_ns_.reset();
}

std::int64_t pacer::end_ns() const noexcept {
  double seconds = 0;
  for (const auto& one : stages_)
    seconds += one.seconds;
  return static_cast<std::int64_t>(seconds * 1e9);
}

int connections_at(const std::vector<stage>& stages, std::int64_t since_ns) noexcept {
  double end = 0;
  for (const auto& one : stages) {
    end += one.seconds * 1e9;
    if (static_cast<double>(since_ns) < end)
      return one.connections;
  }
  return stages.empty() ? 0 : stages.back().connections;
}

} // namespace nexus::load
