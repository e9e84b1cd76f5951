#pragma once

#include <string>
#include <string_view>

#include "net/io_stream.hpp"
#include "net/uring_reactor.hpp"

namespace nexus::net {

/// A stream whose reads and writes are entries of the ring.
///
/// A send is first tried "silently": MSG_DONTWAIT | MSG_WAITALL with IOSQE_CQE_SKIP_SUCCESS. The
/// kernel decides it during submission and posts a completion only when not everything was taken.
/// So a successful send, the usual case, costs no completion, and above all it does not end the
/// wait of the very call that submitted it. What a silent send left over goes out by a plain send,
/// which the kernel retries when there is room.
class uring_stream final : public io_stream, public uring_source {
 public:
  uring_stream(uring_reactor& on, const descriptors& fds) : io_stream(on, fds), on_(on) {}

  void complete(operation which, const io_uring_cqe& cqe) override;
  /// The silent send was tried; `silent_result_` says what came of it.
  void settle();

 protected:
  void start_reading() override;
  void send_queued() override;
  void forget(int /*fd*/) noexcept override { on_.ring().submit_prepared(); }
  void stop() noexcept override;

 private:
  enum class sending : std::uint8_t { nothing, silently, plainly };
  static constexpr int everything = 0; ///< a silent send that posted no completion

  void received(const io_uring_cqe& cqe);
  void receive_failed(int number);
  void arm_receive();
  void stop_receiving();
  void plain_send_done(int result);
  void send_silently(std::string_view bytes);
  void send_plainly(std::string_view bytes);

  uring_reactor& on_;
  sending sending_by_ = sending::nothing;
  bool receiving_ = false;
  bool stopping_ = false;     ///< a cancellation of the receive is under way
  bool single_reads_ = false; ///< this descriptor cannot be read multishot
  int silent_result_ = everything;
  std::string held_; ///< arrived while reading was paused
};

} // namespace nexus::net
