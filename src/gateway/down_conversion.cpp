#include "gateway/down_conversion.hpp"

#include <fmt/format.h>

#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::gateway {
namespace {

using mcp::revision;

/// Collects what stays of an object or an array.
class kept_parts {
 public:
  kept_parts(std::string& out, char open, char close) : out_(out), close_(close) { out_ += open; }
  std::string& next() {
    if (!first_)
      out_ += ',';
    first_ = false;
    return out_;
  }
  void end() { out_ += close_; }

 private:
  std::string& out_;
  char close_;
  bool first_ = true;
};

void append_text_block(std::string& out, std::string_view text) {
  out += R"({"type":"text","text":)";
  json::append_string(out, text);
  out += '}';
}

std::string text_member(json::slice object, std::string_view key) {
  const auto value = json::find_member(object, key);
  return value.is(json::kind::string) ? json::unquote(value) : std::string();
}

std::string describe_link(json::slice link) {
  const auto title = text_member(link, "title"), description = text_member(link, "description");
  auto text = fmt::format("{}: {}", title.empty() ? text_member(link, "name") : title,
                          text_member(link, "uri"));
  if (!description.empty())
    text += "\n" + description;
  return text;
}

/// One block of content, in whatever list of them.
void append_content(std::string& out, json::slice block, revision client) {
  const auto type = json::find_member(block, "type");
  if (type.raw == R"("resource_link")" && client < revision::r2025_06_18)
    return append_text_block(out, describe_link(block));
  if (type.raw == R"("audio")" && client < revision::r2025_03_26)
    return append_text_block(out, fmt::format("[audio of type {} is left out: this client's "
                                              "protocol revision has none]",
                                              text_member(block, "mimeType")));
  out += block.raw;
}

void append_contents(std::string& out, json::slice contents, revision client) {
  if (!contents.is(json::kind::array))
    return append_content(out, contents, client);
  kept_parts kept(out, '[', ']');
  for (json::element_walk e(contents); e.next();)
    append_content(kept.next(), e.value(), client);
  kept.end();
}

/// The messages of a prompt.
void append_messages(std::string& out, json::slice messages, revision client) {
  kept_parts kept(out, '[', ']');
  for (json::element_walk e(messages); e.next();) {
    if (!e.value().is(json::kind::object)) {
      kept.next() += e.value().raw;
      continue;
    }
    kept_parts message(kept.next(), '{', '}');
    for (json::member_walk m(e.value()); m.next();) {
      auto& to = message.next();
      if (m.key() != "content") {
        to += m.span();
        continue;
      }
      to += R"("content":)";
      append_contents(to, m.value(), client);
    }
    message.end();
  }
  kept.end();
}

/// `{"$ref":"#/..."}` means the schema's root, which lies two steps deeper once it is wrapped.
void append_rebased(std::string& out, json::slice value) {
  if (value.is(json::kind::array)) {
    kept_parts kept(out, '[', ']');
    for (json::element_walk e(value); e.next();)
      append_rebased(kept.next(), e.value());
    return kept.end();
  }
  if (!value.is(json::kind::object)) {
    out += value.raw;
    return;
  }
  kept_parts kept(out, '{', '}');
  for (json::member_walk m(value); m.next();) {
    auto& to = kept.next();
    const bool reference = m.key() == "$ref" || m.key() == "$dynamicRef";
    to += m.span().substr(0, m.span().size() - m.value().raw.size());
    const auto target =
        reference && m.value().is(json::kind::string) ? json::unquote(m.value()) : std::string();
    if (target == "#" || target.starts_with("#/"))
      json::append_string(to, "#/properties/result" + target.substr(1));
    else
      append_rebased(to, m.value());
  }
  kept.end();
}

void append_wrapped_schema(std::string& out, json::slice schema) {
  out += R"({"type":"object","properties":{"result":)";
  // A schema with a name of its own is the root of its references wherever it stands.
  if (json::find_member(schema, "$id"))
    out += schema.raw;
  else
    append_rebased(out, schema);
  out += R"(},"required":["result"]})";
}

} // namespace

std::string converted_response(const mcp::message& response, revision client, bool wraps_output) {
  const auto structured = response.result[mcp::result_key::structured_content];
  const bool old = client < revision::r2025_06_18;
  bool has_content = false;
  std::string out = fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":)", response.id.raw);
  kept_parts kept(out, '{', '}');
  for (json::member_walk m(response.result.whole); m.next();) {
    const auto key = m.key();
    if (key == "structuredContent" && old)
      continue;
    if (key == "structuredContent" && (wraps_output || !m.value().is(json::kind::object))) {
      kept.next() += fmt::format(R"("structuredContent":{{"result":{}}})", m.value().raw);
    } else if (key == "content" && old && m.value().is(json::kind::array)) {
      if (!json::element_walk(m.value()).next())
        continue;
      has_content = true;
      kept.next() += R"("content":)";
      append_contents(out, m.value(), client);
    } else if (key == "messages" && old && m.value().is(json::kind::array)) {
      kept.next() += R"("messages":)";
      append_messages(out, m.value(), client);
    } else {
      has_content = has_content || key == "content";
      kept.next() += m.span();
    }
  }
  const bool had_content =
      json::find_member(response.result.whole, "content").is(json::kind::array);
  if (old && !has_content && (structured || had_content)) {
    kept.next() += R"("content":[)";
    if (structured)
      append_text_block(out, structured.raw);
    out += ']';
  }
  kept.end();
  out += '}';
  return out;
}

void append_converted_definition(std::string& out, std::string_view definition,
                                 catalog::list_kind kind, revision client) {
  const bool old = client < revision::r2025_06_18;
  const bool tool = kind == catalog::list_kind::tools;
  kept_parts kept(out, '{', '}');
  for (json::member_walk m({definition, json::kind::object}); m.next();) {
    const auto key = m.key();
    if (old && (key == "title" || (tool && key == "outputSchema")))
      continue;
    if (tool && key == "annotations" && client < revision::r2025_03_26)
      continue;
    const bool wrap =
        tool && key == "outputSchema" && json::find_member(m.value(), "type").raw != R"("object")";
    auto& to = kept.next();
    if (!wrap) {
      to += m.span();
      continue;
    }
    to += R"("outputSchema":)";
    append_wrapped_schema(to, m.value());
  }
  kept.end();
}

} // namespace nexus::gateway
