#include <algorithm>

#include "base/text.hpp"
#include "config/draft_reader.hpp"
#include "config/interpolate.hpp"

namespace nexus::config::detail {
namespace {

/// Below this, a bare `timeout` means seconds: no client waits for less than a second.
constexpr double timeout_seconds_below = 1000;

} // namespace

server_draft draft_reader::run(const node& object) {
  check_name();
  if (!object.is(node_kind::object)) {
    findings_.wrong_kind(object, "an object with \"command\" or \"url\"", draft_.name);
    return std::move(draft_);
  }
  for (const member& entry : object.members)
    read(entry);
  choose_transport(object);
  std::erase_if(draft_.env, [&](const auto& entry) {
    return std::ranges::find(draft_.env_unset, entry.first) != draft_.env_unset.end();
  });
  return std::move(draft_);
}

void draft_reader::check_name() {
  const std::string& name = draft_.name;
  if (name.empty() || name.size() > nexus::limits::server_name_bytes_max) {
    findings_.error(draft_.at,
                    "a server's name has 1 to " +
                        std::to_string(nexus::limits::server_name_bytes_max) +
                        " bytes, this one has " + std::to_string(name.size()),
                    "it becomes part of tool names");
  } else if (std::any_of(
                 name.begin(), name.end(),
                 [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }) ||
             trim(name).size() != name.size()) {
    findings_.error(draft_.at,
                    "a server's name has only visible characters and no space at "
                    "its ends",
                    "it becomes part of tool names");
  }
}

void draft_reader::read(const member& entry) {
  const node& value = entry.value;
  const std::string_view key = entry.key;
  const auto field = find_server_field(key);
  if (!field) {
    // A leading '_' or '/' is how people write comments in strict JSON.
    if (key.starts_with('_') || key.starts_with("//"))
      return;
    findings_.unknown_key(entry.at, key, "server " + quote(shorten(draft_.name)),
                          server_key_names());
    draft_.notes.push_back("dropped " + quote(key) + ": it is not known");
    return;
  }
  switch (*field) {
  case server_field::type:
    type_ = read_string(value, key, findings_);
    break;
  case server_field::command:
    read_command(value);
    break;
  case server_field::args:
    append(args_, read_list(value, key, findings_));
    break;
  case server_field::env:
    read_env(value, key);
    break;
  case server_field::env_file:
    draft_.env_file = text(value, key);
    break;
  case server_field::cwd:
    if (!value.is(node_kind::null))
      draft_.cwd = text(value, key);
    break;
  case server_field::url:
    url_ = text(value, key);
    break;
  case server_field::http_url:
    http_url_ = text(value, key);
    break;
  case server_field::server_url:
    server_url_ = text(value, key);
    break;
  case server_field::headers:
    read_headers(entry, header_source::values);
    break;
  case server_field::headers_from_variables:
    read_headers(entry, header_source::variables);
    break;
  case server_field::bearer_variable:
    read_bearer(value, key);
    break;
  case server_field::tls:
    read_tls(value);
    break;
  case server_field::era:
    if (const auto choice = read_choice(value, key, era_names, findings_)) {
      draft_.era = static_cast<era_pin>(*choice);
    }
    break;
  default:
    read_rest(*field, entry);
    break;
  }
}

bool draft_reader::read_time_of(server_field field, const node& value, std::string_view key) {
  constexpr milliseconds ms{1}, s{1000};
  switch (field) {
  case server_field::timeout:
    read_timeout(draft_.call_timeout, value, key, bare_unit(value));
    break;
  case server_field::timeout_ms:
    read_timeout(draft_.call_timeout, value, key, ms);
    break;
  case server_field::timeout_s:
    read_timeout(draft_.call_timeout, value, key, s);
    break;
  case server_field::connect_timeout:
    read_timeout(draft_.connect_timeout, value, key, ms);
    break;
  case server_field::handshake_timeout:
  case server_field::handshake_ms:
    read_timeout(draft_.handshake_timeout, value, key, ms);
    break;
  case server_field::handshake_s:
    read_timeout(draft_.handshake_timeout, value, key, s);
    break;
  default:
    return false;
  }
  return true;
}

void draft_reader::read_rest(server_field field, const member& entry) {
  const node& value = entry.value;
  const std::string_view key = entry.key;
  if (read_time_of(field, value, key))
    return;
  switch (field) {
  case server_field::sessions:
    if (const auto choice = read_choice(value, key, session_mode_names, findings_))
      draft_.sessions = static_cast<session_mode>(*choice);
    break;
  case server_field::concurrency:
    draft_.concurrency = read_count(value, key, 1, nexus::limits::calls_in_flight_max, findings_);
    break;
  case server_field::lazy:
    draft_.lazy = read_boolean(value, key, findings_).value_or(false);
    break;
  case server_field::include:
    read_include(value, key);
    break;
  case server_field::tools:
    // Codex keeps approval modes per tool under this name.
    if (value.is(node_kind::object))
      dropped(key);
    else
      read_include(value, key);
    break;
  case server_field::exclude:
    read_names(draft_.exclude, value, key);
    break;
  case server_field::description:
    read_description(value, key);
    break;
  case server_field::tags:
    draft_.tags.of_all = read_tags(value, key);
    break;
  case server_field::tool_tags:
    read_tool_tags(value, key);
    break;
  case server_field::disabled:
    if (read_boolean(value, key, findings_).value_or(false))
      draft_.disabled = true;
    break;
  case server_field::enabled:
    if (!read_boolean(value, key, findings_).value_or(true))
      draft_.disabled = true;
    break;
  case server_field::forwarded_variables:
    draft_.notes.push_back("dropped " + quote(key) + ": a server inherits every variable");
    break;
  case server_field::source:
    from_extension_ = value.is(node_kind::string) && value.text == "extension";
    break;
  case server_field::unsupported:
    findings_.warning(
        entry.at, quote(key) + " of server " + quote(shorten(draft_.name)) + " is not supported",
        "requests go out without what it adds; use \"headers\"");
    draft_.notes.push_back("needs attention: " + quote(key) +
                           " is not supported; requests go out without what it adds");
    break;
  default:
    dropped(key);
    break;
  }
}

void draft_reader::dropped(std::string_view key) {
  draft_.notes.push_back("dropped " + quote(key) + ": the gateway has no use for it");
}

text_at draft_reader::as_written(text_at value) const {
  if (dialect_ == server_dialect::codex)
    value.text = escape_literal(value.text);
  return value;
}

std::optional<text_at> draft_reader::text(const node& value, std::string_view key) {
  auto out = read_string(value, key, findings_);
  if (out)
    out = as_written(std::move(*out));
  return out;
}

void draft_reader::append(std::vector<text_at>& to, std::vector<text_at> from) const {
  for (text_at& item : from)
    to.push_back(as_written(std::move(item)));
}

milliseconds draft_reader::bare_unit(const node& value) {
  constexpr milliseconds ms{1}, s{1000};
  if (!value.is(node_kind::number) || dialect_ == server_dialect::opencode)
    return ms;
  // Cline allows up to an hour.
  if (dialect_ == server_dialect::seconds)
    return value.number <= 3600 ? s : ms;
  if (!(value.number < timeout_seconds_below))
    return ms;
  if (value.number > 0) {
    findings_.warning(value.at, "\"timeout\" " + value.text + " is read as seconds",
                      "write \"" + value.text + "s\", or use \"timeoutMs\"");
  }
  return s;
}

void draft_reader::read_timeout(std::optional<milliseconds>& out, const node& value,
                                std::string_view key, milliseconds unit) {
  if (value.is(node_kind::null))
    return;
  const auto time = read_time(value, key, unit, findings_);
  if (!time)
    return;
  const milliseconds longest = nexus::limits::call_timeout_max;
  if (time->count() == 0) {
    findings_.warning(value.at, quote(key) + " 0 is not a time; the default holds",
                      "every call has a deadline");
  } else if (*time > longest) {
    findings_.warning(value.at, quote(key) + " is " + print_time(*time) + "; the longest, " +
                                    print_time(longest) + ", holds");
    out = longest;
  } else {
    out = *time;
  }
}

void draft_reader::read_include(const node& value, std::string_view key) {
  if (value.is(node_kind::null))
    return;
  if (!draft_.include)
    draft_.include.emplace();
  read_names(*draft_.include, value, key);
  if (draft_.include->empty() && value.is(node_kind::array) && value.items.empty()) {
    findings_.warning(value.at,
                      quote(key) + " is empty: no tool of server " + quote(shorten(draft_.name)) +
                          " is offered",
                      "leave it out to offer all of them");
  }
}

void draft_reader::read_names(std::vector<std::string>& out, const node& value,
                              std::string_view key) {
  if (value.is(node_kind::null))
    return;
  for (text_at& item : read_list(value, key, findings_)) {
    // Gemini CLI allows "tool(args)" and compares the name.
    if (key.ends_with("Tools"))
      item.text.erase(std::min(item.text.find('('), item.text.size()));
    out.push_back(std::move(item.text));
  }
}

void draft_reader::read_description(const node& value, std::string_view key) {
  if (auto text = read_string(value, key, findings_))
    draft_.description = std::move(text->text);
}

std::vector<std::string> draft_reader::read_tags(const node& value, std::string_view key) {
  std::vector<std::string> out;
  for (text_at& item : read_list(value, key, findings_)) {
    if (item.text.empty() || item.text.size() > nexus::limits::tag_bytes_max)
      findings_.error(item.at, "a tag has 1 to " + std::to_string(nexus::limits::tag_bytes_max) +
                                   " bytes, this one has " + std::to_string(item.text.size()));
    else
      out.push_back(std::move(item.text));
  }
  return out;
}

void draft_reader::read_tool_tags(const node& value, std::string_view key) {
  if (!value.is(node_kind::object))
    return findings_.wrong_kind(value, "an object of lists of tags by tool names", key);
  for (const member& entry : value.members)
    draft_.tags.of_tools.emplace_back(entry.key, read_tags(entry.value, entry.key));
}

void draft_reader::choose_transport(const node& object) {
  const bool has_url = server_url_ || http_url_ || url_;
  if (server_url_)
    draft_.url = server_url_;
  else if (http_url_)
    draft_.url = http_url_;
  else
    draft_.url = url_;
  draft_.kind = has_url ? transport::http : transport::stdio;
  if (type_)
    apply_type();
  if (http_url_ && !server_url_ && draft_.kind == transport::sse)
    draft_.kind = transport::http;
  if (draft_.kind == transport::stdio) {
    finish_stdio(object);
  } else {
    finish_remote(object);
  }
}

void draft_reader::apply_type() {
  struct row {
    std::string_view name;
    transport kind;
  };
  constexpr row rows[] = {{"stdio", transport::stdio},         {"local", transport::stdio},
                          {"http", transport::http},           {"streamable-http", transport::http},
                          {"streamableHttp", transport::http}, {"streamable_http", transport::http},
                          {"remote", transport::http},         {"sse", transport::sse}};
  for (const row& entry : rows) {
    if (iequals(type_->text, entry.name)) {
      draft_.kind = entry.kind;
      return;
    }
  }
  if (iequals(type_->text, "ws") || iequals(type_->text, "websocket")) {
    draft_.kind = transport::http;
    draft_.unsupported_type = type_->text;
    return;
  }
  findings_.error(type_->at,
                  "expected \"stdio\", \"http\" or \"sse\" for \"type\", found " +
                      quote(shorten(type_->text)),
                  "streamable-http, local and remote are read too");
}

void draft_reader::missing(const node& object, std::string_view key, bool typed) {
  // Zed names the servers that extensions bring; a disabled entry of opencode may be empty.
  if (from_extension_ || dialect_ == server_dialect::zed) {
    draft_.left_out = true;
    findings_.warning(draft_.at, "server " + quote(shorten(draft_.name)) +
                                     " is left out: an extension of the editor brings it");
    return;
  }
  if (findings_.has_errors() && (server_key_misread(object) || command_broken_))
    return;
  findings_.error(object.at,
                  "server " + quote(shorten(draft_.name)) + " has no " +
                      (typed ? quote(key) : std::string("\"command\" and no \"url\"")),
                  typed && type_ ? "\"type\" is " + quote(shorten(type_->text))
                                 : "a program to start, or an address to connect to");
}

bool draft_reader::server_key_misread(const node& object) {
  return object.find("url") != nullptr || object.find("httpUrl") != nullptr ||
         object.find("serverUrl") != nullptr || object.find("type") != nullptr;
}

server_draft read_server(const server_source& source, findings& out) {
  return draft_reader(source, out).run(source.entry->value);
}

} // namespace nexus::config::detail
