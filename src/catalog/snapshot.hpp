#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "catalog/list_view.hpp"
#include "catalog/server_catalogue.hpp"
#include "catalog/uri_template.hpp"
#include "config/config.hpp"

/// A generation of the merged catalogue: immutable, shared by all workers, replaced as a whole.
namespace nexus::catalog {

enum class naming : std::uint8_t { prefixed, bare };

/// Names, as the server has them.
using hidden_tools = std::set<std::string, std::less<>>;

/// Tools that several servers have, by the name of the one that is shown.
using merged_tools = std::map<std::string, merged_tool_ptr, std::less<>>;

/// One server's part in a generation.
struct server_part {
  std::uint32_t slot = 0; ///< the server's place in every per-server table of the process
  std::string name;
  std::shared_ptr<const server_catalogue> catalogue; ///< null until it has been listed once
  bool available = false; ///< false: the lists are those of the last listing, calls fail
  bool unusable = false;  ///< never listed, and never will be with this configuration
  /// Tools that stand at the server's own address only; null: none.
  std::shared_ptr<const hidden_tools> hidden = nullptr;
  /// Of its tools those whose calls may go to other servers too, at the address of all servers;
  /// null: none.
  std::shared_ptr<const merged_tools> merged = nullptr;
  double latency_ms = 0; ///< of its calls of late, on average; 0: not known
  std::shared_ptr<const config::server_tags> tags = nullptr; ///< null: none
};

/// What one address shows: all servers, or one.
class exposure {
 public:
  [[nodiscard]] const list_view& list(list_kind kind) const noexcept {
    return *lists_[index_of(kind)];
  }
  /// The tools of servers that can be called here: those of list(), or more where the meta-tools
  /// are shown.
  [[nodiscard]] const list_view& reachable() const noexcept {
    return reachable_ ? *reachable_ : list(list_kind::tools);
  }
  [[nodiscard]] const config::tool_surface& surface() const noexcept { return surface_; }
  /// Of a virtual MCP: whether it has anything of a server. True for any other exposure.
  [[nodiscard]] bool leads_to(std::uint32_t slot) const noexcept;
  /// What works here. A server that is not known yet counts as offering everything: a client asks
  /// once, before servers have started, and would never learn of what they bring.
  [[nodiscard]] const offered& offers() const noexcept { return offers_; }
  /// `offers` as the JSON object that clients get.
  [[nodiscard]] const std::string& capabilities() const noexcept { return capabilities_; }
  /// The same for modern clients, with the tasks extension.
  [[nodiscard]] const std::string& modern_capabilities() const noexcept {
    return modern_capabilities_;
  }
  /// How to use the servers, for models: of one server as it wrote it, of all under their names.
  [[nodiscard]] const std::string& instructions() const noexcept { return instructions_; }
  /// As list_view::hints, for what is not a list.
  [[nodiscard]] const std::string& hints() const noexcept { return hints_; }
  /// Changes with any list of the family.
  [[nodiscard]] std::uint64_t fingerprint(family of) const noexcept;
  /// What it keeps in memory, about.
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  friend class snapshot;
  friend class view_builder;
  friend class virtual_view_builder;
  /// Shows of its tools what `surface` says.
  void cover(const config::tool_surface& surface, const std::vector<server_part>& parts);

  std::array<std::shared_ptr<const list_view>, list_kinds.size()> lists_;
  std::shared_ptr<const list_view> reachable_; ///< null: lists_ has all
  config::tool_surface surface_;
  std::vector<std::uint32_t> slots_;  ///< of a virtual MCP, in order
  std::shared_ptr<const void> owner_; ///< of what the lists refer to, when no snapshot is
  offered offers_;
  std::string capabilities_, modern_capabilities_, instructions_, hints_;
};

class snapshot {
 public:
  /// Merges the parts in their order. Lists whose parts are those of `before` are shared with it.
  /// @cost copies every definition of a list that changed, twice
  snapshot(std::uint64_t generation, naming mode, std::vector<server_part> parts,
           const snapshot* before = nullptr, const config::tool_surface& surface = {},
           std::shared_ptr<const config::duplicate_rules> duplicates = nullptr);
  snapshot(const snapshot&) = delete; // views refer to what it owns
  snapshot& operator=(const snapshot&) = delete;

  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] naming mode() const noexcept { return mode_; }
  [[nodiscard]] const exposure& everything() const noexcept { return everything_; }
  /// What the address of one server shows, names untouched; null when no such server is configured.
  [[nodiscard]] const exposure* of_server(std::uint32_t slot) const noexcept;
  /// What all servers list, whatever of it is shown.
  [[nodiscard]] const list_view& all(list_kind kind = list_kind::tools) const noexcept {
    return *merged(kind);
  }

  /// What was to be done about duplicates; null: nothing.
  [[nodiscard]] const std::shared_ptr<const config::duplicate_rules>& duplicates() const noexcept {
    return duplicates_;
  }
  /// Tools of all servers, those that are hidden included.
  [[nodiscard]] std::size_t tools_count() const noexcept;
  /// A configured server; null when there is none.
  [[nodiscard]] const server_part* server(std::string_view name) const noexcept;
  [[nodiscard]] const server_part* part(std::uint32_t slot) const noexcept;
  [[nodiscard]] const std::vector<server_part>& servers() const noexcept { return parts_; }

  /// The server that has a resource: whoever lists it, or has a tool that names it as its
  /// interface, or has the most specific template for it; the first in order.
  [[nodiscard]] std::optional<std::uint32_t> owner_of(std::string_view uri) const;
  /// The only server that has resources at all, if there is just one and all are known.
  [[nodiscard]] std::optional<std::uint32_t> only_resource_server() const noexcept;
  /// Its capabilities, as far as they are known.
  [[nodiscard]] static const offered& offers_of(const server_part& part) noexcept;

  /// What this generation hides and the one before did not, for the log.
  [[nodiscard]] const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  [[nodiscard]] const std::shared_ptr<const list_view>& merged(list_kind kind) const noexcept {
    return kind == list_kind::tools && everything_.reachable_ ? everything_.reachable_
                                                              : everything_.lists_[index_of(kind)];
  }
  void merge_list(list_kind kind, const snapshot* before);
  void merge_templates();
  void expose_one(const server_part& part, const snapshot* before);
  void expose_all();
  [[nodiscard]] bool same_parts(list_kind kind, const snapshot& before) const noexcept;

  std::uint64_t generation_;
  naming mode_;
  std::vector<server_part> parts_;
  std::shared_ptr<const config::duplicate_rules> duplicates_;
  exposure everything_;
  std::unordered_map<std::uint32_t, exposure> by_server_;
  std::unordered_map<std::string_view, std::uint32_t> part_by_name_;
  std::unordered_map<std::uint32_t, std::uint32_t> part_by_slot_;
  std::unordered_map<std::string_view, std::uint32_t> interface_owners_; ///< slots by URI
  std::shared_ptr<const template_table> templates_;                      ///< of everything_'s list
  std::vector<std::string> problems_;
};

} // namespace nexus::catalog
