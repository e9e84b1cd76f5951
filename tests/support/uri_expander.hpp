#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// Expands URI templates as RFC 6570 s3 says, straightforwardly: what the matcher is compared with.
namespace nexus::test {

struct variable {
  std::string name;
  bool exploded = false;
  std::size_t prefix = 0;          ///< characters; 0: the whole value
  std::vector<std::string> values; ///< none: undefined; several: a list. UTF-8
};

/// A literal, then an expression.
struct piece {
  std::string literal;
  char operator_symbol = 0; ///< 0: none
  std::vector<variable> variables;
};

inline std::string template_text(const std::vector<piece>& pieces) {
  std::string out;
  for (const piece& p : pieces) {
    out += p.literal + "{";
    if (p.operator_symbol != 0)
      out += p.operator_symbol;
    for (const variable& v : p.variables) {
      if (&v != &p.variables.front())
        out += ',';
      out += v.name;
      if (v.prefix != 0)
        out += ":" + std::to_string(v.prefix);
      else if (v.exploded)
        out += '*';
    }
    out += '}';
  }
  return out;
}

/// Percent-encodes all but unreserved bytes, and but reserved ones and triplets if these may stay.
inline std::string encoded(std::string_view text, bool keep_reserved) {
  static constexpr std::string_view unreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  static constexpr std::string_view reserved = ":/?#[]@!$&'()*+,;=";
  static constexpr std::string_view hex = "0123456789ABCDEFabcdef";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool triplet = text[i] == '%' && i + 2 < text.size() &&
                         hex.find(text[i + 1]) != std::string_view::npos &&
                         hex.find(text[i + 2]) != std::string_view::npos;
    if (unreserved.find(text[i]) != std::string_view::npos ||
        (keep_reserved && (triplet || reserved.find(text[i]) != std::string_view::npos))) {
      out += text[i];
    } else {
      const auto byte = static_cast<unsigned char>(text[i]);
      out += '%';
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
  return out;
}

inline std::string first_characters(std::string_view text, std::size_t count) {
  std::size_t end = 0;
  for (; end < text.size(); ++end)
    if ((static_cast<unsigned char>(text[end]) & 0xC0) != 0x80 && count-- == 0)
      break;
  return std::string{text.substr(0, end)};
}

inline std::string expansion(const piece& p) {
  const char symbol = p.operator_symbol;
  const bool named = symbol == ';' || symbol == '?' || symbol == '&';
  const bool keep_reserved = symbol == '+' || symbol == '#';
  const std::string first = symbol == 0 || symbol == '+' ? "" : std::string(1, symbol);
  const std::string separator =
      named ? (symbol == ';' ? ";" : "&") : (symbol == '.' || symbol == '/' ? first : ",");
  std::string out;
  bool begun = false;
  const auto begin = [&] {
    out += begun ? separator : first;
    begun = true;
  };
  const auto with_name = [&](const variable& v, const std::string& value) {
    if (!named)
      return value;
    return v.name + (value.empty() && symbol == ';' ? "" : "=" + value);
  };
  for (const variable& v : p.variables) {
    if (v.values.empty())
      continue;
    if (v.exploded && v.prefix == 0) {
      for (const std::string& value : v.values) {
        begin();
        out += with_name(v, encoded(value, keep_reserved));
      }
      continue;
    }
    std::string joined;
    for (const std::string& value : v.values) {
      if (&value != &v.values.front())
        joined += ',';
      joined += encoded(v.prefix != 0 ? first_characters(value, v.prefix) : value, keep_reserved);
    }
    begin();
    out += with_name(v, joined);
  }
  return out;
}

inline std::string expansion(const std::vector<piece>& pieces) {
  std::string out;
  for (const piece& p : pieces)
    out += encoded(p.literal, true) + expansion(p);
  return out;
}

} // namespace nexus::test
