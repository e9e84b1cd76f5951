#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "catalog/server_catalogue.hpp"
#include "schema/schema.hpp"

namespace nexus::engine {

/// Whether arguments fit a tool's input schema, before its server hears of them. Keeps what it has
/// compiled. @thread its worker
class argument_checker {
 public:
  /// @pre `tool` is of `list`, and lives until the next forget()
  /// @returns null for a schema that says nothing to be relied upon
  [[nodiscard]] const schema::compiled* schema_of(const catalog::item_list& list,
                                                  const catalog::item& tool);
  /// The catalogue was replaced.
  void forget() noexcept { compiled_.clear(); }

 private:
  std::unordered_map<const catalog::item*, std::shared_ptr<const schema::compiled>> compiled_;
};

/// What names a schema: equal for equal schemas, on every replica, after every restart.
[[nodiscard]] std::string schema_version(json::slice schema);

} // namespace nexus::engine
