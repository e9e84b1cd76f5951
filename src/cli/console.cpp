#include "cli/console.hpp"

#include <array>
#include <istream>
#include <ostream>

#include "cli/terminal.hpp"

namespace nexus::cli {

void print_error(console& io, std::string_view text) {
  io.err << "nexus: " << toned("error:", tone::bad, io.err_colour()) << ' '
         << visible(text, line_breaks::keep) << '\n';
}

void print_note(console& io, std::string_view text) {
  io.err << "nexus: " << visible(text, line_breaks::keep) << '\n';
}

std::optional<std::string> read_all(std::istream& in, std::size_t bytes_max) {
  std::string text;
  std::array<char, 16 * 1024> chunk{};
  while (in.read(chunk.data(), chunk.size()), in.gcount() > 0) {
    text.append(chunk.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > bytes_max)
      return std::nullopt;
  }
  return in.bad() ? std::nullopt : std::optional(std::move(text));
}

void status_line::show(std::string_view text) {
  if (!io_.err_terminal)
    return;
  // A line that wraps cannot be written over.
  const std::size_t columns = io_.columns > 0 ? io_.columns - 1 : 79;
  io_.err << "\r\x1b[K" << clip(visible(text, line_breaks::escape), columns) << std::flush;
  shown_ = true;
}

void status_line::clear() {
  if (shown_)
    io_.err << "\r\x1b[K" << std::flush;
  shown_ = false;
}

} // namespace nexus::cli
