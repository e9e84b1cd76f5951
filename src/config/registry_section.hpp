#pragma once

#include <optional>

#include "config/interpolate.hpp"
#include "config/values.hpp"

/// The keys about what the gateway knows of all tools: which are the same, how they are found.
namespace nexus::config::detail {

/// Pins, duplicates and preferred servers of the top level; wrong ones keep their default.
void read_registry(const node& root, gateway& to, findings& out);

/// The provider under "embeddings". @returns nothing when there is none, or when a variable that it
/// needs is missing, with a warning: searches are answered all the same
[[nodiscard]] std::optional<embedding_provider>
resolve_embeddings(const node& root, const scope& within, findings& out);

} // namespace nexus::config::detail
