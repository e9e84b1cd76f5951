#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Defence against DNS rebinding: which Host and Origin values a request may carry.
namespace nexus::gateway {

class host_check {
 public:
  /// Loopback names are always admitted, with any port, and so is the host that is listened on.
  /// `hosts` are further host names without port; `origins` are full origins
  /// (`https://app.example`).
  host_check(std::string_view listen_host, std::vector<std::string> hosts,
             std::vector<std::string> origins);

  /// @returns true when a request with these headers may be served. No Origin is fine: only
  /// browsers send one.
  [[nodiscard]] bool admits(std::string_view host,
                            std::optional<std::string_view> origin) const noexcept;

 private:
  [[nodiscard]] bool host_known(std::string_view host_and_port) const noexcept;

  std::vector<std::string> hosts_;
  std::vector<std::string> origins_;
};

} // namespace nexus::gateway
