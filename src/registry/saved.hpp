#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "catalog/server_catalogue.hpp"
#include "config/config.hpp"
#include "store/database.hpp"
#include "json/scan.hpp"

/// A server's catalogue as it is stored.
namespace nexus::registry {

/// Differs when a server is reached otherwise, or other tools of it are wanted. Its secrets are in
/// it, hashed.
[[nodiscard]] std::string settings_fingerprint(const config::server& of);

[[nodiscard]] store::saved_catalogue to_saved(std::string_view server, std::string_view settings,
                                              const catalog::server_catalogue& from,
                                              store::wall_ms now);

/// What to_saved() was given. The file is not trusted: every list is validated as if a server told
/// it. @errors json::errc::malformed and the like
[[nodiscard]] result<std::shared_ptr<const catalog::server_catalogue>>
from_saved(const store::saved_catalogue& saved, json::scanner& scanner);

/// The catalogue without some entries. Lists that lose none are shared with it.
/// @param names by list_kind
[[nodiscard]] std::shared_ptr<const catalog::server_catalogue>
without(const catalog::server_catalogue& from,
        const std::array<std::vector<std::string>, catalog::list_kinds.size()>& names,
        json::scanner& scanner);

} // namespace nexus::registry
