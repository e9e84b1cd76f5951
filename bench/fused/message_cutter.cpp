#include "bench/e2e/http_scan.hpp"
#include "bench/fused/proxy_io.hpp"

#include <utility>

namespace nexus::bench {

bool message_cutter::add(std::string_view fresh) {
  waiting_.append(fresh);
  return valid_;
}

std::string message_cutter::next() {
  if (!valid_ || waiting_.empty() || waiting_.size() < wanted_bytes_)
    return {};
  http_message message;
  const auto state =
      what_ == kind::requests ? scan_request(waiting_, message) : scan_response(waiting_, message);
  wanted_bytes_ = state == scan_state::incomplete ? message.wanted_bytes : 0;
  valid_ = state != scan_state::invalid;
  if (state != scan_state::complete)
    return {};
  // With one call in flight the buffer holds just this message, which is then handed over whole.
  if (message.total_bytes == waiting_.size())
    return std::exchange(waiting_, {});
  auto whole = waiting_.substr(0, message.total_bytes);
  waiting_.erase(0, message.total_bytes);
  return whole;
}

} // namespace nexus::bench
