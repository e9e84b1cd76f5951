#pragma once

#include <string_view>

namespace nexus::engine {

/// docs/openapi.json, which describes everything under /api/v1.
[[nodiscard]] std::string_view openapi_document() noexcept;

} // namespace nexus::engine
