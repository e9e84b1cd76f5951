#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/batch.hpp"
#include "engine/exchange.hpp"
#include "engine/replay_log.hpp"
#include "engine/session.hpp"

namespace nexus::engine {

class process;
class worker;

/// The session's log, made if there is none yet. @thread any
[[nodiscard]] replay_log& log_of(process& shared, session& of);
/// There is something to read for a reader that is not the producer. @thread a worker's
void tell_reader(worker& from, stream_reader reader);
/// The reader has lost the stream to another connection. @thread a worker's
void tell_reader_it_is_replaced(worker& from, stream_reader reader, const session_ptr& of,
                                std::uint32_t stream);
/// The session has ended: its events are forgotten, and who reads them is told. @thread any
void end_event_streams(process& shared, const session_ptr& of);

/// What of legacy sessions goes on where no connection of the client is: answers whose connection
/// broke, and what belongs to the stream of a GET, wherever the client reads that. All of it goes
/// into the session's replay_log. @thread its worker
class session_streams {
 public:
  explicit session_streams(worker& on);
  ~session_streams();
  session_streams(const session_streams&) = delete;
  session_streams& operator=(const session_streams&) = delete;

  /// Takes the place of the connection of an exchange with a caller and an answer_stream.
  [[nodiscard]] client_adapter& absent_client() noexcept { return *absent_; }
  /// Takes a batch over from the connection that answered it with that stream.
  void adopt(std::unique_ptr<batch> orphan, session_ptr of, std::uint32_t stream);

  enum class listening : std::uint8_t {
    anew,    ///< told again what changed since the client listed
    resumed, ///< goes on
  };
  /// Has the session listened for, here or where that is done already.
  void listen_for(const session_ptr& of, listening how);
  /// Gives up what nobody has come back to.
  void sweep();

 private:
  class absent_adapter;
  class absent_batch;
  class listener;
  void end(listener& which);

  worker& on_;
  std::unique_ptr<client_adapter> absent_;
  std::vector<std::unique_ptr<absent_batch>> batches_;
  std::vector<std::unique_ptr<listener>> listeners_;
};

} // namespace nexus::engine
