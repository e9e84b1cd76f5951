#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "bench/mock/random_source.hpp"

/// What becomes of a call: how long it takes, how it ends and how much it says. Parsers return
/// what is wrong in words.
namespace nexus::mock {

/// `5ms`, `250us`, `1.5s`, `0`. An hour at most.
[[nodiscard]] std::expected<nanoseconds, std::string> parse_duration(std::string_view text);
/// `5%`, `0.1%`; the result is a share from 0 to 1.
[[nodiscard]] std::expected<double, std::string> parse_share(std::string_view text);

/// A distribution of times, or a mix of several.
class latency {
 public:
  /// `fixed:5ms`, `uniform:1ms-10ms`, `exp:5ms` (its mean), `lognormal:5ms,0.5` (median and sigma
  /// of the logarithm), or a mix whose shares are 100 % in all: `95%:fixed:2ms+5%:exp:200ms`.
  [[nodiscard]] static std::expected<latency, std::string> parse(std::string_view text);
  /// Never more than an hour.
  [[nodiscard]] nanoseconds sample(random_source& from) const;
  /// Whether every sample is zero.
  [[nodiscard]] bool none() const;

 private:
  enum class shape : std::uint8_t { fixed, uniform, exponential, lognormal };
  struct part {
    double share = 1;
    shape form = shape::fixed;
    double first_ns = 0; ///< the time, the least, the mean, the median
    double second = 0;   ///< uniform: the most, in ns; lognormal: sigma
  };
  [[nodiscard]] static std::expected<part, std::string> parse_part(std::string_view text);
  std::vector<part> parts_{part{}};
};

/// Shares of the calls that fail.
struct error_rates {
  double tool = 0;     ///< a result that says isError
  double protocol = 0; ///< a JSON-RPC error
  double drop = 0;     ///< no answer: the connection closes, over stdio the process ends

  /// `tool:1%,protocol:0.5%,drop:0.1%`, any of them.
  [[nodiscard]] static std::expected<error_rates, std::string> parse(std::string_view text);
};

/// How many bytes, evenly from least to most.
struct size_range {
  std::size_t least = 0, most = 0;
  /// `100` or `100-4096`; 16 MiB at most.
  [[nodiscard]] static std::expected<size_range, std::string> parse(std::string_view text);
};

enum class ending : std::uint8_t { result, tool_error, protocol_error, dropped };

struct outcome {
  nanoseconds delay{0};
  ending end = ending::result;
  std::size_t padding_bytes = 0;
};

struct behaviour {
  latency delay;
  error_rates errors;
  size_range padding;
  std::uint64_t seed = 1;

  /// What becomes of a server's n-th call: the same in every run, whatever other servers do.
  [[nodiscard]] outcome of_call(std::uint64_t server, std::uint64_t call) const;
};

} // namespace nexus::mock
