#include "bench/fused/actors.hpp"

#include <utility>

namespace nexus::bench {
namespace {

struct server_state {
  std::unordered_map<link_id, caf::actor> callers; ///< calls that wait for their answer
};

caf::behavior server_actor(caf::stateful_actor<server_state>* self, outlet* out) {
  return {
      [self, out](request& call) {
        self->state.callers[call.link] = caf::actor_cast<caf::actor>(self->current_sender());
        out->to_server(call.link, std::move(call.bytes));
      },
      [self](answer& got) {
        const auto found = self->state.callers.find(got.link);
        if (found == self->state.callers.end())
          return;
        const auto caller = std::move(found->second);
        self->state.callers.erase(found);
        self->send(caller, std::move(got));
      },
  };
}

// `server` is invalid when the session writes to the server's socket itself.
caf::behavior session_actor(caf::event_based_actor* self, outlet* out, const caf::actor& server) {
  return {
      [self, out, server](request& call) {
        if (server)
          self->send(server, std::move(call));
        else
          out->to_server(call.link, std::move(call.bytes));
      },
      [out](answer& got) { out->to_client(got.link, std::move(got.bytes)); },
  };
}

} // namespace

dispatcher::dispatcher(caf::actor_system& system, outlet& out, int hops)
    : system_(system), out_(out), hops_(hops) {
  if (hops_ == 4)
    server_ = system_.spawn(server_actor, &out_);
}

void dispatcher::on_opened(link_id link) {
  if (hops_ > 0)
    sessions_.emplace(link, system_.spawn(session_actor, &out_, server_));
}

void dispatcher::on_closed(link_id link) {
  const auto found = sessions_.find(link);
  if (found == sessions_.end())
    return;
  caf::anon_send_exit(found->second, caf::exit_reason::user_shutdown);
  sessions_.erase(found);
}

void dispatcher::on_request(link_id link, std::string bytes) {
  if (hops_ == 0)
    out_.to_server(link, std::move(bytes));
  else if (const auto found = sessions_.find(link); found != sessions_.end())
    enqueue(found->second, request{link, std::move(bytes)});
}

void dispatcher::on_answer(link_id link, std::string bytes) {
  if (hops_ == 0)
    out_.to_client(link, std::move(bytes));
  else if (hops_ == 4)
    enqueue(server_, answer{link, std::move(bytes)});
  else if (const auto found = sessions_.find(link); found != sessions_.end())
    enqueue(found->second, answer{link, std::move(bytes)});
}

} // namespace nexus::bench
