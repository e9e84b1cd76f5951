#include "gateway/probe.hpp"

#include <vector>

#include "mcp/error_table.hpp"

namespace nexus::gateway {
namespace {

/// Reads an array of version strings under a key of an object.
class versions_visitor final : public json::visitor {
 public:
  explicit versions_visitor(std::string_view key) : key_(key) {}
  json::slice list;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& found) override {
    if (found.key == key_)
      list = found.value;
  }

 private:
  std::string_view key_;
};

class version_collector final : public json::element_sink {
 public:
  bool any = false, modern = false, legacy = false;
  bool on_element(std::size_t, json::slice value) override {
    if (!value.is(json::kind::string))
      return true;
    any = true;
    const auto known = mcp::parse_revision(json::unquote(value));
    if (!known)
      return true;
    (mcp::era_of(*known) == mcp::era::modern ? modern : legacy) = true;
    return true;
  }
};

/// What the list under `key` of `object` holds; nothing when there is no such array.
version_collector versions_in(json::slice object, std::string_view key, json::scanner& scanner) {
  version_collector found;
  if (!object.is(json::kind::object))
    return found;
  versions_visitor members(key);
  if (!scanner.scan_object(object.raw, members) || !members.list.is(json::kind::array))
    return found;
  static_cast<void>(scanner.scan_array(members.list.raw, found));
  return found;
}

} // namespace

verdict judge_probe(const mcp::message& response, json::scanner& scanner, bool retried) {
  if (response.kind == mcp::message_kind::response) {
    const auto offered = versions_in(response.result.whole, "supportedVersions", scanner);
    return offered.modern ? verdict::modern : verdict::legacy;
  }
  const auto code = json::to_int64(response.error[mcp::error_key::code]);
  if (!code || *code != mcp::json_rpc_code(mcp::errc::unsupported_version))
    return verdict::legacy;
  const auto offered = versions_in(response.error[mcp::error_key::data], "supported", scanner);
  if (offered.modern)
    return retried ? verdict::unusable : verdict::retry_modern;
  if (offered.legacy || !offered.any)
    return verdict::legacy;
  return verdict::unusable;
}

} // namespace nexus::gateway
