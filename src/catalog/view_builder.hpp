#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "catalog/snapshot.hpp"

/// How lists are made. Internal to this folder.
namespace nexus::catalog {

inline constexpr cache_hints usual_hints{limits::list_ttl_default.count(), false};

/// What is offered, as the JSON object that clients get. @param modern with the tasks extension
[[nodiscard]] std::string capabilities_of(const offered& offers, bool modern = false);

/// Which tools of servers stand behind the meta-tools.
enum class covering : std::uint8_t { nothing, unpinned };

/// Builds one merged list under the names that clients of all servers see.
class view_builder {
 public:
  view_builder(list_kind kind, naming mode, const std::vector<server_part>& parts);

  [[nodiscard]] std::shared_ptr<const list_view> merged(std::vector<std::string>& problems);
  /// The gateway's own tools that `surface` wants, and those of `all` that it does not cover.
  [[nodiscard]] static std::shared_ptr<const list_view>
  covered(const list_view& all, covering what, const config::tool_surface& surface,
          const std::vector<server_part>& parts);
  /// The list of one server alone.
  [[nodiscard]] static std::shared_ptr<const list_view> own(const server_part& part,
                                                            list_kind kind);

 private:
  [[nodiscard]] bool by_uri() const noexcept { return family_of(kind_) == family::resources; }
  [[nodiscard]] bool is_hidden(const server_part& part, const item& entry) const {
    return kind_ == list_kind::tools && part.hidden && part.hidden->contains(entry.name);
  }
  void add_by_name(const server_part& part);
  /// True when `name` begins like those of a configured server whose name has at least `bytes_min`
  /// bytes: "a" with "b__c" and "a__b" with "c" would be called the same. The server with the
  /// longer name has it, connected or not, so that a name never comes to mean another tool.
  [[nodiscard]] bool reads_as_prefixed(std::string_view name, std::size_t bytes_min) const;
  /// Adds an entry, and where else its calls may go.
  static void add_entry(list_view& to, std::string name, const server_part& part, list_kind kind,
                        const item& entry);
  /// URIs stand in results too, where they cannot be rewritten safely, so they keep their form and
  /// the first server in order has them.
  void add_by_uri(const server_part& part, std::vector<std::string>& problems);

  const list_kind kind_;
  const naming mode_;
  const std::vector<server_part>& parts_;
  std::shared_ptr<list_view> view_;
  std::unordered_set<std::string_view> servers_; ///< names of all parts
  std::unordered_map<std::string, std::size_t> bare_uses_;
  std::unordered_set<std::string> taken_;
};

} // namespace nexus::catalog
