/// URI templates: any two lines as template and URI, which must end in time; and templates made of
/// the bytes, which must match their own expansions.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "catalog/uri_template.hpp"
#include "tests/support/uri_expander.hpp"

namespace {

using namespace nexus;
using catalog::uri_template;

/// Takes small numbers and texts from the front of the input; zeros and nothing once it is used up.
class source {
 public:
  explicit source(std::string_view bytes) : rest_(bytes) {}
  std::size_t below(std::size_t bound) {
    const std::string_view byte = take(1);
    return byte.empty() ? 0 : static_cast<unsigned char>(byte[0]) % bound;
  }
  std::string_view take(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

void check_lines(std::string_view input) {
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::string_view uri = line < input.size() ? input.substr(line + 1) : std::string_view{};
  auto pattern = uri_template::parse(input.substr(0, line));
  if (!pattern)
    return;
  const bool matches = pattern->matches(uri);
  NEXUS_ASSERT(!pattern->more_specific_than(*pattern));
  // What a prefix says must hold for each match.
  const auto prefix = uri_template::parse(std::string{pattern->literal_prefix()} + "{+rest}");
  NEXUS_ASSERT(prefix && (!matches || prefix->matches(uri)));
  const catalog::template_table table({{*pattern, 7}});
  NEXUS_ASSERT(table.find(uri).has_value() == matches);
}

std::vector<test::piece> make_pieces(source& bytes) {
  static constexpr std::string_view operators("\0+#./;?&", 8);
  std::vector<test::piece> pieces;
  while (!bytes.empty() && pieces.size() < 6) {
    test::piece made;
    for (const char c : bytes.take(bytes.below(6)))
      if (c != '{' && c != '}')
        made.literal += c;
    made.operator_symbol = operators[bytes.below(operators.size())];
    for (std::size_t k = bytes.below(3) + 1; k > 0; --k) {
      test::variable v;
      v.name = std::string(bytes.below(3) + 1, static_cast<char>('a' + bytes.below(2)));
      const std::size_t modifier = bytes.below(4);
      v.exploded = modifier == 0;
      v.prefix = modifier == 1 ? bytes.below(5) + 1 : 0;
      // Prefixes count characters, so their values are UTF-8.
      for (std::size_t n = bytes.below(v.prefix != 0 ? 2 : 4); n > 0; --n)
        v.values.emplace_back(v.prefix != 0 ? "\xC3\xA9%\xE2\x82\xAC/"
                                            : bytes.take(bytes.below(8)));
      made.variables.push_back(std::move(v));
    }
    pieces.push_back(std::move(made));
  }
  return pieces;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  check_lines(input);
  source bytes(input);
  const auto pieces = make_pieces(bytes);
  const auto pattern = uri_template::parse(test::template_text(pieces));
  NEXUS_ASSERT(pattern && pattern->matches(test::expansion(pieces)));
  return 0;
}
