#include "engine/meta_tools.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "catalog/builtin_tools.hpp"
#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/worker.hpp"
#include "gateway/render.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

constexpr std::size_t suggestions = 3;

std::string suggest(const std::vector<std::string_view>& near) {
  std::string out;
  for (const auto name : near)
    out += fmt::format("{}'{}'", out.empty() ? " Did you mean " : " or ", name);
  return out.empty() ? out : out + '?';
}

} // namespace

std::vector<visible_server> visible_servers(worker& on, const exchange& x,
                                            const catalog::exposure& shown) {
  std::vector<visible_server> out;
  for (const auto& part : on.snapshot().servers())
    if (!x.scope.one_server() || part.slot == x.scope.number)
      out.push_back({&part, {}});
  const auto& tools = shown.reachable();
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const auto of = std::ranges::find_if(
        out, [&](const visible_server& one) { return one.part->slot == tools.at(i).slot; });
    if (of != out.end())
      of->tools.push_back(&tools.at(i));
  }
  if (x.scope.shows == view_scope::what::virtual_mcp)
    std::erase_if(out, [](const visible_server& one) { return one.tools.empty(); });
  return out;
}

const visible_server* find_server(const std::vector<visible_server>& all, std::string_view name) {
  const auto found =
      std::ranges::find_if(all, [&](const visible_server& one) { return one.part->name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::vector<std::string_view> nearest_servers(const std::vector<visible_server>& all,
                                              std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& one : all)
    names.push_back(one.part->name);
  return nearest_names(name, names, suggestions);
}

std::vector<std::string_view> nearest_tools(const visible_server& of, std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto* const tool : of.tools)
    names.push_back(tool->own_name());
  return nearest_names(name, names, suggestions);
}

std::string unknown_server_text(const std::vector<visible_server>& all, std::string_view name) {
  return fmt::format("There is no server '{}'.{} list-tools shows all servers and tools.",
                     name.substr(0, limits::name_bytes_max), suggest(nearest_servers(all, name)));
}

std::string unknown_tool_text(const visible_server& of, std::string_view name) {
  return fmt::format("Server '{}' has no tool '{}'.{} list-tools shows its tools.", of.part->name,
                     name.substr(0, limits::name_bytes_max), suggest(nearest_tools(of, name)));
}

void answer_tool(worker& on, exchange& x, std::string_view text, std::string_view structured,
                 bool is_error) {
  std::string result = "{";
  if (x.era == mcp::era::modern)
    result +=
        fmt::format(R"("resultType":"complete","_meta":{{{}}},)", gateway::server_info_member());
  result += R"("content":[{"type":"text","text":)";
  json::append_string(result, text);
  result += "}]";
  if (!structured.empty() && x.revision >= mcp::revision::r2025_06_18)
    result.append(R"(,"structuredContent":)").append(structured);
  result += is_error ? R"(,"isError":true})" : "}";
  answer_result(on, x, result);
}

void answer_mistake(worker& on, exchange& x, std::string_view text, std::string_view structured) {
  answer_tool(on, x, text, structured, true);
}

std::string text_argument(json::slice arguments, std::string_view key) {
  const auto value = json::find_member(arguments, key);
  return value.is(json::kind::string) ? json::unquote(value) : std::string();
}

std::size_t count_argument(json::slice arguments, std::string_view key, std::size_t otherwise,
                           std::size_t most) {
  const auto number = json::to_int64(json::find_member(arguments, key));
  if (!number || *number < 1)
    return otherwise;
  return std::min(static_cast<std::size_t>(*number), most);
}

std::string description_of(const catalog::route& tool) {
  return text_argument({tool.list->definition(*tool.target), json::kind::object}, "description");
}

std::string short_description(std::string_view description) {
  std::string out;
  for (const char c : trim(description)) {
    const bool blank = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!blank)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
    if (out.size() > limits::meta_description_bytes)
      break;
  }
  // A first sentence says what a tool is for; abbreviations are rarely followed by a capital.
  for (auto stop = out.find(". "); stop != std::string::npos; stop = out.find(". ", stop + 1))
    if (stop + 2 < out.size() && out[stop + 2] >= 'A' && out[stop + 2] <= 'Z' && stop > 20) {
      out.resize(stop + 1);
      return out;
    }
  if (out.size() <= limits::meta_description_bytes)
    return out;
  auto end = limits::meta_description_bytes;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80)
    --end;
  if (const auto word = out.rfind(' ', end); word != std::string::npos && word > end / 2)
    end = word;
  out.resize(end);
  return out + "...";
}

void call_builtin(worker& on, exchange& x, const catalog::item& which) {
  auto arguments = x.request.params[mcp::param_key::arguments];
  if (!arguments)
    arguments = {"{}", json::kind::object};
  switch (catalog::builtin_of(which)) {
  case catalog::builtin::list_tools:
    return list_all_tools(on, x, arguments);
  case catalog::builtin::server_information:
    return tell_servers(on, x, arguments);
  case catalog::builtin::input_schemas:
    return tell_schemas(on, x, arguments);
  case catalog::builtin::call_tool:
    return call_one_tool(on, x, arguments);
  case catalog::builtin::search_tools:
    return search_tools(on, x, arguments);
  case catalog::builtin::call_tools:
    return call_many_tools(on, x, arguments);
  case catalog::builtin::list_vmcps:
  case catalog::builtin::create_vmcp:
  case catalog::builtin::update_vmcp:
  case catalog::builtin::delete_vmcp:
    return manage_vmcps(on, x, catalog::builtin_of(which), arguments);
  }
}

} // namespace nexus::engine
