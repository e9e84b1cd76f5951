#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/result.hpp"

/// What must survive a restart, in one SQLite file. It knows texts, not their meaning.
namespace nexus::store {

enum class errc {
  unavailable = 1, ///< folder or file cannot be made, opened or written
  in_use,          ///< damaged, and open in another process: it cannot be set aside
  too_new,         ///< written by a later version of this program; it is left as it is
  stale,           ///< another generation is there than the caller knows
  too_large,       ///< beyond limits::stored_value_bytes_max
  failed,          ///< SQLite reports an error: disk full, file damaged meanwhile, locked too long
};
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// Milliseconds since 1970, as in every column of time.
using wall_ms = std::int64_t;

/// What a server told of itself when it was listed last.
struct saved_catalogue {
  std::string server;
  std::string settings;             ///< a fingerprint of what the configuration says of it
  std::array<std::string, 4> lists; ///< JSON arrays of definitions, by catalog::list_kind
  std::string facts;                ///< JSON object: offers, hints and the like
  std::string instructions;
  wall_ms saved_at = 0;
};

/// A definition that was accepted.
struct pin {
  std::string server, kind, name;
  std::string sha256;     ///< of the canonical definition, in hexadecimal digits
  std::string definition; ///< to tell what changed; empty when it is too large to be kept
  /// The one that the server tells instead, and that waits to be accepted; empty: none.
  std::string held_sha256, held_definition;
  wall_ms first_seen = 0;
  wall_ms changed_at = 0; ///< 0: never
  wall_ms gone_at = 0;    ///< no longer listed since; 0: it is
};

/// A definition that was other than its pin. The rows are numbered upwards in the order of time.
struct change {
  std::int64_t number = 0;
  std::string server, kind, name;
  std::string before, after; ///< digests
  std::string summary;       ///< JSON: what differs
  wall_ms at = 0;
};

/// A virtual MCP that was made by the API.
struct saved_vmcp {
  std::string id;
  std::uint64_t generation = 0; ///< 1 at first, one more with each change
  std::string definition;       ///< JSON
  wall_ms created_at = 0, updated_at = 0;
  std::uint16_t port = 0; ///< of its own, that it had last; 0: none
};

/// What is to be written about one server's pins, together.
struct pin_update {
  std::vector<pin> put;
  std::vector<change> changes; ///< `number` is given by the database
};

/// An open file. Every write is one transaction, on the disk when the function returns.
/// @thread one at a time, and none that serves clients: every call may wait for the disk, and up to
/// limits::store_busy_timeout for another process
class database {
 public:
  /// Opens or makes the file (0600) and its folder (0700). A file that is damaged, or no database
  /// of this program, is renamed to `<name>.damaged-<time>` with a line in the log, and an empty
  /// one takes its place.
  /// @errors unavailable, in_use, too_new, failed
  [[nodiscard]] static result<database> open(const std::filesystem::path& file, wall_ms now);
  /// One that ends with the process.
  [[nodiscard]] static result<database> in_memory();
  ~database();
  database(database&&) noexcept;
  database& operator=(database&&) noexcept;

  // ---- Catalogues. One per server --------------------------------------------------------------
  /// Those of limits::stored_servers_max servers are kept, the newest; the others' pins are
  /// forgotten with them. @errors too_large, failed
  [[nodiscard]] result<> put_catalogue(const saved_catalogue& from);
  [[nodiscard]] result<std::vector<saved_catalogue>> catalogues();

  // ---- Pins ------------------------------------------------------------------------------------
  [[nodiscard]] result<std::vector<pin>> pins_of(std::string_view server);
  /// Those of all servers by server, kind and name, without definitions.
  [[nodiscard]] result<std::vector<pin>> pins();
  /// The history keeps the newest limits::pin_changes_max changes, and the pins of a server the
  /// newest limits::gone_pins_per_server_max of what is gone.
  [[nodiscard]] result<> update_pins(std::string_view server, const pin_update& what);
  /// What a server tells instead of its pins takes their place. @param name one of its items; empty
  /// for all @returns how many pins changed
  [[nodiscard]] result<std::size_t> accept_pins(std::string_view server, std::string_view name,
                                                wall_ms now);
  /// The newest first.
  [[nodiscard]] result<std::vector<change>> changes(std::size_t at_most);

  // ---- Virtual MCPs ----------------------------------------------------------------------------
  /// @param expected the generation that the caller knows; 0: there must be none of this id yet
  /// @returns the generation that is there now
  /// @errors stale (the message names the generation that is there), too_large, failed
  [[nodiscard]] result<std::uint64_t> put_vmcp(std::string_view id, std::string_view definition,
                                               std::uint64_t expected, wall_ms now,
                                               std::uint16_t port = 0);
  [[nodiscard]] result<std::vector<saved_vmcp>> vmcps();
  /// @returns false when there is none
  [[nodiscard]] result<bool> remove_vmcp(std::string_view id);

 private:
  struct impl;
  explicit database(std::unique_ptr<impl> opened);
  std::unique_ptr<impl> impl_;
};

} // namespace nexus::store

template <>
struct std::is_error_code_enum<nexus::store::errc> : std::true_type {};
