#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

/// Where the program reads and writes; tests give string streams.
namespace nexus::cli {

struct console {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool out_terminal = false, err_terminal = false;
  bool colour = true;      ///< on streams that are terminals; NO_COLOR and TERM=dumb turn it off
  std::size_t columns = 0; ///< width of the terminal behind `out`; 0: unknown

  [[nodiscard]] bool out_colour() const noexcept { return out_terminal && colour; }
  [[nodiscard]] bool err_colour() const noexcept { return err_terminal && colour; }
};

/// `nexus: error: TEXT` on stderr; control characters are shown escaped.
void print_error(console& io, std::string_view text);
/// `nexus: TEXT` on stderr, for what does not make the command fail.
void print_note(console& io, std::string_view text);

/// What a stream holds up to its end; nothing when it cannot be read or holds more than
/// `bytes_max`.
[[nodiscard]] std::optional<std::string> read_all(std::istream& in, std::size_t bytes_max);

/// One line of stderr that is written over while something goes on. Shows nothing unless stderr is
/// a terminal, and leaves nothing behind.
class status_line {
 public:
  explicit status_line(console& io) : io_(io) {}
  ~status_line() { clear(); }
  status_line(const status_line&) = delete;
  status_line& operator=(const status_line&) = delete;

  void show(std::string_view text);
  void clear();

 private:
  console& io_;
  bool shown_ = false;
};

} // namespace nexus::cli
