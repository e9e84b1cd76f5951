#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "mcp/message.hpp"

/// What the tests of this folder share.
namespace nexus::gateway::test {

/// A message with the text that its slices point into, which ends exactly with its padding.
struct parsed {
  explicit parsed(std::string_view wire) : text(new char[wire.size() + json::padding_bytes]) {
    std::memcpy(text.get(), wire.data(), wire.size());
    std::memset(text.get() + wire.size(), '"', json::padding_bytes);
    INFO(wire);
    const auto outcome = mcp::parse_message({text.get(), wire.size()}, scanner, message);
    REQUIRE(outcome.has_value());
  }

  std::unique_ptr<char[]> text;
  json::scanner scanner;
  mcp::message message;
};

} // namespace nexus::gateway::test
