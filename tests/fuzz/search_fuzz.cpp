/// Tokens and queries: any bytes as a tool's texts and as a query. What is found must be what an
/// index without hidden tools finds, and words must lie within their text.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "base/utf8.hpp"
#include "search/searcher.hpp"

namespace {

using namespace nexus;
using namespace nexus::search;

void check_tokens(std::string_view text) {
  static analyzer words;
  analysis out;
  words.append(out, text, gram_use::collect);
  std::uint16_t clause = 0;
  for (const token& t : out.tokens) {
    NEXUS_ASSERT(t.begin < t.end && t.end <= text.size());
    NEXUS_ASSERT(t.clause >= clause && t.key.size > 0);
    clause = t.clause;
    // Words begin and end between characters.
    const std::string_view word = text.substr(t.begin, t.end - t.begin);
    NEXUS_ASSERT(replace_invalid_utf8(word) == word);
  }
  NEXUS_ASSERT(out.tokens.size() <= 2 * text.size());
}

/// A line is a tool: name and description, parted by a tab. The last line is the query.
std::vector<document> read_tools(std::string_view text) {
  std::vector<document> out;
  while (!text.empty() && out.size() < 64) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t tab = std::min(line.find('\t'), line.size());
    document tool;
    tool.id = std::to_string(out.size());
    tool.server = line.size() % 2 == 0 ? "even" : "odd";
    tool.name = line.substr(0, tab);
    tool.description = line.substr(tab);
    tool.parameter_names = {tool.description.substr(0, 8)};
    out.push_back(std::move(tool));
  }
  return out;
}

void check_equal(const std::vector<hit>& a, const std::vector<hit>& b) {
  NEXUS_ASSERT(a.size() == b.size());
  for (std::size_t k = 0; k < a.size(); ++k)
    NEXUS_ASSERT(a[k].id == b[k].id && a[k].score == b[k].score);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  check_tokens(input);
  const std::size_t last = input.rfind('\n') == std::string_view::npos ? 0 : input.rfind('\n');
  const std::string_view query = input.substr(last);
  const auto tools = read_tools(input.substr(0, last));

  static searcher finder;
  index_builder builder;
  std::vector<document> even, odd;
  for (const document& tool : tools)
    (tool.server == "even" ? even : odd).push_back(tool);
  builder.set_server("odd", tools);
  builder.set_server("even", even);
  builder.set_server("odd", odd);
  const auto both = builder.build();
  const auto hits = finder.find(*both, query, {limits::search_results_max, nullptr});
  for (std::size_t k = 1; k < hits.size(); ++k)
    NEXUS_ASSERT(hits[k - 1].score >= hits[k].score);
  check_equal(finder.find(*build_index(tools), query, {limits::search_results_max, nullptr}), hits);

  const selection visible = both->select([](const tool_ref& t) { return t.server == "even"; });
  builder.remove_server("odd");
  check_equal(finder.find(*both, query, {10, &visible}), finder.find(*builder.build(), query, {}));
  return 0;
}
