#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "json/scan.hpp"

/// What a client can do for a server in the middle of a call.
namespace nexus::gateway {

/// The extension whose results stand for calls that are still under way.
inline constexpr std::string_view tasks_extension = "io.modelcontextprotocol/tasks";
/// The ClientCapabilities of who knows nothing else.
inline constexpr std::string_view tasks_capabilities =
    R"({"extensions":{"io.modelcontextprotocol/tasks":{}}})";

/// What a server may ask the client for. roots/list needs no argument.
enum class question_kind : std::uint8_t { sampling, elicitation, roots };

/// The kind that a method names. @returns false for any other method
[[nodiscard]] bool parse_question(std::string_view method, question_kind& kind) noexcept;
[[nodiscard]] std::string_view method_of(question_kind kind) noexcept;

/// The extensions whose declarations pass between clients and servers: MCP Apps, which add
/// metadata, resources and tools only, and whatever the configuration names.
class extension_list {
 public:
  /// @param configured identifiers beside those that are known here
  explicit extension_list(const std::vector<std::string>& configured = {});

  [[nodiscard]] bool passes(std::string_view id) const noexcept;
  /// Whether only the configuration knows it, so that it may bring results of any type.
  [[nodiscard]] bool is_foreign(std::string_view id) const noexcept;
  /// The ClientCapabilities of the gateway itself: everything that it can carry for some client.
  [[nodiscard]] const std::string& own_capabilities() const noexcept { return own_capabilities_; }

 private:
  std::vector<std::string> foreign_; ///< sorted
  std::string own_capabilities_;
};

/// A client's capabilities as far as they concern servers. Extensions are passed on by name only
/// when what they add travels through untouched.
struct client_capabilities {
  bool sampling = false, sampling_tools = false, sampling_context = false;
  bool elicitation_form = false, elicitation_url = false;
  bool roots = false;
  bool tasks = false;     ///< the extension, which modern servers alone can be told of
  bool foreign = false;   ///< `extensions` has some that only the configuration knows
  std::string extensions; ///< members of the `extensions` object, comma-separated, as they came

  /// The ClientCapabilities object of either era.
  [[nodiscard]] std::string to_json() const;
};

/// Reads a ClientCapabilities object; members of the wrong type count as absent.
/// @pre json::padding_bytes follow `text`
[[nodiscard]] client_capabilities read_client_capabilities(std::string_view text,
                                                           json::scanner& scanner,
                                                           const extension_list& extensions);

/// Whether a client can be asked this.
/// @param params of the request, an object or empty; json::padding_bytes follow it
/// @param missing receives the `requiredCapabilities` object when it cannot
[[nodiscard]] bool can_answer(const client_capabilities& client, question_kind kind,
                              std::string_view params, json::scanner& scanner,
                              std::string& missing);

} // namespace nexus::gateway
