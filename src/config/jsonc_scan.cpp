#include "config/jsonc_scan.hpp"

#include <algorithm>
#include <map>

#include "base/limits.hpp"
#include "base/utf8.hpp"

namespace nexus::config::detail {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

/// Recursive descent over the grammar; stops at the first error.
class scanner {
 public:
  explicit scanner(std::string_view text) : text_(text), lines_(text) {
    out_.strict = std::string(text);
  }

  jsonc_scan run() {
    if (check_utf8() && skip_filler()) {
      if (at_end()) {
        fail(0, "the file is empty; expected '{'", "an empty configuration is {}");
      } else if (value(0) && skip_filler() && !at_end()) {
        fail(position_, "expected the end of the file, found " + found(),
             "one file holds one JSON object");
      }
    }
    // Members of inner objects end before the outer one's value begins to count.
    std::sort(out_.keys.begin(), out_.keys.end());
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool at_end() const { return position_ >= text_.size(); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }

  bool fail(std::size_t offset, std::string message, std::string hint = {}) {
    if (!out_.failed) {
      out_.failed = true;
      out_.error_offset = offset;
      out_.message = std::move(message);
      out_.hint = std::move(hint);
    }
    return false;
  }

  /// What stands at the position, as a message shows it.
  [[nodiscard]] std::string found() const {
    if (at_end())
      return "the end of the file";
    if (is_word(peek())) {
      std::size_t end = position_;
      while (end < text_.size() && end - position_ < 24 && is_word(text_[end]))
        ++end;
      return "'" + std::string(text_.substr(position_, end - position_)) + "'";
    }
    if (static_cast<unsigned char>(peek()) < 0x20)
      return "a control character";
    const std::string_view rest = std::string_view(text_).substr(position_);
    return "'" + std::string(rest.substr(0, next_utf8(rest).bytes)) + "'";
  }

  bool check_utf8() {
    for (std::size_t i = 0; i < text_.size();) {
      const utf8_step step = next_utf8(std::string_view(text_).substr(i));
      if (!step.valid)
        return fail(i, "expected UTF-8, found a byte that is not", "save the file as UTF-8");
      i += step.bytes;
    }
    return true;
  }

  void blank(std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      if (out_.strict[i] != '\n')
        out_.strict[i] = ' ';
    }
  }

  /// White space and comments.
  bool skip_filler() {
    while (!at_end()) {
      const char c = peek();
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        ++position_;
      } else if (c == '/' && peek(1) == '/') {
        const std::size_t end = std::min(text_.find('\n', position_), text_.size());
        blank(position_, end);
        position_ = end;
      } else if (c == '/' && peek(1) == '*') {
        const std::size_t end = text_.find("*/", position_ + 2);
        if (end == std::string_view::npos) {
          return fail(position_, "this comment is not closed", "end it with */");
        }
        blank(position_, end + 2);
        position_ = end + 2;
      } else if (c == '#') {
        return fail(position_, "'#' does not begin a comment here", "comments are // and /* */");
      } else {
        break;
      }
    }
    return true;
  }

  bool value(std::size_t depth) {
    if (depth > limits::json_depth_max) {
      return fail(position_,
                  "nested deeper than " + std::to_string(limits::json_depth_max) + " levels");
    }
    const char c = peek();
    if (at_end())
      return fail(position_, "expected a value, found the end of the file");
    if (c == '{')
      return object(depth);
    if (c == '[')
      return array(depth);
    if (c == '"')
      return string();
    if (c == '-' || is_digit(c))
      return number();
    return word();
  }

  bool word() {
    for (const std::string_view literal : {"true", "false", "null"}) {
      if (text_.substr(position_, literal.size()) == literal && !is_word(peek(literal.size()))) {
        position_ += literal.size();
        return true;
      }
    }
    std::string hint;
    if (peek() == '\'')
      hint = "strings take double quotes";
    if (is_word(peek()))
      hint = "strings take double quotes; words are true, false and null";
    if (peek() == '+' || peek() == '.')
      hint = "numbers begin with a digit or '-'";
    if (peek() == ',')
      hint = "remove the extra comma";
    return fail(position_, "expected a value, found " + found(), std::move(hint));
  }

  bool number() {
    const std::size_t begin = position_;
    const auto digits = [&] {
      const std::size_t first = position_;
      while (is_digit(peek()))
        ++position_;
      return position_ > first;
    };
    bool good = true;
    if (peek() == '-')
      ++position_;
    const bool zero = peek() == '0';
    good = digits();
    if (zero && text_[position_ - 1] != '-' &&
        position_ - begin > (text_[begin] == '-' ? 2U : 1U)) {
      good = false;
    }
    if (good && peek() == '.') {
      ++position_;
      good = digits();
    }
    if (good && (peek() == 'e' || peek() == 'E')) {
      ++position_;
      if (peek() == '+' || peek() == '-')
        ++position_;
      good = digits();
    }
    if (good && !is_word(peek()) && peek() != '.')
      return true;
    position_ = begin;
    return fail(begin, "expected a number, found something like one",
                "JSON numbers look like 10, -2 or 1.5e3; sizes and times with a unit are strings");
  }

  bool string() {
    const std::size_t begin = position_++;
    while (!at_end() && peek() != '"') {
      const char c = peek();
      if (c == '\n' || c == '\r')
        break;
      if (static_cast<unsigned char>(c) < 0x20) {
        return fail(position_, "a control character stands in a string",
                    "write it as an escape, a tab as \\t");
      }
      if (c == '\\') {
        if (!escape())
          return false;
      } else {
        ++position_;
      }
    }
    if (peek() != '"') {
      return fail(begin, "this string is not closed on its line", "end it with \"");
    }
    ++position_;
    return true;
  }

  /// The four digits behind \u; -1 when they are not.
  int unicode_escape() const {
    int unit = 0;
    for (std::size_t i = 2; i < 6; ++i) {
      const char c = peek(i);
      if (!is_hex(c))
        return -1;
      unit = unit * 16 + (is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return unit;
  }

  bool escape() {
    const std::size_t begin = position_;
    const char c = peek(1);
    if (c != '\0' && std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) {
      position_ += 2;
      return true;
    }
    if (c != 'u') {
      return fail(begin, "unknown escape in a string", "write a backslash as \\\\");
    }
    const int unit = unicode_escape();
    if (unit < 0)
      return fail(begin, "\\u is not followed by four hex digits");
    position_ += 6;
    if (unit < 0xD800 || unit > 0xDFFF)
      return true;
    const int second = unit < 0xDC00 && peek() == '\\' && peek(1) == 'u' ? unicode_escape() : -1;
    if (second < 0xDC00 || second > 0xDFFF) {
      return fail(begin, "half of a surrogate pair stands alone in a string");
    }
    position_ += 6;
    return true;
  }

  [[nodiscard]] std::string opened_at(char bracket, std::size_t offset) {
    const place where = lines_.at(offset);
    return std::string("the '") + bracket + "' of line " + std::to_string(where.line) +
           ", column " + std::to_string(where.column) + " is still open";
  }

  /// Behind a value: the separator or the end. Says whether the container goes on.
  enum class next : std::uint8_t { more, end, error };
  next separator(char close, std::size_t opened, const std::string& after) {
    if (!skip_filler())
      return next::error;
    const std::size_t comma = position_;
    if (peek() == ',' && !at_end()) {
      ++position_;
      if (!skip_filler())
        return next::error;
      if (at_end() || peek() != close)
        return next::more;
      blank(comma, comma + 1);
    }
    if (!at_end() && peek() == close) {
      ++position_;
      return next::end;
    }
    std::string hint;
    if (at_end())
      hint = opened_at(close == '}' ? '{' : '[', opened);
    else if (peek() == '"' || peek() == '{' || peek() == '[')
      hint = "a comma is missing before it";
    fail(position_,
         std::string("expected ',' or '") + close + "' after " + after + ", found " + found(),
         std::move(hint));
    return next::error;
  }

  bool array(std::size_t depth) {
    const std::size_t opened = position_++;
    if (!skip_filler())
      return false;
    if (peek() == ']') {
      ++position_;
      return true;
    }
    for (;;) {
      if (at_end()) {
        return fail(position_, "expected a value or ']', found the end of the file",
                    opened_at('[', opened));
      }
      if (!value(depth + 1))
        return false;
      const next step = separator(']', opened, "a value of the list");
      if (step != next::more)
        return step == next::end;
    }
  }

  bool key(std::size_t opened) {
    if (at_end()) {
      return fail(position_, "expected a key or '}', found the end of the file",
                  opened_at('{', opened));
    }
    if (peek() == '"')
      return string();
    std::string hint;
    if (peek() == '\'' || is_word(peek()))
      hint = "keys take double quotes";
    if (peek() == ',')
      hint = "remove the extra comma";
    return fail(position_, "expected a key in double quotes or '}', found " + found(),
                std::move(hint));
  }

  bool object(std::size_t depth) {
    const std::size_t opened = position_++;
    std::map<std::string_view, std::size_t> seen;
    if (!skip_filler())
      return false;
    if (peek() == '}') {
      ++position_;
      return true;
    }
    for (;;) {
      const std::size_t begin = position_;
      if (!key(opened))
        return false;
      const std::string_view name = text_.substr(begin, position_ - begin);
      const auto [first, fresh] = seen.emplace(name, begin);
      if (!fresh) {
        return fail(begin,
                    "key " + shorten(name) + " stands twice in one object, first in line " +
                        std::to_string(lines_.at(first->second).line),
                    "remove or rename one of them");
      }
      if (!skip_filler())
        return false;
      if (at_end() || peek() != ':') {
        return fail(position_, "expected ':' after key " + shorten(name) + ", found " + found());
      }
      ++position_;
      if (!skip_filler())
        return false;
      out_.keys.emplace_back(position_, begin);
      if (!value(depth + 1))
        return false;
      const next step = separator('}', opened, "the value of " + shorten(name));
      if (step != next::more)
        return step == next::end;
    }
  }

  std::string_view text_;
  line_index lines_;
  std::size_t position_ = 0;
  jsonc_scan out_;
};

} // namespace

place line_index::at(std::size_t offset) {
  offset = std::min(offset, text_.size());
  if (offset < offset_) {
    offset_ = 0;
    here_ = {1, 1};
  }
  for (; offset_ < offset; ++offset_) {
    const auto byte = static_cast<unsigned char>(text_[offset_]);
    if (byte == '\n') {
      ++here_.line;
      here_.column = 1;
    } else if ((byte & 0xC0U) != 0x80U) {
      ++here_.column;
    }
  }
  // Inside a code point: its own column, not the next one's.
  const bool inside =
      offset < text_.size() && (static_cast<unsigned char>(text_[offset]) & 0xC0U) == 0x80U;
  return {here_.line, inside && here_.column > 1 ? here_.column - 1 : here_.column};
}

jsonc_scan scan_jsonc(std::string_view text) {
  return scanner(text).run();
}

} // namespace nexus::config::detail
