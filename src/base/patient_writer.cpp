#include "base/patient_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <poll.h>
#include <unistd.h>

namespace nexus {
namespace {

/// How soon a write that waits notices that it is hurried.
constexpr int slice_ms = 50;

} // namespace

bool patient_writer::write(std::string_view text) {
  while (!text.empty()) {
    if (!wait_for_room())
      return false;
    // A pipe with any room has it for this much, so that not even a blocking one blocks.
    const ssize_t count = ::write(fd_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (count > 0)
      text.remove_prefix(static_cast<std::size_t>(count));
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
      return false;
  }
  return true;
}

void patient_writer::hurry(milliseconds at_most) noexcept {
  remaining_ms_ = at_most.count();
  hurried_ = true;
}

bool patient_writer::wait_for_room() {
  for (;;) {
    const bool hurried = hurried_;
    const bool patient = !hurried || remaining_ms_ > 0;
    pollfd asked{fd_, POLLOUT, 0};
    const int ready = ::poll(&asked, 1, patient ? slice_ms : 0);
    if (ready > 0)
      return (asked.revents & POLLOUT) != 0;
    if (!patient || (ready < 0 && errno != EINTR))
      return false;
    if (hurried)
      remaining_ms_ -= slice_ms;
  }
}

} // namespace nexus
