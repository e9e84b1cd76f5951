#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "base/result.hpp"

/// SQLite as far as this folder needs it. Internal to it.
namespace nexus::store::detail {

struct closer {
  void operator()(sqlite3* connection) const noexcept { sqlite3_close_v2(connection); }
};
using connection = std::unique_ptr<sqlite3, closer>;

/// Why the last call on `on` failed.
[[nodiscard]] std::unexpected<error> failure(sqlite3* on);
/// The file is no database, or a broken one.
[[nodiscard]] bool is_damage(int code) noexcept;

/// One statement: parameters are bound in their order, then rows are read or it is run. An error
/// stays until it is asked for.
class query {
 public:
  query(sqlite3* on, std::string_view sql);

  /// @lifetime the text must live until the statement was stepped for the last time
  query& bind(std::string_view text);
  query& bind(std::int64_t number);

  /// Goes to the next row. False at the end, and after an error.
  [[nodiscard]] bool next();
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;

  /// What reading all rows has come to.
  [[nodiscard]] result<> outcome() const;
  /// Runs a statement without rows, and makes it ready for other parameters.
  [[nodiscard]] result<> run();
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  struct finalizer {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  sqlite3* on_;
  std::unique_ptr<sqlite3_stmt, finalizer> statement_;
  int parameter_ = 0;
  int code_ = SQLITE_OK;
};

/// @returns SQLite's code
[[nodiscard]] int execute(sqlite3* on, const char* sql) noexcept;

/// All or nothing: what is not committed is undone.
class transaction {
 public:
  explicit transaction(sqlite3* on);
  ~transaction();
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;
  /// Whether it could be begun. @errors failed when another process writes for too long
  [[nodiscard]] result<> begun() const;
  [[nodiscard]] result<> commit();

 private:
  sqlite3* on_;
  int code_;
  bool open_ = false;
};

} // namespace nexus::store::detail
