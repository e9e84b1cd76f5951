#pragma once

#include <cstdint>

namespace nexus::mock {

/// Numbers that depend on their seed alone, on every machine and with every standard library.
/// @source SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators"
class random_source {
 public:
  explicit random_source(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    auto mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
  }
  /// From 0 inclusive to 1 exclusive.
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

} // namespace nexus::mock
