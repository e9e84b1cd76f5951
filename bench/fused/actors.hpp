#pragma once

#include "bench/fused/proxy_io.hpp"

#include <caf/all.hpp>
#include <unordered_map>

namespace nexus::bench {

struct request {
  link_id link = 0;
  std::string bytes;
};

struct answer {
  link_id link = 0;
  std::string bytes;
};

/// Where actors write to: the sockets themselves when they run on the polling thread, a queue to
/// the I/O thread when they do not.
class outlet {
 public:
  virtual ~outlet() = default;
  virtual void to_server(link_id link, std::string bytes) = 0;
  virtual void to_client(link_id link, std::string bytes) = 0;
};

/// Sends what the sockets report to actors, or straight across, and owns the actors' handles.
/// Messages per call: 0 = no actor; 2 = request and answer to the link's session actor; 4 = each
/// also between the session and the one server actor.
class dispatcher final : public io_sink {
 public:
  dispatcher(caf::actor_system& system, outlet& out, int hops);

  /// The scheduler's worker that polls, or null when another thread does.
  void set_context(caf::execution_unit* context) { context_ = context; }

  void on_opened(link_id link) override;
  void on_closed(link_id link) override;
  void on_request(link_id link, std::string bytes) override;
  void on_answer(link_id link, std::string bytes) override;

 private:
  template <class Message>
  void enqueue(const caf::actor& to, Message message) {
    to->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, std::move(message)),
                context_);
  }

  caf::actor_system& system_;
  outlet& out_;
  int hops_;
  caf::execution_unit* context_ = nullptr;
  caf::actor server_;
  std::unordered_map<link_id, caf::actor> sessions_;
};

} // namespace nexus::bench

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nexus::bench::request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nexus::bench::answer)
