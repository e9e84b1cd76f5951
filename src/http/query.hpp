#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nexus::http {

/// `%XX` as the bytes that they mean. Nothing for a text with a broken one.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// The parameters of a request target's query: `a=1&b=two+words`.
class query_parameters {
 public:
  /// @param query after the '?'; outlives the parameters
  explicit query_parameters(std::string_view query) noexcept : query_(query) {}
  /// The first one of that name, decoded; nothing when there is none or it is broken.
  [[nodiscard]] std::optional<std::string> find(std::string_view name) const;

 private:
  std::string_view query_;
};

} // namespace nexus::http
