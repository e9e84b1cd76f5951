#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "json/scan.hpp"

/// JSON Schema for the arguments of tools: 2020-12, and draft-07 where `$schema` says so. Schemas
/// come from servers and arguments from models, so that everything is bounded and nothing is
/// fetched.
namespace nexus::schema {

/// One thing that is wrong with a value, in words that a model can act on.
struct violation {
  std::string path;     ///< JSON Pointer into the value; empty for the whole of it
  std::string expected; ///< what the schema wants there
  std::string found;    ///< what is there, cut to limits::schema_shown_bytes
};

struct verdict {
  enum class state : std::uint8_t {
    valid,
    invalid,
    undecided, ///< the schema costs more than limits::schema_work_max: it has not been checked
  };
  state what = state::valid;
  std::vector<violation> violations; ///< limits::schema_violations_max at most
};

/// A schema, taken apart once. Never changes; any thread may use it.
class compiled {
 public:
  /// Keywords with a wrong value, references that lead nowhere or out of the schema, and patterns
  /// that cannot be matched in linear time demand nothing, and are noted.
  /// @pre `schema` is validated JSON
  [[nodiscard]] static std::shared_ptr<const compiled> make(json::slice schema);
  ~compiled();
  compiled(const compiled&) = delete;
  compiled& operator=(const compiled&) = delete;

  /// @pre `value` is validated JSON
  /// @cost bounded by limits::schema_work_max steps
  [[nodiscard]] verdict check(json::slice value) const;

  /// A valid value with little more in it than the schema requires; nothing when none is found.
  [[nodiscard]] std::optional<std::string> example() const;

  /// What of the schema is not enforced, for the log.
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept;

  struct graph; ///< internal to this folder

 private:
  friend class compiler;
  explicit compiled(std::unique_ptr<const graph> made);
  std::unique_ptr<const graph> graph_;
};

} // namespace nexus::schema
