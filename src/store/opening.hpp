#pragma once

#include <filesystem>
#include <utility>

#include "store/database.hpp"
#include "store/sqlite.hpp"

/// How a file becomes a database. Internal to this folder.
namespace nexus::store::detail {

/// Held as long as the file is open: shared by all processes that use it, by one alone while it
/// looks whether the file is sound. To rename a database that another process has open would let
/// that process's log end up beside the wrong file.
class file_lock {
 public:
  file_lock() = default;
  ~file_lock();
  file_lock(file_lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  file_lock& operator=(file_lock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  /// @errors unavailable
  [[nodiscard]] static result<file_lock> make(const std::filesystem::path& file);
  /// Nobody else has the file open.
  [[nodiscard]] bool alone() noexcept;
  /// Waits for whoever is alone with the file. @errors unavailable
  [[nodiscard]] result<> share();

 private:
  int descriptor_ = -1;
};

struct opened {
  file_lock lock; ///< released after the connection
  connection link;
};

/// @errors as database::open
[[nodiscard]] result<opened> open_file(const std::filesystem::path& file, wall_ms now);
/// @errors failed
[[nodiscard]] result<opened> open_memory();

} // namespace nexus::store::detail
