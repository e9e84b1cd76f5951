#include "net/tls_stream.hpp"

#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "net/tls_codec.hpp"

namespace nexus::net {
namespace {

using detail::ssl_ptr;

/// Two records: what one on_data() carries at most.
constexpr std::size_t plain_bytes = 32 * 1024;

class tls_stream;

/// The handshake as its starter sees it. Owns the stream until that is connected.
class tls_connect final : public pending_connect {
 public:
  explicit tls_connect(reactor::connect_handler on_done) : on_done_(std::move(on_done)) {}
  ~tls_connect() override { *alive_ = nullptr; }

  void own(stream_ptr handshaking) { stream_ = std::move(handshaking); }
  /// Fails in the next turn: there is no stream.
  void fail_later(reactor& on, error reason) {
    on.post([alive = alive_, reason = std::move(reason)]() mutable {
      if (*alive != nullptr)
        (*alive)->done(std::move(reason));
    });
  }
  /// Calls the handler, which may destroy this object.
  void done(std::optional<error> failure) {
    auto handler = std::move(on_done_);
    result<stream_ptr> outcome = std::move(stream_);
    if (failure)
      outcome = std::unexpected(std::move(*failure));
    handler(std::move(outcome));
  }

 private:
  reactor::connect_handler on_done_;
  stream_ptr stream_;
  std::shared_ptr<tls_connect*> alive_ = std::make_shared<tls_connect*>(this);
};

/// The encrypted stream: tells its handler and its connector what the codec makes of the inner
/// stream.
class tls_stream final : public stream, private stream_handler {
 public:
  tls_stream(reactor& on, stream_ptr tcp, ssl_ptr session, std::string host);

  /// Sends the first flight.
  void start(tls_connect& waiting);

  void set_handler(stream_handler& handler) override;
  std::string& out() override { return out_; }
  void flush() override;
  [[nodiscard]] std::size_t queued_bytes() const noexcept override {
    return out_.size() + inner_->queued_bytes();
  }
  [[nodiscard]] std::size_t unread_bytes() const noexcept override {
    return out_.size() + inner_->unread_bytes();
  }
  void pause_reading() override;
  void resume_reading() override;
  void shutdown_write() override;

 protected:
  void release() noexcept override;
  void release_after_flush() noexcept override;

 private:
  /// Keeps the object until the outermost call on it returns, whatever a handler does meanwhile.
  class visit {
   public:
    explicit visit(tls_stream& visited) : visited_(visited) { ++visited_.depth_; }
    ~visit() {
      if (--visited_.depth_ == 0 && visited_.released_)
        delete &visited_;
    }
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;

   private:
    tls_stream& visited_;
  };

  ~tls_stream() override = default;
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_drained() override;
  void on_error(const error& reason) override;

  void let_go() noexcept;
  void advance();
  void advance_handshake();
  void deliver();
  [[nodiscard]] bool has_unread() const noexcept;
  void encrypt();
  void flush_inner();
  void advance_later();
  void note_failure(error reason);
  void fail_with(error reason);
  void report_failure();

  reactor& on_;
  stream_ptr inner_;
  detail::tls_codec codec_;
  std::string out_;       ///< plain
  std::string left_over_; ///< ciphertext that came before it was wanted
  stream_handler* handler_ = nullptr;
  tls_connect* waiting_ = nullptr;
  std::optional<error> failure_; ///< not reported yet
  std::shared_ptr<tls_stream*> alive_ = std::make_shared<tls_stream*>(this);
  int depth_ = 0;
  bool released_ = false;
  bool established_ = false;
  bool paused_ = false;
  bool advancing_ = false;
  bool inner_ended_ = false;
  bool ended_ = false;   ///< close_notify came
  bool closing_ = false; ///< close_notify went
  bool failed_ = false;
  bool inner_failed_ = false;
};

// ---- Life ------------------------------------------------------------------------------------

tls_stream::tls_stream(reactor& on, stream_ptr tcp, ssl_ptr session, std::string host)
    : on_(on), inner_(std::move(tcp)), codec_(std::move(session), *inner_, std::move(host)) {}

void tls_stream::start(tls_connect& waiting) {
  const visit keep(*this);
  inner_->set_handler(*this);
  advance_handshake();
  flush_inner();
  // Only now: the handler must not run within wrap_tls().
  waiting_ = &waiting;
  if (failure_)
    advance_later();
}

void tls_stream::release() noexcept {
  // The peer of a failed handshake is owed the alert that says why.
  if (failed_ && !established_ && !inner_failed_ && inner_->queued_bytes() > 0)
    close_after_flush(std::move(inner_));
  let_go();
}

void tls_stream::release_after_flush() noexcept {
  handler_ = nullptr;
  shutdown_write();
  close_after_flush(std::move(inner_));
  let_go();
}

void tls_stream::let_go() noexcept {
  *alive_ = nullptr;
  handler_ = nullptr;
  waiting_ = nullptr;
  inner_.reset();
  released_ = true;
  if (depth_ == 0)
    delete this;
}

// ---- Reading ---------------------------------------------------------------------------------

void tls_stream::on_data(std::string_view bytes) {
  if (failed_ || ended_)
    return;
  NEXUS_ASSERT(!advancing_);
  const visit keep(*this);
  const bool stored = !left_over_.empty();
  if (stored)
    left_over_ += bytes;
  codec_.lend(stored ? std::string_view(left_over_) : bytes);
  advance();
  if (released_)
    return;
  // What OpenSSL did not take, because the reader pauses, must outlive `bytes`.
  if (!stored)
    left_over_ = codec_.rest();
  else
    left_over_.erase(0, left_over_.size() - codec_.rest().size());
  codec_.lend({});
}

void tls_stream::on_end() {
  inner_ended_ = true;
  on_data({});
}

void tls_stream::advance() {
  if (advancing_)
    return; // The loop further up takes what a handler made possible.
  advancing_ = true;
  if (!established_)
    advance_handshake();
  if (!released_ && established_)
    deliver();
  if (released_)
    return;
  advancing_ = false;
  flush_inner();
}

void tls_stream::advance_handshake() {
  if (failed_)
    return;
  switch (codec_.handshake()) {
  case detail::tls_codec::progress::failed:
    return fail_with(codec_.describe_failure());
  case detail::tls_codec::progress::wants_input:
    if (inner_ended_)
      fail_with({errc::tls_failed,
                 fmt::format("TLS with {}: the server closed the connection during the handshake; "
                             "see its log",
                             codec_.host()),
                 {}});
    return;
  case detail::tls_codec::progress::done:
    break;
  }
  established_ = true;
  flush_inner();
  if (tls_connect* const waiting = std::exchange(waiting_, nullptr))
    waiting->done({});
  // Reading goes on when somebody wants it.
  if (!released_ && handler_ == nullptr)
    inner_->pause_reading();
}

void tls_stream::deliver() {
  std::array<char, plain_bytes + readable_beyond_bytes> plain; // NOLINT: filled before it is read
  while (handler_ != nullptr && !paused_ && !failed_ && !ended_) {
    const auto read = codec_.decrypt(std::span(plain).first(plain_bytes));
    if (read.bytes > 0)
      handler_->on_data(std::string_view(plain.data(), read.bytes));
    if (released_)
      return;
    if (read.failure)
      return fail_with(*read.failure);
    // A reader that pauses now learns of the end later: OpenSSL repeats it.
    if (read.ended && handler_ != nullptr && !paused_) {
      ended_ = true;
      return handler_->on_end();
    }
    if (read.wants_input) {
      if (inner_ended_ && !paused_)
        fail_with({errc::reset,
                   fmt::format("TLS with {}: the connection ended without close_notify; what came "
                               "may be cut off",
                               codec_.host()),
                   {}});
      return;
    }
  }
}

void tls_stream::set_handler(stream_handler& handler) {
  handler_ = &handler;
  if (!failed_ && !paused_)
    inner_->resume_reading();
  if (!advancing_ && has_unread())
    advance_later();
}

void tls_stream::pause_reading() {
  paused_ = true;
  if (!failed_)
    inner_->pause_reading();
}

void tls_stream::resume_reading() {
  paused_ = false;
  if (!failed_ && handler_ != nullptr)
    inner_->resume_reading();
  if (!advancing_ && has_unread())
    advance_later();
}

bool tls_stream::has_unread() const noexcept {
  return failure_ || !left_over_.empty() || inner_ended_ || codec_.has_pending();
}

void tls_stream::advance_later() {
  on_.post([alive = alive_] {
    if (*alive == nullptr)
      return;
    const visit keep(**alive);
    if ((*alive)->failure_)
      (*alive)->report_failure();
    else
      (*alive)->on_data({});
  });
}

// ---- Writing ---------------------------------------------------------------------------------

void tls_stream::flush() {
  const visit keep(*this);
  encrypt();
  flush_inner();
}

void tls_stream::shutdown_write() {
  const visit keep(*this);
  encrypt();
  if (failed_ || closing_)
    return;
  closing_ = true;
  codec_.close_notify();
  flush_inner();
  if (!failed_)
    inner_->shutdown_write();
}

void tls_stream::encrypt() {
  if (!out_.empty() && !failed_ && !closing_) {
    if (auto failure = codec_.encrypt(out_)) {
      note_failure(std::move(*failure));
      advance_later(); // No method calls its caller back.
    }
  }
  out_.clear();
  // One large message must not keep its memory for the life of the connection.
  if (out_.capacity() > limits::write_queue_high_bytes)
    std::string().swap(out_); // assigning an empty one would keep the memory
}

void tls_stream::flush_inner() {
  if (codec_.take_written())
    inner_->flush();
}

void tls_stream::on_drained() {
  if (handler_ != nullptr)
    handler_->on_drained();
}

// ---- Failure ---------------------------------------------------------------------------------

void tls_stream::on_error(const error& reason) {
  const visit keep(*this);
  inner_failed_ = true;
  (void)codec_.take_written(); // there is nobody to flush it to
  fail_with(
      {reason.code, fmt::format("TLS with {}: {}", codec_.host(), reason.message), reason.detail});
}

void tls_stream::note_failure(error reason) {
  failed_ = true;
  failure_ = std::move(reason);
  if (inner_failed_)
    return;
  flush_inner(); // The alert that tells the peer.
  inner_->pause_reading();
}

void tls_stream::fail_with(error reason) {
  if (failed_)
    return;
  note_failure(std::move(reason));
  report_failure();
}

void tls_stream::report_failure() {
  if (waiting_ == nullptr && handler_ == nullptr)
    return;
  const error reason = *std::exchange(failure_, std::nullopt);
  if (tls_connect* const waiting = std::exchange(waiting_, nullptr))
    waiting->done(reason);
  else
    handler_->on_error(reason);
}

} // namespace

std::unique_ptr<pending_connect> wrap_tls(reactor& on, stream_ptr tcp,
                                          const tls_client_options& options,
                                          reactor::connect_handler on_done) {
  auto connecting = std::make_unique<tls_connect>(std::move(on_done));
  result<ssl_ptr> session = detail::new_client_session(options);
  if (!session) {
    connecting->fail_later(on, std::move(session.error()));
    return connecting;
  }
  auto* const made =
      new tls_stream(on, std::move(tcp), std::move(*session),
                     options.server_name.empty() ? "the server" : options.server_name);
  connecting->own(stream_ptr(made));
  made->start(*connecting);
  return connecting;
}

} // namespace nexus::net
