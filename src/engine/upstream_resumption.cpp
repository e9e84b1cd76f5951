/// upstream's calls whose answer comes in more than one response: a legacy server may close the
/// event stream of an answer that takes its time, and be asked for the rest of it.
/// @source MCP 2025-11-25 "Streamable HTTP", Resumability and Redelivery

#include <algorithm>

#include "engine/upstream.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {

bool upstream::take_up_again(exchange& x, const http_call& from) {
  const auto& reached = http_pool::position_of(from);
  if (endpoint_->era != mcp::era::legacy || (reached.last_id.empty() && !x.broken))
    return false;
  if (!x.broken) {
    x.broken = std::make_unique<broken_answer>();
    x.broken->session_id = endpoint_->session_id;
    x.broken->again.set_action([this, &x] { ask_for_rest(x); });
  }
  auto& broken = *x.broken;
  if (!reached.last_id.empty())
    broken.last_id = reached.last_id;
  if (reached.retry)
    broken.delay =
        std::clamp(*reached.retry, limits::server_retry_delay_min, limits::server_retry_delay_max);
  owner_.reactor().arm(broken.again, broken.delay); // the call's deadline goes on
  return true;
}

void upstream::ask_for_rest(exchange& x) {
  if (endpoint_->state != server_state::ready || endpoint_->session_id != x.broken->session_id)
    return answer_failure(x, metrics::call_result::transport_error, "ended during the call",
                          endpoint_->reason.empty() ? "the server was connected anew"
                                                    : endpoint_->reason);
  auto request = get_head(*target_, *endpoint_);
  http::append_field(request, "Last-Event-ID", x.broken->last_id);
  request += "\r\n";
  x.call = &pool_->start(request, x);
}

} // namespace nexus::engine
