#include "net/connector.hpp"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "net/tls_stream.hpp"

namespace nexus::net {
namespace {

/// One connect(), from the name to the stream. Owned by its handle.
class connector final : public io_object {
 public:
  connector(reactor_base& on, connect_options options, reactor::connect_handler on_done)
      : io_object(on), options_(std::move(options)), on_done_(std::move(on_done)),
        deadline_([this] { on_deadline(); }), turn_over_([this] { on_turn_over(); }) {}

  void start();
  /// The handle is gone: nothing is called any more.
  void cancel() noexcept {
    stop();
    on_done_ = {};
    let_go();
  }
  void run_deferred() override;
  void reactor_ends() noexcept override { stop(); }

 private:
  void stop() noexcept;
  void resolved(result<std::vector<socket_address>> found);
  void try_next();
  void attempted(unique_fd fd, int number);
  void on_turn_over();
  void on_deadline();
  void encrypt(stream_ptr tcp);
  void fail_with(error reason);
  void finish(result<stream_ptr> outcome);
  [[nodiscard]] std::string target() const;

  connect_options options_;
  reactor::connect_handler on_done_;
  timer deadline_;
  timer turn_over_; ///< the share of the address that is being tried
  time_point until_{};
  std::shared_ptr<name_lookup> lookup_;
  std::vector<socket_address> addresses_;
  std::size_t next_ = 0; ///< of addresses_
  connect_attempt* attempt_ = nullptr;
  std::unique_ptr<pending_connect> handshake_;
  std::string last_failure_;
};

void connector::start() {
  until_ = reactor_->read_clock() + options_.timeout;
  reactor_->arm(deadline_, options_.timeout);
  addresses_ = resolver::known(options_.to);
  if (addresses_.empty())
    lookup_ =
        reactor_->names().lookup(options_.to, [this](result<std::vector<socket_address>> found) {
          resolved(std::move(found));
        });
  else
    reactor_->defer(*this); // The caller does not have its handle yet.
}

void connector::run_deferred() {
  if (on_done_ && attempt_ == nullptr && !handshake_)
    try_next();
}

void connector::stop() noexcept {
  deadline_.cancel();
  turn_over_.cancel();
  lookup_.reset();
  handshake_.reset();
  if (attempt_ != nullptr)
    std::exchange(attempt_, nullptr)->cancel();
}

void connector::resolved(result<std::vector<socket_address>> found) {
  if (!found)
    return fail_with(std::move(found.error()));
  addresses_ = std::move(*found);
  try_next();
}

void connector::try_next() {
  while (next_ < addresses_.size()) {
    const socket_address& to = addresses_[next_++];
    unique_fd fd = open_client_socket(to.family());
    if (!fd) {
      last_failure_ = fmt::format("{}: {}", to.to_endpoint().to_string(), errno_text(errno));
      continue;
    }
    const auto left = static_cast<std::int64_t>(addresses_.size() - next_);
    if (left > 0)
      reactor_->arm(turn_over_, (until_ - reactor_->now()) / (left + 1));
    attempt_ = reactor_->start_attempt(std::move(fd), to, [this](unique_fd done, int number) {
      attempted(std::move(done), number);
    });
    return;
  }
  fail_with({make_error_code(errc::connect_failed),
             fmt::format("cannot connect to {}: {}", target(), last_failure_),
             {}});
}

void connector::attempted(unique_fd fd, int number) {
  attempt_ = nullptr;
  turn_over_.cancel();
  if (number != 0) {
    last_failure_ =
        fmt::format("{}: {}", addresses_[next_ - 1].to_endpoint().to_string(), errno_text(number));
    return try_next();
  }
  auto tcp = reactor_->make_stream(descriptors::of_socket(fd.release()));
  if (options_.tls)
    encrypt(std::move(tcp));
  else
    finish(std::move(tcp));
}

void connector::on_turn_over() {
  std::exchange(attempt_, nullptr)->cancel();
  last_failure_ = fmt::format("{}: no answer", addresses_[next_ - 1].to_endpoint().to_string());
  try_next();
}

void connector::on_deadline() {
  const std::string_view stage = handshake_                      ? "the TLS handshake"
                                 : lookup_ && addresses_.empty() ? "the name lookup"
                                                                 : "the connection";
  fail_with({make_error_code(errc::timed_out),
             fmt::format("cannot connect to {}: {} took longer than {} ms", target(), stage,
                         options_.timeout.count()),
             last_failure_});
}

void connector::encrypt(stream_ptr tcp) {
  if (options_.tls->server_name.empty())
    options_.tls->server_name = options_.to.host;
  handshake_ = wrap_tls(*reactor_, std::move(tcp), *options_.tls,
                        [this](result<stream_ptr> wrapped) { finish(std::move(wrapped)); });
}

void connector::fail_with(error reason) {
  finish(std::unexpected(std::move(reason)));
}

void connector::finish(result<stream_ptr> outcome) {
  auto done = std::move(on_done_);
  stop();
  if (done)
    done(std::move(outcome));
}

std::string connector::target() const {
  return options_.to.to_string();
}

class connector_handle final : public pending_connect {
 public:
  explicit connector_handle(connector& c) : connector_(c) {}
  ~connector_handle() override { connector_.cancel(); }

 private:
  connector& connector_;
};

} // namespace

std::unique_ptr<pending_connect> start_connector(reactor_base& on, connect_options options,
                                                 reactor::connect_handler on_done) {
  // Deleted by the reactor once the handle let go of it and nothing refers to it.
  auto* const made = new connector(on, std::move(options), std::move(on_done));
  auto handle = std::make_unique<connector_handle>(*made);
  made->start();
  return handle;
}

} // namespace nexus::net
