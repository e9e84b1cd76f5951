#include "config/gateway_section.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "config/address.hpp"
#include "config/registry_section.hpp"
#include "config/vmcp_reader.hpp"

namespace nexus::config::detail {
namespace {

constexpr std::string_view reactor_names[] = {"auto", "io_uring", "epoll"};
constexpr std::string_view naming_names[] = {"prefixed", "bare"};
constexpr std::string_view level_names[] = {"trace", "debug", "info", "warn", "error", "off"};
constexpr std::string_view format_names[] = {"text", "json"};
constexpr std::string_view exposure_names[] = {"tools", "meta", "hybrid", "auto"};
constexpr std::string_view proof_names[] = {"off", "warn", "enforce"};
constexpr std::string_view check_names[] = {"off", "meta", "all"};
constexpr std::string_view management_keys[] = {"mcp"};
constexpr std::string_view unset_names[] = {"error", "empty", "literal"};

/// @source MCP 2026-07-28, extensions: as the keys of _meta, with a prefix
bool is_extension_id(std::string_view text) {
  const auto slash = text.find('/');
  const auto is_word = [](std::string_view word) {
    const std::string_view marks = ".-_";
    return !word.empty() && !marks.contains(word.front()) && !marks.contains(word.back()) &&
           std::ranges::all_of(word, [&](char c) {
             return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    marks.contains(c);
           });
  };
  return slash != std::string_view::npos && is_word(text.substr(0, slash)) &&
         is_word(text.substr(slash + 1));
}

/// `FIRST-LAST`.
std::optional<port_range> parse_port_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto number = [](std::string_view digits) {
    std::uint16_t port = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    return problem == std::errc{} && end == digits.data() + digits.size() ? port : 0;
  };
  if (dash == std::string_view::npos)
    return std::nullopt;
  const port_range range{static_cast<std::uint16_t>(number(trim(text.substr(0, dash)))),
                         static_cast<std::uint16_t>(number(trim(text.substr(dash + 1))))};
  return range.first != 0 && range.first <= range.last ? std::optional(range) : std::nullopt;
}

class section_reader {
 public:
  section_reader(const node& root, findings& out) : root_(root), findings_(out) {}

  gateway_section run() {
    gateway& value = out_.value;
    if (const node* workers = root_.get("workers")) {
      value.workers = read_count(*workers, "workers", 0, nexus::limits::workers_max, findings_)
                          .value_or(value.workers);
    }
    if (const auto choice = choose("reactor", reactor_names)) {
      value.reactor = reactor_names[*choice];
    }
    if (const auto choice = choose("names", naming_names)) {
      value.names = static_cast<naming>(*choice);
    }
    if (const auto choice = choose("unsetVariables", unset_names)) {
      out_.unset = static_cast<unset_policy>(*choice);
    }
    if (const node* insecure = root_.get("insecureListen")) {
      value.insecure_listen = read_boolean(*insecure, "insecureListen", findings_).value_or(false);
    }
    read_registry(root_, value, findings_);
    read_listen();
    read_log();
    read_limits();
    value.surface = read_surface(root_, findings_);
    if (root_.get("exposure") != nullptr)
      value.exposure = value.surface.mode;
    read_vmcps();
    read_vmcp_ports();
    read_management();
    value.allowed_hosts = addresses("allowedHosts", host_problem);
    value.allowed_origins = addresses("allowedOrigins", origin_problem);
    read_extensions();
    return std::move(out_);
  }

 private:
  std::optional<std::size_t> choose(std::string_view key,
                                    std::span<const std::string_view> choices) {
    const node* value = root_.get(key);
    return value != nullptr ? read_choice(*value, key, choices, findings_) : std::nullopt;
  }

  void read_extensions() {
    const node* list = root_.get("extensions");
    if (list == nullptr)
      return;
    for (const text_at& item : read_list(*list, "extensions", findings_))
      if (is_extension_id(item.text))
        out_.value.extensions.push_back(item.text);
      else
        findings_.error(
            item.at, "\"extensions\" " + quote(shorten(item.text)) + ": not the id of an extension",
            "a prefix and a name, as in \"com.example/name\"");
  }

  void read_vmcps() {
    const node* all = object("vmcps", "an object of virtual MCPs by their ids");
    if (all == nullptr)
      return;
    for (const member& entry : all->members) {
      if (!entry.value.is(node_kind::object)) {
        findings_.wrong_kind(entry.value, "a virtual MCP, an object", entry.key);
        continue;
      }
      auto made =
          std::make_shared<const vmcp_definition>(read_vmcp(entry.value, entry.key, findings_));
      check_port(*made, entry.value);
      out_.value.vmcps.push_back(std::move(made));
    }
  }

  /// A port that is somebody else's could never be opened.
  void check_port(const vmcp_definition& one, const node& written) {
    const node* at = written.get("port");
    if (at == nullptr || one.port.value_or(0) == 0)
      return;
    std::string holder;
    if (out_.value.listen.ends_with(':' + std::to_string(*one.port)))
      holder = "the gateway's own";
    for (const auto& other : out_.value.vmcps)
      if (other->port == one.port)
        holder = "that of " + quote(other->id);
    if (!holder.empty())
      findings_.error(at->at,
                      "port " + std::to_string(*one.port) + " of virtual MCP " + quote(one.id) +
                          " is " + holder,
                      "\"auto\" takes one that is free");
  }

  void read_vmcp_ports() {
    const node* given = root_.get("vmcpPorts");
    const auto text = given != nullptr ? read_string(*given, "vmcpPorts", findings_) : std::nullopt;
    if (!text)
      return;
    if (const auto range = parse_port_range(text->text))
      out_.value.vmcp_ports = *range;
    else
      findings_.error(text->at, "\"vmcpPorts\" " + quote(shorten(text->text)) + " is no range",
                      "two numbers from 1 to 65535, the lower one first: \"9100-9199\"");
  }

  void read_management() {
    const node* section = object("management", "an object with mcp");
    if (section == nullptr)
      return;
    for (const member& entry : section->members)
      if (entry.key == "mcp")
        out_.value.surface.manages_vmcps =
            read_boolean(entry.value, "mcp", findings_).value_or(false);
      else
        findings_.unknown_key(entry.at, entry.key, "\"management\"", management_keys);
  }

  void read_listen() {
    const node* listen = root_.get("listen");
    if (listen == nullptr)
      return;
    const auto address = read_string(*listen, "listen", findings_);
    if (!address)
      return;
    if (auto problem = listen_problem(address->text, out_.value.insecure_listen)) {
      findings_.error(address->at,
                      "\"listen\" " + quote(shorten(address->text)) + ": " + problem->message,
                      problem->hint);
      return;
    }
    out_.value.listen = address->text;
  }

  /// An object of the top level, nothing when it is missing or no object.
  const node* object(std::string_view key, std::string_view expected) {
    const node* value = root_.get(key);
    if (value == nullptr || value->is(node_kind::object))
      return value;
    findings_.wrong_kind(*value, expected, key);
    return nullptr;
  }

  void read_log() {
    const node* log = object("log", "an object with level and format");
    if (log == nullptr)
      return;
    for (const member& entry : log->members) {
      if (entry.key == "level") {
        if (const auto choice = read_choice(entry.value, "level", level_names, findings_)) {
          out_.value.log_level = static_cast<log::level>(*choice);
        }
      } else if (entry.key == "format") {
        if (const auto choice = read_choice(entry.value, "format", format_names, findings_)) {
          out_.value.log_format = static_cast<log::format>(*choice);
        }
      } else {
        findings_.unknown_key(entry.at, entry.key, "\"log\"", log_keys());
      }
    }
  }

  void read_limits() {
    const node* limits = object("limits", "an object of limits");
    if (limits == nullptr)
      return;
    for (const member& entry : limits->members) {
      const auto keys = limit_keys();
      const auto known = std::ranges::find(keys, std::string_view(entry.key), &limit_key::name);
      if (known == keys.end()) {
        findings_.unknown_key(entry.at, entry.key, "\"limits\"", limit_key_names());
        continue;
      }
      std::visit([&](const auto& bound) { read_limit(entry, bound); }, known->bound);
    }
  }

  void read_limit(const member& entry, const size_limit& bound) {
    const auto read = bound.unit == limit_unit::bytes ? read_bytes : read_count;
    if (const auto size = read(entry.value, entry.key, bound.min, bound.max, findings_)) {
      out_.value.limits.*bound.value = *size;
    }
  }

  void read_limit(const member& entry, const time_limit& bound) {
    const auto time = read_time(entry.value, entry.key, milliseconds{1}, findings_);
    if (!time)
      return;
    if (bounded_time(*time, entry.value.at, entry.key, bound.min, bound.max, findings_)) {
      out_.value.limits.*bound.value = *time;
    }
  }

  std::vector<std::string> addresses(std::string_view key,
                                     std::optional<problem> (*check)(std::string_view)) {
    std::vector<std::string> out;
    const node* list = root_.get(key);
    if (list == nullptr)
      return out;
    for (const text_at& item : read_list(*list, key, findings_)) {
      if (auto problem = check(item.text)) {
        findings_.error(item.at,
                        quote(key) + " " + quote(shorten(item.text)) + ": " + problem->message,
                        problem->hint);
      } else {
        out.push_back(to_lower(item.text));
      }
    }
    return out;
  }

  const node& root_;
  findings& findings_;
  gateway_section out_;
};

void report_unknown(const node& root, findings& out) {
  std::vector<std::string_view> known(root_keys().begin(), root_keys().end());
  for (const member& entry : root.members) {
    const auto is_entry = [&](std::string_view key) { return key == entry.key; };
    if (std::ranges::any_of(root_keys(), is_entry) ||
        std::ranges::any_of(container_keys(), is_entry) || entry.key.starts_with('_') ||
        entry.key.starts_with("//")) {
      continue;
    }
    out.unknown_key(entry.at, entry.key, "the configuration", known);
  }
}

} // namespace

tool_surface read_surface(const node& holder, findings& out) {
  tool_surface value;
  const auto choose = [&](std::string_view key, std::span<const std::string_view> choices) {
    const node* given = holder.get(key);
    return given != nullptr ? read_choice(*given, key, choices, out) : std::nullopt;
  };
  const auto texts = [&](std::string_view key) {
    std::vector<std::string> list;
    if (const node* given = holder.get(key))
      for (const text_at& item : read_list(*given, key, out))
        list.push_back(item.text);
    return list;
  };
  if (const auto choice = choose("exposure", exposure_names))
    value.mode = static_cast<exposure_mode>(*choice);
  if (const auto choice = choose("schemaProof", proof_names))
    value.proof = static_cast<schema_proof>(*choice);
  if (const auto choice = choose("checkArguments", check_names))
    value.check = static_cast<argument_check>(*choice);
  if (const node* most = holder.get("exposureThreshold"))
    value.threshold =
        read_count(*most, "exposureThreshold", 0, nexus::limits::tunable_count_max, out)
            .value_or(value.threshold);
  value.pinned = texts("pinnedTools");
  value.hints = texts("hints");
  return value;
}

gateway_section read_gateway(const node& root, unknown_keys unknown, findings& out) {
  if (unknown == unknown_keys::report)
    report_unknown(root, out);
  return section_reader(root, out).run();
}

} // namespace nexus::config::detail

namespace nexus::config {

std::optional<exposure_mode> parse_exposure(std::string_view name) {
  const auto found = std::ranges::find(detail::exposure_names, name);
  if (found == std::end(detail::exposure_names))
    return std::nullopt;
  return static_cast<exposure_mode>(found - std::begin(detail::exposure_names));
}

} // namespace nexus::config
