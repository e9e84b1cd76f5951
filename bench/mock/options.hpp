#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/mock/behaviour.hpp"
#include "net/reactor.hpp"

namespace nexus::mock {

enum class served_era : std::uint8_t { legacy, modern, both };
enum class transport : std::uint8_t { http, stdio };

/// A command line that is understood.
struct options {
  std::uint32_t servers = 1;
  std::uint32_t tools = 10; ///< of each server
  behaviour calls;
  served_era era = served_era::both;
  transport over = transport::http;
  net::endpoint at{"127.0.0.1", 4900};
  std::uint32_t server = 1; ///< stdio: which of the servers this process is
  net::reactor_kind reactor = net::reactor_kind::automatic;
  bool print_config = false;
  bool help = false;
  /// What a child has to be told of this command line, over stdio.
  std::vector<std::string> passed_on;
};

/// @returns what is wrong in words
[[nodiscard]] std::expected<options, std::string> parse_options(std::span<const char* const> given);
[[nodiscard]] std::string_view usage() noexcept;

/// A nexus.json with every server in it. @param program path of this program, for stdio
[[nodiscard]] std::string gateway_config(const options& of, std::string_view program);

} // namespace nexus::mock
