#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/limits.hpp"
#include "catalog/uri_template.hpp"
#include "catalog/uri_text.hpp"

namespace nexus::catalog {

/// Reads a template from front to back.
class template_parser {
  static constexpr std::uint32_t unbounded = std::numeric_limits<std::uint32_t>::max();

 public:
  explicit template_parser(std::string_view text) : text_(text) {}

  result<uri_template> run() {
    if (text_.size() > limits::resource_uri_bytes_max)
      return too_large("URI template too long");
    while (at_ < text_.size()) {
      const std::size_t brace = std::min(text_.find_first_of("{}", at_), text_.size());
      take_literal(text_.substr(at_, brace - at_));
      if (brace == text_.size())
        break;
      const std::size_t end = text_.find_first_of("{}", brace + 1);
      if (text_[brace] == '}' || end == std::string_view::npos || text_[end] == '{')
        return wrong("braces of a URI template do not match");
      if (auto taken = take_expression(text_.substr(brace + 1, end - brace - 1)); !taken)
        return std::unexpected(std::move(taken.error()));
      at_ = end + 1;
    }
    return std::move(made_);
  }

 private:
  using charset = uri_template::charset;
  using shape = uri_template::shape;
  /// A row of the table in RFC 6570 appendix A, seen from the other side.
  struct operator_row {
    char symbol;           ///< 0: none
    char first, separator; ///< 0: none
    bool named;
    charset single;   ///< of one value
    charset exploded; ///< of several, with what stands between them
  };
  struct variable {
    std::string name;
    std::uint32_t characters_max = unbounded;
    bool exploded = false;
  };

  static std::unexpected<error> wrong(std::string why) {
    return fail(std::make_error_code(std::errc::invalid_argument), std::move(why));
  }
  static std::unexpected<error> too_large(std::string why) {
    return fail(std::make_error_code(std::errc::value_too_large), std::move(why));
  }

  static const operator_row* row_of(char symbol) noexcept {
    static constexpr std::array<operator_row, 8> rows{{
        {0, 0, ',', false, charset::segment, charset::segment},
        {'+', 0, ',', false, charset::any, charset::any},
        {'#', '#', ',', false, charset::any, charset::any},
        {'.', '.', '.', false, charset::segment, charset::segment},
        {'/', '/', '/', false, charset::segment, charset::path},
        {';', ';', ';', true, charset::parameter, charset::segment},
        {'?', '?', '&', true, charset::query_value, charset::query},
        {'&', '&', '&', true, charset::query_value, charset::query},
    }};
    for (const auto& row : rows)
      if (row.symbol == symbol)
        return &row;
    return nullptr;
  }

  void take_literal(std::string_view text) {
    if (text.empty())
      return;
    uri_template::part made;
    made.text = uri_text::normalised(text);
    made_.literal_bytes_ += made.text.size();
    made_.parts_.push_back(std::move(made));
  }

  result<> take_expression(std::string_view inner) {
    if (++made_.expressions_ > limits::uri_template_expressions_max)
      return too_large("too many expressions in a URI template");
    if (inner.empty())
      return wrong("empty expression in a URI template");
    char symbol = 0;
    if (!uri_text::is_alphanumeric(inner[0]) && inner[0] != '_' && inner[0] != '%') {
      symbol = inner[0];
      inner.remove_prefix(1);
    }
    const operator_row* row = row_of(symbol);
    if (row == nullptr)
      return wrong("unknown operator in a URI template");
    std::vector<variable> variables;
    while (true) {
      const std::size_t comma = std::min(inner.find(','), inner.size());
      if (++variables_ > limits::uri_template_variables_max)
        return too_large("too many variables in a URI template");
      variable read;
      if (!read_variable(inner.substr(0, comma), read))
        return wrong("malformed variable in a URI template");
      variables.push_back(std::move(read));
      if (comma == inner.size())
        break;
      inner.remove_prefix(comma + 1);
    }
    add(*row, variables);
    return {};
  }

  /// `name`, `name*` or `name:9`. A hyphen is none of RFC 6570's letters, but servers use it.
  static bool read_variable(std::string_view text, variable& out) {
    if (text.ends_with('*')) {
      out.exploded = true;
      text.remove_suffix(1);
    } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
      const std::string_view digits = text.substr(colon + 1);
      if (digits.empty() || digits.size() > 4 || digits[0] == '0' ||
          !std::all_of(digits.begin(), digits.end(), uri_text::is_digit))
        return false;
      out.characters_max = 0;
      for (const char c : digits)
        out.characters_max = out.characters_max * 10 + static_cast<std::uint32_t>(c - '0');
      text = text.substr(0, colon);
    }
    bool dot_may_follow = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool letter = uri_text::is_alphanumeric(text[i]) || text[i] == '_' || text[i] == '-';
      if (!letter && uri_text::triplet_at(text, i) < 0 && !(text[i] == '.' && dot_may_follow))
        return false;
      dot_may_follow = text[i] != '.';
      i += text[i] == '%' ? 2 : 0;
    }
    out.name = uri_text::normalised(text);
    return dot_may_follow;
  }

  void add(const operator_row& row, std::vector<variable>& variables) {
    const bool exploded = std::any_of(variables.begin(), variables.end(),
                                      [](const variable& v) { return v.exploded; });
    uri_template::part made;
    made.first = row.first;
    made.separator = row.separator;
    made.allowed = exploded ? row.exploded : row.single;
    made.characters_max = unbounded;
    made_.greedy_expressions_ += made.allowed == charset::any ? 1 : 0;
    if (row.named && !exploded) {
      made.form = shape::named;
      for (variable& each : variables)
        made.names.push_back({std::move(each.name), each.characters_max});
      made_.parts_.push_back(std::move(made));
      return;
    }
    made.form = row.first == 0 ? shape::run : shape::group;
    if (variables.size() == 1)
      made.characters_max = variables.front().characters_max;
    if (row.symbol == '/' && !exploded) {
      // A value holds no slash, so each variable is a group of its own.
      for (const variable& each : variables) {
        made.characters_max = each.characters_max;
        made_.parts_.push_back(made);
      }
      return;
    }
    if (made.form == shape::run && made.characters_max == unbounded && !made_.parts_.empty()) {
      const auto& last = made_.parts_.back();
      if (last.form == shape::run && last.characters_max == unbounded &&
          last.allowed == made.allowed)
        return; // as much as the one before it takes
    }
    made_.parts_.push_back(std::move(made));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t variables_ = 0;
  uri_template made_;
};

result<uri_template> uri_template::parse(std::string_view text) {
  return template_parser(text).run();
}

} // namespace nexus::catalog
