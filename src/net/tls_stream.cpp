#include "net/tls_stream.hpp"

#include <array>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "net/tls_session.hpp"

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

/// OpenSSL between two streams. A BIO of our own lets it read from what the inner stream delivers
/// and write to the inner stream's buffer, without the copies of OpenSSL's memory BIOs.
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
  void pause_reading() override;
  void resume_reading() override;
  void shutdown_write() override;

  /// What the BIO calls.
  [[nodiscard]] std::size_t take_input(char* to, std::size_t bytes_max) noexcept;
  void give_output(const char* from, std::size_t bytes);

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
  /// What one round of SSL_read_ex() brought. The failure is worded at once: a handler may use
  /// OpenSSL and its error queue.
  struct reading {
    std::size_t bytes = 0;
    int stopped = SSL_ERROR_NONE;
    std::optional<error> failure;
  };
  [[nodiscard]] reading decrypt(std::span<char> plain);
  [[nodiscard]] bool has_unread() const noexcept;
  void encrypt();
  void flush_inner();
  void advance_later();
  void note_failure(error reason);
  void fail_with(error reason);
  void report_failure();

  reactor& on_;
  stream_ptr inner_;
  ssl_ptr session_;
  std::string host_;
  std::string out_;        ///< plain
  std::string left_over_;  ///< ciphertext that came before it was wanted
  std::string_view input_; ///< ciphertext that OpenSSL may read now
  stream_handler* handler_ = nullptr;
  tls_connect* waiting_ = nullptr;
  std::optional<error> failure_; ///< not reported yet
  std::shared_ptr<tls_stream*> alive_ = std::make_shared<tls_stream*>(this);
  int depth_ = 0;
  bool released_ = false;
  bool established_ = false;
  bool paused_ = false;
  bool advancing_ = false;
  bool inner_dirty_ = false; ///< OpenSSL wrote and nobody flushed
  bool inner_ended_ = false;
  bool ended_ = false;   ///< close_notify came
  bool closing_ = false; ///< close_notify went
  bool failed_ = false;
  bool inner_failed_ = false;
};

// ---- The BIO ---------------------------------------------------------------------------------

int bio_read(BIO* bio, char* to, std::size_t bytes_max, std::size_t* taken) {
  BIO_clear_retry_flags(bio);
  *taken = static_cast<tls_stream*>(BIO_get_data(bio))->take_input(to, bytes_max);
  if (*taken > 0)
    return 1;
  BIO_set_retry_read(bio);
  return 0;
}

int bio_write(BIO* bio, const char* from, std::size_t bytes, std::size_t* written) {
  BIO_clear_retry_flags(bio);
  static_cast<tls_stream*>(BIO_get_data(bio))->give_output(from, bytes);
  *written = bytes;
  return 1;
}

long bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* bio_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    NEXUS_ASSERT(made != nullptr);
    BIO_meth_set_read_ex(made, bio_read);
    BIO_meth_set_write_ex(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

std::size_t tls_stream::take_input(char* to, std::size_t bytes_max) noexcept {
  const std::size_t bytes = input_.copy(to, bytes_max);
  input_.remove_prefix(bytes);
  return bytes;
}

void tls_stream::give_output(const char* from, std::size_t bytes) {
  inner_->out().append(from, bytes);
  inner_dirty_ = true;
}

// ---- Life ------------------------------------------------------------------------------------

tls_stream::tls_stream(reactor& on, stream_ptr tcp, ssl_ptr session, std::string host)
    : on_(on), inner_(std::move(tcp)), session_(std::move(session)), host_(std::move(host)) {
  BIO* const bio = BIO_new(bio_method());
  NEXUS_ASSERT(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(session_.get(), bio, bio);
}

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
  input_ = stored ? std::string_view(left_over_) : bytes;
  advance();
  if (released_)
    return;
  // What OpenSSL did not take, because the reader pauses, must outlive `bytes`.
  if (!stored)
    left_over_ = input_;
  else
    left_over_.erase(0, left_over_.size() - input_.size());
  input_ = {};
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
  ERR_clear_error();
  const int outcome = SSL_do_handshake(session_.get());
  if (outcome != 1) {
    if (SSL_get_error(session_.get(), outcome) != SSL_ERROR_WANT_READ)
      fail_with(detail::describe_tls_failure(*session_, host_));
    else if (inner_ended_)
      fail_with({errc::tls_failed,
                 fmt::format("TLS with {}: the server closed the connection during the handshake; "
                             "see its log",
                             host_),
                 {}});
    return;
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
  std::array<char, plain_bytes> plain; // NOLINT: filled before it is read
  while (handler_ != nullptr && !paused_ && !failed_ && !ended_) {
    const reading read = decrypt(plain);
    if (read.bytes > 0)
      handler_->on_data(std::string_view(plain.data(), read.bytes));
    if (released_)
      return;
    if (read.failure)
      return fail_with(*read.failure);
    // A reader that pauses now learns of the end later: OpenSSL repeats it.
    if (read.stopped == SSL_ERROR_ZERO_RETURN && handler_ != nullptr && !paused_) {
      ended_ = true;
      return handler_->on_end();
    }
    if (read.stopped == SSL_ERROR_WANT_READ) {
      if (inner_ended_ && !paused_)
        fail_with({errc::reset,
                   fmt::format("TLS with {}: the connection ended without close_notify; what came "
                               "may be cut off",
                               host_),
                   {}});
      return;
    }
  }
}

tls_stream::reading tls_stream::decrypt(std::span<char> plain) {
  reading read;
  ERR_clear_error();
  while (read.bytes < plain.size()) {
    std::size_t bytes = 0;
    const int outcome =
        SSL_read_ex(session_.get(), plain.data() + read.bytes, plain.size() - read.bytes, &bytes);
    read.bytes += bytes;
    if (outcome == 1)
      continue;
    read.stopped = SSL_get_error(session_.get(), outcome);
    if (read.stopped != SSL_ERROR_WANT_READ && read.stopped != SSL_ERROR_ZERO_RETURN)
      read.failure = detail::describe_tls_failure(*session_, host_);
    break;
  }
  return read;
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
  return failure_ || !left_over_.empty() || inner_ended_ || SSL_has_pending(session_.get()) == 1 ||
         (SSL_get_shutdown(session_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
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
  ERR_clear_error();
  SSL_shutdown(session_.get());
  flush_inner();
  if (!failed_)
    inner_->shutdown_write();
}

void tls_stream::encrypt() {
  if (!out_.empty() && !failed_ && !closing_) {
    std::size_t written = 0;
    ERR_clear_error();
    // The BIO takes everything, so this writes everything or fails for good.
    if (SSL_write_ex(session_.get(), out_.data(), out_.size(), &written) != 1) {
      note_failure(detail::describe_tls_failure(*session_, host_));
      advance_later(); // No method calls its caller back.
    }
  }
  out_.clear();
  // One large message must not keep its memory for the life of the connection.
  if (out_.capacity() > limits::write_queue_high_bytes)
    std::string().swap(out_); // assigning an empty one would keep the memory
}

void tls_stream::flush_inner() {
  if (std::exchange(inner_dirty_, false))
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
  inner_dirty_ = false;
  fail_with({reason.code, fmt::format("TLS with {}: {}", host_, reason.message), reason.detail});
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
