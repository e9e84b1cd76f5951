#include "bench/load/answer.hpp"

#include "json/walk.hpp"

namespace nexus::load {
namespace {

class envelope_visitor final : public json::visitor {
 public:
  incoming found;

  step on_key(unsigned /*depth*/, std::string_view /*key*/, json::kind /*type*/) override {
    return step::take;
  }
  void on_member(unsigned /*depth*/, const json::member& one) override {
    if (one.key == "id")
      found.id = one.value;
    else if (one.key == "result")
      found.result = one.value;
    else if (one.key == "method")
      found.method = one.value;
    else if (one.key == "error")
      found.error = one.value;
  }
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Whether a number of as many digits as an id stands in the text: another call's.
bool holds_some_id(std::string_view text) {
  std::size_t run = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && is_digit(text[i])) {
      ++run;
      continue;
    }
    if (run == id_digits && text[i - run] != '0')
      return true;
    run = 0;
  }
  return false;
}

} // namespace

std::optional<incoming> answer_reader::read(std::string_view text) {
  envelope_visitor visitor;
  if (!scanner_.scan_object(text, visitor))
    return std::nullopt;
  return visitor.found;
}

std::optional<error_class> answer_reader::judge(const incoming& answer, const id_text& id,
                                                const prepared_operation& of) {
  if (answer.error)
    return error_class::rpc;
  if (!answer.result.is(json::kind::object))
    return error_class::protocol;
  const auto text = answer.result.raw;
  // Most results do not say isError at all, and a search is cheaper than a walk.
  if (text.find("\"isError\"") != std::string_view::npos &&
      json::find_member(answer.result, "isError").raw == "true")
    return error_class::tool;
  if (!of.member.empty() && !json::find_member(answer.result, of.member).is(json::kind::array))
    return error_class::tool;
  if (of.expect.empty())
    return std::nullopt;
  expected_.clear();
  of.expect.append_to(expected_, id);
  if (text.find(expected_) != std::string_view::npos)
    return std::nullopt;
  const bool mine = text.find(id.view()) != std::string_view::npos;
  return !mine && of.expect.holds_id() && holds_some_id(text) ? error_class::stranger
                                                              : error_class::content;
}

} // namespace nexus::load
