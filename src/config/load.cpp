#include <tuple>

#include "config/file_reader.hpp"
#include "config/registry_section.hpp"
#include "config/resolve.hpp"

namespace nexus::config {
namespace {

using detail::findings;

auto compared(const server& value) {
  return std::tie(value.name, value.kind, value.argv, value.env, value.env_unset, value.cwd,
                  value.url, value.headers, value.tls.verify, value.tls.ca_file,
                  value.tls.certificate_file, value.tls.key_file, value.era, value.sessions,
                  value.call_timeout, value.connect_timeout, value.handshake_timeout,
                  value.concurrency, value.lazy, value.include_tools, value.exclude_tools,
                  value.description, value.unusable_reason);
}

} // namespace

bool operator==(const server& a, const server& b) {
  return compared(a) == compared(b);
}

loaded load_text(std::string_view text, const std::string& file_name, const environment& env) {
  findings found(file_name);
  loaded out;
  if (const auto content = detail::read_content(text, env, found)) {
    gateway value = std::move(content->section.value);
    value.servers = detail::resolve_servers(*content, env, found);
    const detail::scope within{env, content->section.unset, detail::folder_of(file_name, env),
                               content->inputs};
    value.sealing_keys = detail::resolve_sealing_keys(content->root, within, found);
    value.state_file = detail::resolve_state_file(content->root, within, file_name, found);
    value.embeddings = detail::resolve_embeddings(content->root, within, found);
    value.lacks_state = value.state_file == "";
    if (value.lacks_state)
      value.state_file.reset();
    if (!found.has_errors())
      out.value = std::move(value);
  }
  out.findings = found.take();
  return out;
}

loaded load_file(const std::string& path, const environment& env) {
  const auto text = env.read_file ? env.read_file(path) : std::nullopt;
  if (text)
    return load_text(*text, path, env);
  return {std::nullopt,
          {{severity::error,
            {path, 0, 0},
            "the configuration cannot be read",
            "-c names another file; it is at most " +
                detail::print_bytes(limits::config_file_bytes_max)}}};
}

} // namespace nexus::config
