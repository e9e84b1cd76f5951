#include <algorithm>

#include "base/text.hpp"
#include "config/address.hpp"
#include "config/draft_reader.hpp"

namespace nexus::config::detail {

void draft_reader::read_headers(const member& entry, header_source source) {
  const node& value = entry.value;
  if (dialect_ == server_dialect::codex && entry.key == "headers") {
    findings_.warning(entry.at, "Codex does not read \"headers\", and so it is not sent",
                      "use \"http_headers\"");
    draft_.notes.push_back("dropped \"headers\": Codex does not read it");
    return;
  }
  if (!value.is(node_kind::object)) {
    findings_.wrong_kind(value, "an object of header names and values", entry.key);
    return;
  }
  for (const member& header : value.members) {
    if (!check_header_name(header) || header.value.is(node_kind::null))
      continue;
    auto text = read_scalar(header.value, header.key, findings_);
    if (!text)
      continue;
    if (source == header_source::values)
      add_header(header, as_written(std::move(*text)));
    else if (is_variable(*text))
      add_header(header, {"${" + text->text + ":-}", text->at});
  }
}

bool draft_reader::check_header_name(const member& header) {
  if (!is_header_name(header.key)) {
    findings_.error(header.at, quote(shorten(header.key)) + " is no name of a header");
    return false;
  }
  if (is_reserved_header(header.key)) {
    findings_.warning(header.at, "header " + quote(header.key) + " is left out",
                      "the gateway writes it itself");
    draft_.notes.push_back("dropped header " + quote(header.key) +
                           ": the gateway writes it itself");
    return false;
  }
  return true;
}

void draft_reader::add_header(const member& header, text_at value) {
  const bool twice =
      std::any_of(draft_.headers.begin(), draft_.headers.end(),
                  [&](const auto& other) { return iequals(other.first, header.key); });
  if (twice) {
    findings_.error(header.at, "header " + quote(header.key) + " is given twice",
                    "names of headers are the same in either case");
    return;
  }
  draft_.headers.emplace_back(header.key, std::move(value));
}

bool draft_reader::is_variable(const text_at& name) {
  const bool good = !name.text.empty() && !(name.text.front() >= '0' && name.text.front() <= '9') &&
                    std::all_of(name.text.begin(), name.text.end(), [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                             (c >= 'A' && c <= 'Z') || c == '_';
                    });
  // The text may be a secret put in the wrong place: it is not repeated.
  if (!good) {
    findings_.error(name.at, "expected the name of an environment variable",
                    "the value itself goes into \"headers\"");
  }
  return good;
}

void draft_reader::read_bearer(const node& value, std::string_view key) {
  const auto name = read_string(value, key, findings_);
  if (!name || !is_variable(*name))
    return;
  const member header{"Authorization", value.at, value};
  add_header(header, {"Bearer ${" + name->text + "}", name->at});
}

void draft_reader::read_tls(const node& value) {
  if (!value.is(node_kind::object)) {
    findings_.wrong_kind(value, "an object with verify, ca, cert and key", "tls");
    return;
  }
  for (const member& entry : value.members) {
    if (entry.key == "verify") {
      draft_.tls_verify = read_boolean(entry.value, entry.key, findings_).value_or(true);
    } else if (entry.key == "ca") {
      draft_.tls_ca = text(entry.value, entry.key);
    } else if (entry.key == "cert") {
      draft_.tls_certificate = text(entry.value, entry.key);
    } else if (entry.key == "key") {
      draft_.tls_key = text(entry.value, entry.key);
    } else {
      findings_.unknown_key(entry.at, entry.key, "\"tls\"", tls_keys());
    }
  }
  if (draft_.tls_certificate.has_value() != draft_.tls_key.has_value()) {
    findings_.error(value.at, "\"cert\" and \"key\" of \"tls\" go together");
  }
}

void draft_reader::finish_remote(const node& object) {
  if (!draft_.url) {
    missing(object, "url", true);
    return;
  }
  if (has_command_ && !type_) {
    findings_.warning(draft_.at,
                      "server " + quote(shorten(draft_.name)) +
                          " has a URL and a command; the URL is used",
                      "\"type\": \"stdio\" chooses the command");
  }
}

} // namespace nexus::config::detail
