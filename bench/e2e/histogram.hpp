#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace nexus::bench {

/// Counts of nanoseconds in buckets of constant relative width: 128 per power of two, so a reported
/// percentile is at most 0.8 % above the true one. Recording costs one increment.
class histogram {
 public:
  void record(std::int64_t nanoseconds) {
    const auto value = nanoseconds < 0 ? 0U : static_cast<std::uint64_t>(nanoseconds);
    ++counts_[index_of(value)];
    ++total_;
    if (value > max_)
      max_ = value;
  }

  std::uint64_t count() const { return total_; }

  double max_us() const { return static_cast<double>(max_) / 1000.0; }

  /// Upper edge, in microseconds, of the bucket that holds the given quantile (0 to 1).
  double quantile_us(double quantile) const {
    if (total_ == 0)
      return 0.0;
    auto rank = static_cast<std::uint64_t>(quantile * static_cast<double>(total_));
    rank = rank >= total_ ? total_ - 1 : rank;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) {
        const auto edge = upper_edge(i);
        return static_cast<double>(edge < max_ ? edge : max_) / 1000.0;
      }
    }
    return max_us();
  }

 private:
  static constexpr unsigned sub_bits = 7;
  static constexpr std::size_t sub_count = std::size_t{1} << sub_bits;

  // Values below sub_count have a bucket each; above, the top sub_bits + 1 bits choose it.
  static std::size_t index_of(std::uint64_t value) {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    if (width <= sub_bits)
      return static_cast<std::size_t>(value);
    const unsigned shift = width - sub_bits - 1;
    return (std::size_t{shift} << sub_bits) + static_cast<std::size_t>(value >> shift);
  }

  static std::uint64_t upper_edge(std::size_t index) {
    if (index < 2 * sub_count)
      return index;
    const auto shift = (index >> sub_bits) - 1;
    return (((index & (sub_count - 1)) + sub_count + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (64 - sub_bits + 1) * sub_count> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

} // namespace nexus::bench
