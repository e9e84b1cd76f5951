#pragma once

#include "bench/e2e/load_options.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nexus::bench {

/// Every call's id has this many digits, so a request is made by writing ten bytes in place.
constexpr std::size_t id_digits = 10;
constexpr std::uint64_t first_call_id = 1'000'000'000;

/// One request with holes for the id.
class call_template {
 public:
  call_template() = default;
  /// `text` holds the id's placeholder wherever the id belongs.
  explicit call_template(std::string text);

  /// The request with this id; valid until the next call.
  std::string_view with_id(std::uint64_t id);

  /// What stands in `text` for the id: ten characters that no option can contain.
  static std::string_view placeholder();

 private:
  std::string bytes_;
  std::vector<std::size_t> holes_;
};

/// The ten digits of an id.
void write_id(char* out, std::uint64_t id);

/// One template for each tool name, with `session_id` in its header when it is not empty.
std::vector<call_template> make_calls(const load_options& options, std::string_view session_id);

/// The legacy handshake: an initialize request whose id is `id`.
std::string make_initialize(const load_options& options, std::uint64_t id);

/// The notification that ends the handshake.
std::string make_initialized(const load_options& options, std::string_view session_id);

} // namespace nexus::bench
