#include "cli/file_commands.hpp"

#include <algorithm>
#include <cerrno>
#include <ostream>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cli/settings.hpp"
#include "cli/terminal.hpp"
#include "net/socket.hpp"
#include "json/write.hpp"

namespace nexus::cli {
namespace {

using config::diagnostic;
using config::severity;

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::size_t count_of(const std::vector<diagnostic>& findings, severity level) {
  return static_cast<std::size_t>(std::ranges::count(findings, level, &diagnostic::level));
}

std::string_view name_of(config::transport kind) {
  switch (kind) {
  case config::transport::stdio:
    return "stdio";
  case config::transport::http:
    return "http";
  case config::transport::sse:
    return "sse";
  }
  return {};
}

/// `3 servers (2 stdio, 1 http; 1 lazy)`
std::string describe_servers(const std::vector<config::server>& servers) {
  std::string kinds;
  for (const auto kind :
       {config::transport::stdio, config::transport::http, config::transport::sse}) {
    const auto count = std::ranges::count(servers, kind, &config::server::kind);
    if (count > 0)
      kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", count, name_of(kind));
  }
  const auto lazy = std::ranges::count(servers, true, &config::server::lazy);
  if (lazy > 0)
    kinds += fmt::format("; {} lazy", lazy);
  return counted(servers.size(), "server") + (kinds.empty() ? "" : " (" + kinds + ")");
}

std::string findings_json(const std::vector<diagnostic>& findings) {
  std::string out = "[";
  for (const diagnostic& finding : findings) {
    if (out.size() > 1)
      out += ',';
    json::object_writer writer(out);
    writer.string("level", finding.level == severity::error ? "error" : "warning")
        .string("file", finding.position.file);
    if (finding.position.line > 0) {
      writer.integer("line", static_cast<std::int64_t>(finding.position.line))
          .integer("column", static_cast<std::int64_t>(finding.position.column));
    }
    writer.string("message", finding.message);
    if (!finding.hint.empty())
      writer.string("hint", finding.hint);
    writer.end();
  }
  return out + ']';
}

std::string servers_json(const std::vector<config::server>& servers) {
  std::string out = "[";
  for (const config::server& server : servers) {
    if (out.size() > 1)
      out += ',';
    json::object_writer writer(out);
    writer.string("name", server.name)
        .string("transport", name_of(server.kind))
        .boolean("lazy", server.lazy);
    if (!server.unusable_reason.empty())
      writer.string("unusable", server.unusable_reason);
    writer.end();
  }
  return out + ']';
}

void print_check_json(const std::string& path, const config::loaded& loaded, std::ostream& out) {
  std::string text;
  json::object_writer writer(text);
  writer.string("file", path)
      .boolean("valid", loaded.value.has_value())
      .raw("findings", findings_json(loaded.findings));
  if (loaded.value) {
    writer.string("listen", loaded.value->listen)
        .raw("servers", servers_json(loaded.value->servers));
  }
  writer.end();
  out << text << '\n';
}

void print_check(const std::string& path, const config::loaded& loaded, console& io) {
  print_findings(loaded.findings, io.out, io.out_colour());
  std::string summary = visible(path, line_breaks::escape) + ": ";
  if (!loaded.value) {
    summary += toned(counted(count_of(loaded.findings, severity::error), "error"), tone::bad,
                     io.out_colour());
    io.out << summary << '\n';
    return;
  }
  const auto& servers = loaded.value->servers;
  const std::size_t warnings = count_of(loaded.findings, severity::warning);
  summary += toned("good", tone::good, io.out_colour());
  if (warnings > 0)
    summary += " with " + counted(warnings, "warning");
  io.out << summary << "; " << describe_servers(servers) << ", listening on "
         << visible(loaded.value->listen, line_breaks::escape) << '\n';
  for (const config::server& server : servers) {
    if (!server.unusable_reason.empty()) {
      io.out << visible(fmt::format("  {} cannot be used: {}", server.name, server.unusable_reason),
                        line_breaks::escape)
             << '\n';
    }
  }
}

/// The text of a file, or of stdin for `-`. Empty optional: said why.
std::optional<std::string> read_input(const std::string& path, const surroundings& world) {
  if (path != "-") {
    auto text = world.env.read_file ? world.env.read_file(path) : std::nullopt;
    if (!text)
      print_error(world.io, fmt::format("'{}' cannot be read; is it there, and a file?", path));
    return text;
  }
  auto text = read_all(world.io.in, limits::config_file_bytes_max);
  if (!text)
    print_error(world.io, "stdin cannot be read, or holds too much for a configuration");
  return text;
}

bool write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// Writes the output file. Only its owner may read it: configurations hold secrets.
int write_output(const command_line& line, std::string_view text, console& io) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (line.force ? O_TRUNC : O_EXCL);
  net::unique_fd file(::open(line.output_path.c_str(), flags, 0600));
  if (!file && errno == EEXIST) {
    print_error(
        io, fmt::format("'{}' exists and stays as it is; --force overwrites it", line.output_path));
    return exit_failed;
  }
  if (!file || !write_whole(file.get(), text) || ::close(file.release()) != 0) {
    print_error(
        io, fmt::format("'{}' cannot be written: {}", line.output_path, net::errno_text(errno)));
    return exit_failed;
  }
  print_note(
      io, fmt::format("wrote {}; try it: nexus check -c {}", line.output_path, line.output_path));
  return exit_ok;
}

} // namespace

int check_file(const command_line& line, const surroundings& world) {
  const std::string path = line.config_path.empty() ? default_config_path : line.config_path;
  serve_options options;
  options.config_path = line.config_path;
  const config::loaded loaded = load_settings(options, world.env);
  if (line.json)
    print_check_json(path, loaded, world.io.out);
  else
    print_check(path, loaded, world.io);
  return loaded.value ? exit_ok : exit_failed;
}

int import_file(const command_line& line, const surroundings& world) {
  const auto text = read_input(line.import_path, world);
  if (!text)
    return exit_failed;
  const std::string name = line.import_path == "-" ? "stdin" : line.import_path;
  const config::imported imported = config::import_text(*text, name, world.env);
  print_findings(imported.findings, world.io.err, world.io.err_colour());
  if (imported.text.empty()) {
    print_error(world.io, fmt::format("nothing was written: '{}' has errors", name));
    return exit_failed;
  }
  if (!line.output_path.empty() && line.output_path != "-")
    return write_output(line, imported.text, world.io);
  world.io.out << imported.text;
  return exit_ok;
}

} // namespace nexus::cli
