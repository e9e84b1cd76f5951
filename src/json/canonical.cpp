#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "json/lexical.hpp"
#include "json/write.hpp"

namespace nexus::json {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

/// Appends a string as JSON.stringify does. `text` is UTF-8, or WTF-8 when it has lone surrogates.
/// @source RFC 8785 s3.2.2.2
void append_minimal_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == 0xED && static_cast<unsigned char>(text[at + 1]) >= 0xA0) {
      const auto second = static_cast<unsigned char>(text[at + 1]);
      const auto third = static_cast<unsigned char>(text[at + 2]);
      out += "\\ud";
      out += hex_digits[(second >> 2) & 0xF];
      out += hex_digits[(second & 3) << 2 | ((third >> 4) & 3)];
      out += hex_digits[third & 0xF];
      at += 2;
      continue;
    }
    constexpr std::string_view escaped = "\b\f\n\r\t\"\\";
    const std::size_t known = escaped.find(text[at]);
    if (known != std::string_view::npos) {
      out += '\\';
      out += "bfnrt\"\\"[known];
    } else if (byte < 0x20) {
      out += "\\u00";
      out += hex_digits[byte >> 4];
      out += hex_digits[byte & 0xF];
    } else {
      out += text[at];
    }
  }
  out += '"';
}

/// True if the magnitude of a number that no double holds is too large, not too small.
bool overflows(std::string_view token) {
  const std::size_t e = std::min(token.find_first_of("eE"), token.size());
  const std::string_view mantissa = token.substr(0, e);
  const std::size_t first_digit = mantissa.find_first_of("123456789");
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  NEXUS_ASSERT(first_digit != std::string_view::npos);
  const auto leading = static_cast<long>(point) - static_cast<long>(first_digit);
  std::string_view exponent = token.substr(std::min(e + 1, token.size()));
  if (!exponent.empty() && exponent[0] == '+')
    exponent.remove_prefix(1);
  long power = 0;
  const auto code = std::from_chars(exponent.data(), exponent.data() + exponent.size(), power).ec;
  if (code == std::errc::result_out_of_range)
    return exponent[0] != '-';
  return power + leading > 0;
}

/// Appends a number as ECMAScript prints a double.
/// @source RFC 8785 s3.2.2.3, ECMA-262 Number::toString
void append_number(std::string& out, std::string_view token) {
  double number = 0;
  const auto parsed = std::from_chars(token.data(), token.data() + token.size(), number);
  if (parsed.ec == std::errc::result_out_of_range) {
    out += overflows(token) ? token : "0";
    return;
  }
  if (number == 0) {
    out += '0';
    return;
  }
  std::array<char, 32> buffer;
  const char* end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                  std::chars_format::scientific)
                        .ptr;
  std::string_view shortest(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  if (shortest[0] == '-') {
    out += '-';
    shortest.remove_prefix(1);
  }
  const std::size_t e = shortest.find('e');
  std::string digits(shortest.substr(0, 1));
  if (e > 2)
    digits += shortest.substr(2, e - 2);
  int power = 0;
  const std::size_t power_begin = shortest[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(shortest.data() + power_begin, end, power);

  const int count = static_cast<int>(digits.size());
  const int point = power + 1; // digits before the decimal point
  if (count <= point && point <= 21) {
    out += digits.append(static_cast<std::size_t>(point - count), '0');
  } else if (0 < point && point <= 21) {
    out += digits.insert(static_cast<std::size_t>(point), 1, '.');
  } else if (-6 < point && point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out += digits;
  } else {
    if (count > 1)
      digits.insert(1, 1, '.');
    out += digits;
    out += power < 0 ? "e-" : "e+";
    out += std::to_string(std::abs(power));
  }
}

/// The UTF-16 code units of WTF-8 text, which is the order of RFC 8785 s3.2.3.
std::u16string to_utf16(std::string_view text) {
  std::u16string units;
  units.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const unsigned length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    std::uint32_t code = length == 1 ? lead : lead & (0x7Fu >> length);
    for (unsigned i = 1; i < length; ++i)
      code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
    if (code < 0x10000) {
      units += static_cast<char16_t>(code);
    } else {
      units += static_cast<char16_t>(0xD800 + ((code - 0x10000) >> 10));
      units += static_cast<char16_t>(0xDC00 + ((code - 0x10000) & 0x3FF));
    }
    at += length;
  }
  return units;
}

/// Reads validated JSON and appends its canonical form. Recursion is bounded by the validation,
/// which allows limits::json_depth_max levels.
class canonicalizer {
 public:
  canonicalizer(std::string_view text, std::string& out) : text_(text), out_(out) {}

  void value() {
    switch (next()) {
    case '{':
      object();
      break;
    case '[':
      array();
      break;
    case '"':
      append_minimal_string(out_, string());
      break;
    case 't':
    case 'f':
    case 'n':
      out_ += scalar();
      break;
    default:
      append_number(out_, scalar());
    }
  }

 private:
  /// A member in `out_`, by its key for sorting.
  struct segment {
    std::u16string key;
    std::size_t begin;
    std::size_t end;
  };

  /// The next byte that is no white space.
  char next() {
    while (at_ < text_.size() && lexical::is_space(text_[at_]))
      ++at_;
    NEXUS_ASSERT(at_ < text_.size());
    return text_[at_];
  }

  void object() {
    std::vector<segment> segments;
    out_ += '{';
    const std::size_t members_begin = out_.size();
    ++at_;
    while (next() != '}') {
      if (text_[at_] == ',') {
        ++at_;
        next();
      }
      const std::size_t begin = out_.size();
      const std::string key = string();
      append_minimal_string(out_, key);
      out_ += ':';
      next();
      ++at_; // the colon
      value();
      segments.push_back({to_utf16(key), begin, out_.size()});
    }
    ++at_;
    arrange(segments, members_begin);
    out_ += '}';
  }

  /// Replaces the members from `members_begin` on by the sorted ones with commas between.
  void arrange(std::vector<segment>& segments, std::size_t members_begin) {
    std::stable_sort(segments.begin(), segments.end(),
                     [](const segment& a, const segment& b) { return a.key < b.key; });
    std::string sorted;
    sorted.reserve(out_.size() - members_begin + segments.size());
    for (const segment& member : segments) {
      if (!sorted.empty())
        sorted += ',';
      sorted.append(out_, member.begin, member.end - member.begin);
    }
    out_.replace(members_begin, std::string::npos, sorted);
  }

  void array() {
    out_ += '[';
    ++at_;
    while (next() != ']') {
      if (text_[at_] == ',') {
        out_ += ',';
        ++at_;
      }
      value();
    }
    ++at_;
    out_ += ']';
  }

  /// The unescaped text of the string at the cursor.
  std::string string() {
    const std::size_t begin = at_ + 1;
    std::size_t end = begin;
    while (text_[end] != '"')
      end += text_[end] == '\\' ? 2 : 1;
    at_ = end + 1;
    std::string text;
    lexical::unescape(text_.substr(begin, end - begin), lexical::lone_surrogate::encode, text);
    return text;
  }

  std::string_view scalar() {
    const std::size_t begin = at_;
    at_ = std::min(text_.find_first_of(" \t\n\r,]}", at_), text_.size());
    return text_.substr(begin, at_ - begin);
  }

  std::string_view text_;
  std::string& out_;
  std::size_t at_ = 0;
};

} // namespace

std::string canonical(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  canonicalizer(text, out).value();
  return out;
}

} // namespace nexus::json
