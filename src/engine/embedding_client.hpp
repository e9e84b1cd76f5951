#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "engine/http_pool.hpp"
#include "engine/http_target.hpp"
#include "search/embedding.hpp"
#include "json/scan.hpp"

namespace nexus::engine {

/// Asks a provider for embeddings, over connections of its own. For one thread.
class embedding_client {
 public:
  /// Gets an embedding for each text in order, or why there are none: std::errc::timed_out,
  /// std::errc::protocol_error for what is no such answer, or a failure of the connection.
  using receiver = std::function<void(result<std::vector<search::embedding>>)>;

  /// @param provider outlives it
  embedding_client(net::reactor& on, const config::embedding_provider& provider);
  ~embedding_client(); ///< calls nobody
  embedding_client(const embedding_client&) = delete;
  embedding_client& operator=(const embedding_client&) = delete;

  /// Calls `done` once, never within this call.
  void ask(std::span<const std::string> texts, milliseconds at_most, receiver done);

 private:
  class request;
  void end(request& of, result<std::vector<search::embedding>> with);
  [[nodiscard]] std::string request_text(std::span<const std::string> texts) const;
  [[nodiscard]] result<std::vector<search::embedding>> read(std::string_view body,
                                                            std::size_t texts_count);

  net::reactor& reactor_;
  const config::embedding_provider& provider_;
  json::scanner scanner_;
  std::string prefix_; ///< of a request, up to the value of Content-Length
  std::unique_ptr<http_pool> pool_;
  error unreachable_; ///< when there is no pool
  std::vector<std::unique_ptr<request>> open_, ended_;
  net::timer bury_;
};

} // namespace nexus::engine
