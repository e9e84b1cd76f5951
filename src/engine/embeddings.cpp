#include "engine/embeddings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {
namespace {

/// New embeddings after which the searches get them, though there are more to come.
constexpr std::size_t publish_interval = 1'024;

} // namespace

void patience::failed(time_point now) noexcept {
  if (!over(now))
    return; // it was asked before that was known
  delay_ = std::clamp<milliseconds>(delay_ * 2, limits::embedding_retry_delay_min,
                                    limits::embedding_retry_delay_max);
  until_ = now + delay_;
}

// ---- Queries ------------------------------------------------------------------------------------

query_embeddings::query_embeddings(net::reactor& on, const config::embedding_provider& provider)
    : reactor_(on), provider_(provider), client_(on, provider) {}

search::embedding_ptr query_embeddings::find(std::string_view query) {
  const auto found = known_.find(std::string(query.substr(0, limits::embedding_text_bytes_max)));
  if (found == known_.end())
    return nullptr;
  found->second.used = ++uses_;
  return found->second.is;
}

bool query_embeddings::ask(std::string_view query, std::function<void()> done) {
  if (!patience_.over(reactor_.now()))
    return false; // `problem_` is what made it so
  std::string text(query.substr(0, limits::embedding_text_bytes_max));
  const auto open = waiting_.find(text);
  if (open != waiting_.end()) {
    open->second.push_back(std::move(done));
    return true;
  }
  if (waiting_.size() >= limits::embedding_queries_waiting_max) {
    problem_ = "too many searches wait for it";
    return false;
  }
  waiting_[text].push_back(std::move(done));
  const std::string asked[] = {provider_.query_prefix + text};
  client_.ask(asked, provider_.deadline, [this, text](auto found) {
    if (found) {
      patience_.succeeded();
      problem_.clear();
      keep(text, std::move(found->front()));
    } else {
      patience_.failed(reactor_.now());
      problem_ = found.error().message;
      log::warn("search", "embedding_failed",
                {{"model", provider_.model},
                 {"reason", problem_},
                 {"not_asked_for_ms", patience_.wait().count()}});
    }
    const auto waiting = waiting_.extract(text);
    for (const auto& each : waiting.mapped())
      each();
  });
  return true;
}

void query_embeddings::keep(const std::string& query, search::embedding found) {
  if (known_.size() >= limits::embedding_queries_kept)
    known_.erase(
        std::ranges::min_element(known_, {}, [](const auto& entry) { return entry.second.used; }));
  known_[query] = {std::make_shared<const search::embedding>(std::move(found)), ++uses_};
}

// ---- Tools --------------------------------------------------------------------------------------

tool_embeddings::tool_embeddings(worker& owner, const config::embedding_provider& provider)
    : owner_(owner), provider_(provider), client_(owner.reactor(), provider) {
  again_.set_action([this] { go_on(); });
}

void tool_embeddings::want(std::vector<embedding_documents> all) {
  documents_ = std::move(all);
  list_ = place_ = 0;
  std::map<seal::digest, search::embedding_ptr> still;
  bytes_ = 0;
  for (const auto& list : documents_)
    for (const auto& one : *list)
      if (const auto found = known_.find(one.digest); found != known_.end())
        if (still.insert(*found).second)
          bytes_ += found->second->dimensions();
  known_ = std::move(still);
  ++unpublished_; // tools may have gone
  go_on();
}

tool_embeddings::batch tool_embeddings::next_batch() {
  batch out;
  for (; list_ < documents_.size(); ++list_, place_ = 0)
    for (const auto& list = *documents_[list_]; place_ < list.size(); ++place_) {
      const auto& one = list[place_];
      if (out.texts.size() == limits::embedding_batch_max)
        return out;
      if (known_.contains(one.digest) ||
          std::ranges::find(out.digests, one.digest) != out.digests.end())
        continue;
      out.texts.push_back(provider_.document_prefix + one.text);
      out.digests.push_back(one.digest);
    }
  return out;
}

void tool_embeddings::go_on() {
  if (asking_ || again_.armed())
    return;
  auto next = next_batch();
  const bool full = bytes_ >= limits::embedding_bytes_max;
  if (full && !next.texts.empty() && !std::exchange(full_told_, true))
    log::warn("search", "embeddings_full",
              {{"tools", known_.size()},
               {"remedy", "the other tools are found by their words; a smaller \"dimensions\" "
                          "makes room for more"}});
  if (full || next.texts.empty())
    return publish();
  asking_ = true;
  client_.ask(next.texts, limits::embedding_request_timeout,
              [this, digests = std::move(next.digests)](auto found) {
                asking_ = false;
                found ? take(digests, std::move(*found)) : fail_for_now(found.error());
              });
}

void tool_embeddings::take(const std::vector<seal::digest>& asked,
                           std::vector<search::embedding> found) {
  patience_.succeeded();
  for (std::size_t i = 0; i < asked.size(); ++i) {
    bytes_ += found[i].dimensions();
    known_[asked[i]] = std::make_shared<const search::embedding>(std::move(found[i]));
  }
  unpublished_ += asked.size();
  if (unpublished_ >= publish_interval)
    publish();
  go_on();
}

void tool_embeddings::fail_for_now(const error& why) {
  patience_.failed(owner_.now());
  log::warn(
      "search", "embeddings_failed",
      {{"model", provider_.model},
       {"reason", why.message},
       {"retry_in_ms", patience_.wait().count()},
       {"remedy", "searches are answered by words; see \"embeddings\" in the configuration"}});
  publish();
  list_ = place_ = 0; // what was asked for in vain is asked for again
  owner_.reactor().arm(again_, patience_.wait());
}

void tool_embeddings::publish() {
  if (std::exchange(unpublished_, 0) == 0)
    return;
  auto table = std::make_shared<search::embedding_table>();
  for (const auto& list : documents_)
    for (const auto& one : *list)
      if (const auto found = known_.find(one.digest); found != known_.end())
        table->emplace(one.id, found->second);
  owner_.shared().post_to_all([made = std::shared_ptr<const search::embedding_table>(
                                   std::move(table))](worker& w) { w.search().install(made); });
}

} // namespace nexus::engine
