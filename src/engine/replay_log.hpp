#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"

namespace nexus::engine {

/// The client's connection that takes a stream's events.
struct stream_reader {
  worker_id at;
  std::uint64_t connection = 0; ///< http_connection::id(), unique on its worker
  friend bool operator==(stream_reader, stream_reader) = default;
};

/// How much an event is missed when there is no room for it.
enum class event_weight : std::uint8_t {
  dispensable, ///< progress, logs: these go first
  needed,
  last, ///< the answer, with which its stream ends
};

/// The events of one legacy session's streams, so that a client whose connection breaks can be told
/// again what it missed: each answer that is a stream, and the stream of the session's GET. Bounded
/// in events, bytes and age; the oldest are forgotten first.
///
/// Whoever produces an event appends it, and gets the reader to be told, if that is another
/// connection than its own; a reader then takes what comes after its place. So nothing is lost or
/// doubled, whichever workers the two are on. @thread any: a mutex of its own, inside which nothing
/// else is locked. @source MCP 2025-11-25 "Resumability and Redelivery"
class replay_log {
 public:
  /// The stream of the session's GET; it never ends by itself.
  static constexpr std::uint32_t listening = 0;
  /// Bytes in use, which all logs of the process share.
  using budget = std::atomic<std::size_t>;
  struct bounds {
    std::size_t events_max = limits::replay_events_per_session_max;
    std::size_t bytes_max = limits::replay_bytes_per_session_max;
    std::size_t shared_bytes_max = limits::replay_bytes_max;
    nanoseconds age_max = limits::replay_age_max;
  };

  /// @param owner tells this session's ids from those of others
  replay_log(std::uint64_t owner, std::shared_ptr<budget> shared, const bounds& most);
  replay_log(std::uint64_t owner, std::shared_ptr<budget> shared)
      : replay_log(owner, std::move(shared), bounds{}) {}
  ~replay_log();
  replay_log(const replay_log&) = delete;
  replay_log& operator=(const replay_log&) = delete;

  /// The id of an event: visible ASCII, unique in the session, and it names its stream.
  [[nodiscard]] std::string id_of(std::uint32_t stream, std::uint64_t sequence) const;

  struct place {
    std::uint32_t stream = 0;
    std::uint64_t sequence = 0; ///< of the event that primes the stream, which is not kept
  };
  /// A new stream, of an answer.
  [[nodiscard]] place open(stream_reader reader);
  /// A place for an event that primes the stream of a GET.
  /// @returns nothing when events wait behind `position`: these have ids of their own
  [[nodiscard]] std::optional<std::uint64_t> prime(std::uint32_t stream, std::uint64_t position);

  struct appended {
    std::uint64_t sequence = 0;          ///< 0: there is no such stream any more
    std::optional<stream_reader> reader; ///< who takes it
  };
  /// @param writer the producer's own connection. When that is the reader it writes the event
  ///               itself; any other reader is kept the event for, whatever its size
  [[nodiscard]] appended append(std::uint32_t stream, std::string_view data, event_weight weight,
                                time_point now, std::optional<stream_reader> writer = {});
  /// The stream ends without an answer. @returns its reader
  std::optional<stream_reader> finish(std::uint32_t stream);

  enum class outcome : std::uint8_t {
    attached,
    foreign, ///< no id of this session
    expired, ///< what followed it is not kept any more
  };
  struct attachment {
    outcome what = outcome::foreign;
    std::uint32_t stream = 0;
    std::uint64_t position = 0;
    std::optional<stream_reader> before; ///< a reader that has lost the stream to this one
  };
  /// Takes a stream up behind the event with that id.
  [[nodiscard]] attachment resume(std::string_view last_event_id, stream_reader reader,
                                  time_point now);
  /// Takes the listening stream up behind what any reader has taken of it.
  [[nodiscard]] attachment listen(stream_reader reader, time_point now);
  void detach(std::uint32_t stream, stream_reader reader, time_point now);

  struct event {
    std::uint64_t sequence = 0;
    std::string data;
  };
  struct news {
    std::vector<event> events; ///< oldest first
    bool missed = false;       ///< some before these are not kept any more
    bool more = false;         ///< there are others behind them
    bool ended = false;        ///< nothing comes after them
    bool taken = false;        ///< another reader has the stream
  };
  /// What comes behind `position`. @param bytes_max after which no further event is added
  [[nodiscard]] news read(std::uint32_t stream, std::uint64_t position, stream_reader reader,
                          std::size_t bytes_max);

  /// Whether the listening stream has a reader, or had one within the age of an event.
  [[nodiscard]] bool listened() const;
  [[nodiscard]] bool listened_lately(time_point now) const;
  /// Forgets what is too old.
  void expire(time_point now);
  /// Forgets everything for good. @returns the streams that are being read
  [[nodiscard]] std::vector<std::pair<std::uint32_t, stream_reader>> close();

  [[nodiscard]] std::size_t events_kept() const;
  [[nodiscard]] std::size_t bytes_kept() const;

 private:
  struct kept {
    std::uint64_t sequence;
    std::uint32_t stream;
    event_weight weight;
    time_point since;
    std::string data;
  };
  struct stream_state {
    std::optional<stream_reader> reader;
    std::size_t events = 0;      ///< kept ones
    std::uint64_t lost = 0;      ///< the last that is not kept any more
    std::uint64_t lost_told = 0; ///< the last of these that the reader knows of
    std::uint64_t taken = 0;     ///< the last that a reader took
    bool complete = false;       ///< nothing comes any more
    bool answer_lost = false;    ///< its last event is not kept any more
    time_point unread_since{};   ///< when its reader left
  };

  [[nodiscard]] attachment attach(std::uint32_t stream, std::uint64_t position,
                                  stream_reader reader);
  [[nodiscard]] bool over(std::size_t events, std::size_t bytes) const noexcept;
  void drop(std::deque<kept>::iterator which);
  void drop_one();
  void drop_old(time_point now);
  /// The first event behind `position`, of whatever stream.
  [[nodiscard]] std::deque<kept>::iterator behind(std::uint64_t position);
  void forget_if_over(std::uint32_t stream);

  const std::uint64_t owner_;
  const std::shared_ptr<budget> shared_;
  const bounds most_;
  mutable std::mutex mutex_;
  std::deque<kept> events_; ///< by sequence, and so by age
  std::unordered_map<std::uint32_t, stream_state> streams_;
  std::uint64_t sequence_ = 0;
  std::uint32_t last_stream_ = listening;
  std::size_t bytes_ = 0;
  std::size_t dispensable_ = 0; ///< of the events
  bool closed_ = false;
};

/// A session's replay_log, made when the first of its streams needs it. @thread any
class lazy_replay_log {
 public:
  lazy_replay_log() = default;
  ~lazy_replay_log() { std::unique_ptr<replay_log>(log_.load()).reset(); }
  lazy_replay_log(const lazy_replay_log&) = delete;
  lazy_replay_log& operator=(const lazy_replay_log&) = delete;

  /// Null as long as no stream has been opened.
  [[nodiscard]] replay_log* get() const noexcept { return log_.load(std::memory_order_acquire); }
  [[nodiscard]] replay_log& get_or_make(std::uint64_t owner,
                                        const std::shared_ptr<replay_log::budget>& shared);

 private:
  std::atomic<replay_log*> log_{nullptr}; ///< owned; set once
};

} // namespace nexus::engine
