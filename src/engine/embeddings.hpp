#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/embedding_client.hpp"
#include "seal/digest.hpp"

/// What is known of an embedding provider's opinions: those about tools, which are asked for in the
/// background, and those about queries, for which a search waits a little.
namespace nexus::engine {

class worker;

/// How long a provider that fails is left alone.
class patience {
 public:
  [[nodiscard]] bool over(time_point now) const noexcept { return now >= until_; }
  void failed(time_point now) noexcept;
  void succeeded() noexcept { *this = patience(); }
  [[nodiscard]] milliseconds wait() const noexcept { return delay_; }

 private:
  milliseconds delay_{0};
  time_point until_{};
};

/// One worker's embeddings of queries: those used last are kept.
class query_embeddings {
 public:
  /// @param provider outlives it
  query_embeddings(net::reactor& on, const config::embedding_provider& provider);

  [[nodiscard]] const config::embedding_provider& provider() const noexcept { return provider_; }
  /// Null when it is not known.
  [[nodiscard]] search::embedding_ptr find(std::string_view query);
  /// Calls `done` once, within the provider's deadline and never within this call; find() then
  /// knows the query, or problem() says why not. @returns false when the provider is not asked now
  [[nodiscard]] bool ask(std::string_view query, std::function<void()> done);
  /// Why the last query has no embedding.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  struct known_query {
    search::embedding_ptr is;
    std::uint64_t used = 0;
  };
  void keep(const std::string& query, search::embedding found);

  net::reactor& reactor_;
  const config::embedding_provider& provider_;
  embedding_client client_;
  std::unordered_map<std::string, known_query> known_;
  std::unordered_map<std::string, std::vector<std::function<void()>>> waiting_;
  std::uint64_t uses_ = 0;
  patience patience_;
  std::string problem_;
};

/// A tool to be embedded.
struct embedding_document {
  std::string id, text;
  seal::digest digest{}; ///< of the text
};
using embedding_documents = std::shared_ptr<const std::vector<embedding_document>>;

/// All tools' embeddings, made in the background on one worker and given to all. Texts that were
/// embedded before are not asked for again, as long as some tool has them.
class tool_embeddings {
 public:
  /// @param provider outlives it
  tool_embeddings(worker& owner, const config::embedding_provider& provider);
  /// From now on these are the tools. @param all lists of servers
  void want(std::vector<embedding_documents> all);

 private:
  struct batch {
    std::vector<std::string> texts;
    std::vector<seal::digest> digests;
  };
  /// What has no embedding yet, in order.
  [[nodiscard]] batch next_batch();
  void go_on();
  void take(const std::vector<seal::digest>& asked, std::vector<search::embedding> found);
  void fail_for_now(const error& why);
  void publish();

  worker& owner_;
  const config::embedding_provider& provider_;
  embedding_client client_;
  std::vector<embedding_documents> documents_;
  std::size_t list_ = 0, place_ = 0; ///< of the first document that was not looked at
  std::map<seal::digest, search::embedding_ptr> known_;
  std::size_t bytes_ = 0; ///< of `known_`
  std::size_t unpublished_ = 0;
  bool asking_ = false, full_told_ = false;
  patience patience_;
  net::timer again_;
};

} // namespace nexus::engine
