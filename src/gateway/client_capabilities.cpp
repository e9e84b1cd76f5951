#include "gateway/client_capabilities.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "json/write.hpp"

namespace nexus::gateway {
namespace {

constexpr std::string_view ui_extension = "io.modelcontextprotocol/ui";
constexpr std::string_view ui_declaration =
    R"("io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]})";

class capability_reader final : public json::visitor {
 public:
  capability_reader(client_capabilities& into, const extension_list& extensions)
      : into_(into), extensions_(extensions) {}

  step on_key(unsigned depth, std::string_view key, json::kind type) override {
    if (depth > 0)
      return step::take;
    parent_ = type != json::kind::object ? parent::other
              : key == "sampling"        ? parent::sampling
              : key == "elicitation"     ? parent::elicitation
              : key == "extensions"      ? parent::extensions
              : key == "roots"           ? parent::roots
                                         : parent::other;
    return parent_ == parent::other || parent_ == parent::roots ? step::take : step::enter;
  }

  void on_member(unsigned depth, const json::member& found) override {
    const bool object = found.value.is(json::kind::object);
    if (depth == 0)
      return finish(object);
    if (parent_ == parent::sampling && object) {
      into_.sampling_tools = into_.sampling_tools || found.key == "tools";
      into_.sampling_context = into_.sampling_context || found.key == "context";
    } else if (parent_ == parent::elicitation && object) {
      into_.elicitation_form = into_.elicitation_form || found.key == "form";
      into_.elicitation_url = into_.elicitation_url || found.key == "url";
    } else if (parent_ == parent::extensions && found.key == tasks_extension) {
      into_.tasks = object;
    } else if (parent_ == parent::extensions && extensions_.passes(found.key)) {
      into_.foreign = into_.foreign || extensions_.is_foreign(found.key);
      if (!into_.extensions.empty())
        into_.extensions += ',';
      into_.extensions += found.span;
    }
  }

 private:
  enum class parent : std::uint8_t { other, sampling, elicitation, extensions, roots };

  void finish(bool object) {
    if (parent_ == parent::sampling)
      into_.sampling = object;
    if (parent_ == parent::roots)
      into_.roots = object;
    // `{}` is what revisions without modes say.
    if (parent_ == parent::elicitation && !into_.elicitation_url)
      into_.elicitation_form = object;
    parent_ = parent::other;
  }

  client_capabilities& into_;
  const extension_list& extensions_;
  parent parent_ = parent::other;
};

/// What a sampling or elicitation request makes use of.
class need_reader final : public json::visitor {
 public:
  bool url = false, tools = false;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& found) override {
    if (found.key == "mode")
      url = found.value.raw == R"("url")";
    if (found.key == "tools" || found.key == "toolChoice")
      tools = true;
  }
};

} // namespace

bool parse_question(std::string_view method, question_kind& kind) noexcept {
  for (const auto known :
       {question_kind::sampling, question_kind::elicitation, question_kind::roots})
    if (method == method_of(known)) {
      kind = known;
      return true;
    }
  return false;
}

std::string_view method_of(question_kind kind) noexcept {
  switch (kind) {
  case question_kind::sampling:
    return "sampling/createMessage";
  case question_kind::elicitation:
    return "elicitation/create";
  case question_kind::roots:
    break;
  }
  return "roots/list";
}

extension_list::extension_list(const std::vector<std::string>& configured) {
  client_capabilities every;
  every.sampling = every.sampling_tools = every.sampling_context = true;
  every.elicitation_form = every.elicitation_url = true;
  every.roots = true;
  every.extensions = ui_declaration;
  for (const auto& id : configured) {
    if (id == ui_extension || id == tasks_extension || passes(id))
      continue;
    foreign_.insert(std::ranges::upper_bound(foreign_, id), id);
    every.extensions += ',';
    json::append_string(every.extensions, id);
    every.extensions += ":{}";
  }
  own_capabilities_ = every.to_json();
}

bool extension_list::passes(std::string_view id) const noexcept {
  return id == ui_extension || is_foreign(id);
}

bool extension_list::is_foreign(std::string_view id) const noexcept {
  return std::ranges::binary_search(foreign_, id, {},
                                    [](const auto& known) { return std::string_view(known); });
}

std::string client_capabilities::to_json() const {
  std::string out = "{";
  const auto member = [&](std::string_view text) {
    if (out.size() > 1)
      out += ',';
    out += text;
  };
  if (roots)
    member(R"("roots":{})");
  if (sampling)
    member(fmt::format(R"("sampling":{{{}{}{}}})", sampling_tools ? R"("tools":{})" : "",
                       sampling_tools && sampling_context ? "," : "",
                       sampling_context ? R"("context":{})" : ""));
  if (elicitation_form || elicitation_url)
    member(fmt::format(R"("elicitation":{{{}{}{}}})", elicitation_form ? R"("form":{})" : "",
                       elicitation_form && elicitation_url ? "," : "",
                       elicitation_url ? R"("url":{})" : ""));
  if (!extensions.empty() || tasks)
    member(fmt::format(R"("extensions":{{{}{}{}}})", extensions,
                       !extensions.empty() && tasks ? "," : "",
                       tasks ? R"("io.modelcontextprotocol/tasks":{})" : ""));
  return out + '}';
}

client_capabilities read_client_capabilities(std::string_view text, json::scanner& scanner,
                                             const extension_list& extensions) {
  client_capabilities found;
  if (text.empty() || text == "{}")
    return found;
  capability_reader reader(found, extensions);
  if (!scanner.scan_object(text, reader))
    return {};
  return found;
}

bool can_answer(const client_capabilities& client, question_kind kind, std::string_view params,
                json::scanner& scanner, std::string& missing) {
  need_reader needs;
  if (!params.empty() && !scanner.scan_object(params, needs))
    return false;
  switch (kind) {
  case question_kind::sampling:
    if (client.sampling && (!needs.tools || client.sampling_tools))
      return true;
    missing = needs.tools ? R"({"sampling":{"tools":{}}})" : R"({"sampling":{}})";
    return false;
  case question_kind::elicitation:
    if (needs.url ? client.elicitation_url : client.elicitation_form)
      return true;
    missing = needs.url ? R"({"elicitation":{"url":{}}})" : R"({"elicitation":{"form":{}}})";
    return false;
  case question_kind::roots:
    break;
  }
  missing = R"({"roots":{}})";
  return client.roots;
}

} // namespace nexus::gateway
