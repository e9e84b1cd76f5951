#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/target.hpp"
#include "bench/load/workload.hpp"

/// Requests as bytes, made before the run: a call costs a copy and ten digits.
namespace nexus::load {

/// Every call's id has this many digits.
inline constexpr std::size_t id_digits = 10;
inline constexpr std::uint64_t first_id = 1'000'000'000;
inline constexpr std::uint64_t last_id = 9'999'999'999;

/// The digits of an id, to compare and to insert.
class id_text {
 public:
  explicit id_text(std::uint64_t id) noexcept;
  [[nodiscard]] std::string_view view() const noexcept { return {digits_, id_digits}; }

 private:
  char digits_[id_digits];
};

/// Text with holes for the id.
class id_template {
 public:
  id_template() = default;
  /// `$ID` in `text` becomes a hole.
  explicit id_template(std::string_view text);

  /// Appends the text with this id.
  void append_to(std::string& out, const id_text& id) const;
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] bool holds_id() const noexcept { return !holes_.empty(); }

 private:
  std::string bytes_;
  std::vector<std::uint32_t> holes_;
};

/// `text` with `$N` and `$PAD` filled in; a name that goes on behind them is left alone.
[[nodiscard]] std::string expand(std::string_view text, int number, std::size_t pad_bytes);

/// One operation ready to be sent.
struct prepared_operation {
  std::size_t index = 0;             ///< in the workload
  double weight_up_to = 0;           ///< of this and those before it
  std::vector<id_template> variants; ///< each number and size
  std::size_t next = 0;
  id_template expect;
  std::string member;
};

/// All requests of a workload in one dialect. What differs between connections, the first lines of
/// an HTTP head, is put before it by the connection. @thread one
class request_set {
 public:
  /// `extra_fields` are whole header lines without their ends.
  request_set(const workload& work, const target& to, const std::vector<std::string>& extra_fields,
              std::uint32_t seed);

  /// The operation of the next call, by weight, and its variant.
  struct choice {
    const prepared_operation* what = nullptr;
    const id_template* bytes = nullptr;
  };
  [[nodiscard]] choice next();

 private:
  std::vector<prepared_operation> operations_;
  std::minstd_rand random_;
};

/// A JSON-RPC request; stateless revisions get their envelope in params.
[[nodiscard]] std::string request_body(const target& to, std::string_view id,
                                       std::string_view method, std::string_view params);
/// The params of initialize.
[[nodiscard]] std::string initialize_params(const target& to);

/// The rest of a POST behind request line, Host and session: fields, Content-Length and body.
[[nodiscard]] std::string post_rest(const target& to, const std::vector<std::string>& extra_fields,
                                    std::string_view method, std::string_view mcp_name,
                                    std::string_view body);

} // namespace nexus::load
