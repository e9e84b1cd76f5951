#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace nexus::load {

/// Counts of nanoseconds in buckets of constant relative width, as HdrHistogram has them:
/// 2^sub_bits per power of two, so a reported quantile is at most 1 / 2^sub_bits above the true
/// one. Recording costs one increment, and two histograms add up to that of both.
template <unsigned sub_bits, class Count>
class log_linear_histogram {
 public:
  void record(std::int64_t nanoseconds) noexcept {
    const auto value = nanoseconds < 0 ? 0U : static_cast<std::uint64_t>(nanoseconds);
    ++counts_[index_of(value)];
    ++total_;
    sum_ += static_cast<double>(value);
    max_ = std::max(max_, value);
    min_ = std::min(min_, value);
  }

  void merge(const log_linear_histogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      counts_[i] += other.counts_[i];
    total_ += other.total_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
    min_ = std::min(min_, other.min_);
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return total_; }
  [[nodiscard]] double max_us() const noexcept { return static_cast<double>(max_) / 1000.0; }
  [[nodiscard]] double min_us() const noexcept {
    return total_ == 0 ? 0.0 : static_cast<double>(min_) / 1000.0;
  }
  [[nodiscard]] double mean_us() const noexcept {
    return total_ == 0 ? 0.0 : sum_ / static_cast<double>(total_) / 1000.0;
  }

  /// Upper edge, in microseconds, of the bucket that holds the given quantile (0 to 1).
  [[nodiscard]] double quantile_us(double quantile) const noexcept {
    if (total_ == 0)
      return 0.0;
    auto rank = static_cast<std::uint64_t>(quantile * static_cast<double>(total_));
    rank = std::min(rank, total_ - 1);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank)
        return static_cast<double>(std::min(upper_edge(i), max_)) / 1000.0;
    }
    return max_us();
  }

 private:
  static constexpr std::size_t sub_count = std::size_t{1} << sub_bits;

  // Values below sub_count have a bucket each; above, the top sub_bits + 1 bits choose it.
  static std::size_t index_of(std::uint64_t value) noexcept {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    if (width <= sub_bits)
      return static_cast<std::size_t>(value);
    const unsigned shift = width - sub_bits - 1;
    return (std::size_t{shift} << sub_bits) + static_cast<std::size_t>(value >> shift);
  }

  static std::uint64_t upper_edge(std::size_t index) noexcept {
    if (index < 2 * sub_count)
      return index;
    const auto shift = (index >> sub_bits) - 1;
    return (((index & (sub_count - 1)) + sub_count + 1) << shift) - 1;
  }

  std::array<Count, (64 - sub_bits + 1) * sub_count> counts_{};
  std::uint64_t total_ = 0;
  double sum_ = 0;
  std::uint64_t max_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
};

/// What results are read from: quantiles are at most 0.8 % too high.
using histogram = log_linear_histogram<7, std::uint64_t>;
/// One second of a run's course, of which there are many: at most 6.3 % too high.
using coarse_histogram = log_linear_histogram<4, std::uint32_t>;

} // namespace nexus::load
