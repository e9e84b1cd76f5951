#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

/// Shared by the wire tables of this folder.
namespace nexus::http::test {

/// Piece sizes at which every row is replayed; 0 stands for all bytes at once.
inline constexpr std::array<std::size_t, 11> piece_sizes{0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 31};

/// Calls `sink` with consecutive pieces of `wire` until it returns false.
template <class Sink>
void for_each_piece(std::string_view wire, std::size_t piece_size, Sink&& sink) {
  if (piece_size == 0)
    piece_size = std::max<std::size_t>(wire.size(), 1);
  while (!wire.empty()) {
    // A copy of exactly these bytes, so that a sanitizer sees a read beyond them.
    const std::string piece{wire.substr(0, piece_size)};
    wire.remove_prefix(piece.size());
    if (!sink(std::string_view{piece}))
      return;
  }
}

inline std::string repeat(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i)
    out += text;
  return out;
}

/// What an MCP client sends: 410 bytes with eight header fields, then a small body.
inline constexpr std::string_view sample_request_head =
    "POST /mcp HTTP/1.1\r\n"
    "Host: gateway.example.internal:8080\r\n"
    "User-Agent: mcp-client-typescript/1.20.0 (node v22.11.0; linux x64)\r\n"
    "Accept: application/json, text/event-stream\r\n"
    "Content-Type: application/json\r\n"
    "Mcp-Protocol-Version: 2025-11-25\r\n"
    "Mcp-Session-Id: 7c0d5e1a-94c2-4e1f-9a55-0d6f3f1c2b7e\r\n"
    "Authorization: Bearer "
    "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLWEtdGVzdC1rZXktMTA\r\n"
    "Content-Length: 106\r\n"
    "\r\n";
inline constexpr std::string_view sample_request_body =
    R"({"jsonrpc":"2.0","id":42,"method":"tools/call",)"
    R"("params":{"name":"time__now","arguments":{"zone":"UTC+0"}}})";

} // namespace nexus::http::test
