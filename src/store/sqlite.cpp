#include "store/sqlite.hpp"

#include "store/database.hpp"

namespace nexus::store::detail {

std::unexpected<error> failure(sqlite3* on) {
  return fail(errc::failed, "the state could not be read or written",
              on == nullptr ? "out of memory" : sqlite3_errmsg(on));
}

bool is_damage(int code) noexcept {
  return (code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB;
}

query::query(sqlite3* on, std::string_view sql) : on_(on) {
  sqlite3_stmt* made = nullptr;
  code_ = sqlite3_prepare_v2(on, sql.data(), static_cast<int>(sql.size()), &made, nullptr);
  statement_.reset(made);
}

query& query::bind(std::string_view text) {
  // A null pointer would be NULL, which is no text.
  const char* const data = text.data() == nullptr ? "" : text.data();
  if (code_ == SQLITE_OK)
    code_ = sqlite3_bind_text64(statement_.get(), ++parameter_, data, text.size(), SQLITE_STATIC,
                                SQLITE_UTF8);
  return *this;
}

query& query::bind(std::int64_t number) {
  if (code_ == SQLITE_OK)
    code_ = sqlite3_bind_int64(statement_.get(), ++parameter_, number);
  return *this;
}

bool query::next() {
  if (code_ != SQLITE_OK && code_ != SQLITE_ROW)
    return false;
  code_ = sqlite3_step(statement_.get());
  return code_ == SQLITE_ROW;
}

std::string query::text(int column) const {
  const auto* const data = sqlite3_column_text(statement_.get(), column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return data == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(data), size);
}

std::int64_t query::number(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

result<> query::outcome() const {
  if (code_ == SQLITE_DONE || code_ == SQLITE_OK || code_ == SQLITE_ROW)
    return {};
  return failure(on_);
}

result<> query::run() {
  while (next()) {
  }
  auto done = outcome();
  if (statement_ != nullptr) {
    sqlite3_reset(statement_.get());
    parameter_ = 0;
    if (done)
      code_ = SQLITE_OK;
  }
  return done;
}

int execute(sqlite3* on, const char* sql) noexcept {
  return sqlite3_exec(on, sql, nullptr, nullptr, nullptr);
}

transaction::transaction(sqlite3* on) : on_(on), code_(execute(on, "BEGIN IMMEDIATE")) {
  open_ = code_ == SQLITE_OK;
}

transaction::~transaction() {
  if (open_)
    (void)execute(on_, "ROLLBACK");
}

result<> transaction::begun() const {
  if (!open_)
    return failure(on_);
  return {};
}

result<> transaction::commit() {
  if (execute(on_, "COMMIT") != SQLITE_OK)
    return failure(on_);
  open_ = false;
  return {};
}

} // namespace nexus::store::detail
