#pragma once

#include <string>
#include <string_view>

#include "seal/digest.hpp"
#include "json/scan.hpp"

/// What is known of the tools of all servers: whether they changed, which are the same.
namespace nexus::registry {

/// The SHA-256 of a definition's canonical form, all of its members included: the order of members,
/// white space and escapes make no difference, everything else does. Of more than
/// limits::pinned_definition_bytes_max the text itself is hashed. @pre `definition` is validated
[[nodiscard]] seal::digest definition_digest(std::string_view definition);

/// Tools with equal ones are the same to a model, whatever their names: description and input
/// schema. The name counts where there is no description, as many tools take no arguments.
/// @pre `definition` is a validated object
[[nodiscard]] seal::digest tool_digest(json::slice definition);

/// What the difference between two definitions is, for people: a JSON object
/// `{"differences":[{"path","before","after"}...],"more":N}`. A path is a JSON Pointer (RFC 6901),
/// values are JSON texts that are cut at limits::pin_shown_bytes; a member that is new has no
/// "before". "more" counts those beyond limits::pin_differences_max. Either text may be empty, when
/// it was too large to be kept: then the difference is one of the whole. @pre both are validated
[[nodiscard]] std::string describe_difference(std::string_view before, std::string_view after);

} // namespace nexus::registry
