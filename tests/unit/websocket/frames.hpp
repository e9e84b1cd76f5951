#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Writes frames as a client does, the right ones and the wrong ones, and reads those of a server.
namespace nexus::websocket::test {

inline constexpr std::uint8_t continuation = 0, text = 1, binary = 2, close = 8, ping = 9,
                              pong = 10;

/// How a frame deviates from one whole masked message.
struct shape {
  bool fin = true;
  std::uint8_t reserved = 0;
  bool masked = true;
  int length_bytes = -1;              ///< 0, 2 or 8 of the extended length; -1: the shortest
  std::int64_t announced_length = -1; ///< in place of the payload's
};

inline std::string frame(std::uint8_t opcode, std::string_view payload, const shape& form = {}) {
  const std::uint64_t length = form.announced_length >= 0
                                   ? static_cast<std::uint64_t>(form.announced_length)
                                   : payload.size();
  int extended = form.length_bytes;
  if (extended < 0)
    extended = length < 126 ? 0 : length < 65'536 ? 2 : 8;
  std::string out;
  out += static_cast<char>((form.fin ? 0x80 : 0) | form.reserved << 4 | opcode);
  const std::uint64_t short_length = extended == 0 ? length : extended == 2 ? 126 : 127;
  out += static_cast<char>((form.masked ? 0x80 : 0) | short_length);
  for (int i = extended - 1; i >= 0; --i)
    out += static_cast<char>(length >> (8 * i));
  if (!form.masked)
    return out.append(payload);
  constexpr std::string_view mask = "\x37\xfa\x21\x3d";
  out.append(mask);
  for (std::size_t i = 0; i < payload.size(); ++i)
    out += static_cast<char>(payload[i] ^ mask[i % 4]);
  return out;
}

/// A piece of a message that is not the last one.
inline std::string part(std::uint8_t opcode, std::string_view payload) {
  return frame(opcode, payload, {.fin = false});
}

inline std::string close_frame(unsigned code, std::string_view reason = {}) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
  return frame(close, payload.append(reason));
}

/// A server's frame: `opcode:payload`, closes as `8:code reason`. A malformed one ends the list.
inline std::vector<std::string> read_frames(std::string_view wire) {
  std::vector<std::string> out;
  while (!wire.empty()) {
    const auto byte = [&wire](std::size_t i) { return static_cast<unsigned char>(wire[i]); };
    if (wire.size() < 2 || (byte(0) & 0xF0) != 0x80 || (byte(1) & 0x80) != 0)
      return out.emplace_back("malformed"), out;
    const unsigned opcode = byte(0) & 15;
    std::size_t length = byte(1), header = 2;
    if (length >= 126) {
      header = length == 126 ? 4 : 10;
      length = 0;
      for (std::size_t i = 2; i < header && i < wire.size(); ++i)
        length = length << 8 | byte(i);
    }
    if (wire.size() < header + length)
      return out.emplace_back("malformed"), out;
    std::string payload{wire.substr(header, length)};
    if (opcode == close && length >= 2)
      payload = std::to_string(byte(header) << 8 | byte(header + 1)) +
                (length > 2 ? " " + payload.substr(2) : std::string{});
    out.push_back(std::to_string(opcode) + ":" + payload);
    wire.remove_prefix(header + length);
  }
  return out;
}

} // namespace nexus::websocket::test
