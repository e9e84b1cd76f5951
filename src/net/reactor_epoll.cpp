#include "net/reactor_epoll.hpp"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.hpp"
#include "net/io_stream.hpp"

// Every descriptor is registered once, edge-triggered, for both directions: an edge for writing
// costs nothing, since the kernel reports it only after a write that found no room. A descriptor
// is removed explicitly before it is closed: a child between fork and exec holds a copy of it,
// which would keep the registration, and with it a pointer to freed memory, alive.
namespace nexus::net {
namespace {

/// Bytes taken by one read. Shared by all streams of the reactor, so it stays in the cache.
constexpr std::size_t read_buffer_bytes = 64 * 1024;
/// Full reads of one stream in a row before others get their turn.
constexpr int reads_per_turn = 16;
/// Connections that one listener accepts in a row.
constexpr int accepts_per_turn = 256;
constexpr std::size_t events_per_call = 512;
/// A turn with so few events sends after each of them: the peer need not wait for the rest. With
/// more, sends one after the other cost less.
constexpr int events_few = 8;

/// What an event leads to; the lowest bit of its pointer says which descriptor of a pair it is.
class epoll_source {
 public:
  virtual void on_ready(std::uint32_t events) = 0;

 protected:
  ~epoll_source() = default;
};

class epoll_reactor final : public reactor_base {
 public:
  epoll_reactor(unique_fd epoll, unique_fd eventfd);
  ~epoll_reactor() override;

  [[nodiscard]] reactor_kind kind() const noexcept override { return reactor_kind::epoll; }
  [[nodiscard]] stream_ptr make_stream(const descriptors& fds) override;
  [[nodiscard]] acceptor* make_acceptor(unique_fd fd, accept_handler on_accept) override;
  [[nodiscard]] connect_attempt* start_attempt(unique_fd fd, const socket_address& to,
                                               connect_attempt::handler on_done) override;

  /// @returns whether the descriptor can be waited for; a regular file cannot
  bool watch(int fd, std::uint32_t events, epoll_source& source) noexcept;
  void unwatch(int fd) noexcept;
  [[nodiscard]] char* read_buffer() noexcept { return buffer_.data(); }

 protected:
  void collect(nanoseconds max) override;
  [[nodiscard]] bool has_ready() const noexcept override { return ready_count_ > 0; }
  std::size_t dispatch() override;
  void end_turn() override { flush_streams(); }
  void interrupt() noexcept override;

 private:
  unique_fd epoll_;
  unique_fd eventfd_;
  int ready_count_ = 0;
  std::array<epoll_event, events_per_call> ready_{};
  std::array<char, read_buffer_bytes + readable_beyond_bytes> buffer_; // NOLINT: by the kernel
};

// ---- Streams -----------------------------------------------------------------------------------

class epoll_stream final : public io_stream {
 public:
  epoll_stream(epoll_reactor& on, const descriptors& fds);

 protected:
  void start_reading() override;
  void send_queued() override;
  void stop() noexcept override { close_descriptors(); }
  void forget(int fd) noexcept override { on_.unwatch(fd); }

 private:
  struct read_side final : epoll_source {
    explicit read_side(epoll_stream& s) : stream(s) {}
    void on_ready(std::uint32_t events) override { stream.on_readable(events); }
    epoll_stream& stream;
  };
  /// Of a pair of pipes; a socket has one registration for both directions.
  struct write_side final : epoll_source {
    explicit write_side(epoll_stream& s) : stream(s) {}
    void on_ready(std::uint32_t /*events*/) override { stream.on_writable(); }
    epoll_stream& stream;
  };

  void on_readable(std::uint32_t events);
  void on_writable();

  epoll_reactor& on_;
  read_side read_side_{*this};
  write_side write_side_{*this};
  bool readable_ = false;     ///< an edge came, and no read found the descriptor empty since
  bool hung_up_ = false;      ///< no further edge comes: read until the end is seen
  bool always_ready_ = false; ///< a file, which epoll refuses
  bool blocked_ = false;      ///< a write found no room
};

epoll_stream::epoll_stream(epoll_reactor& on, const descriptors& fds)
    : io_stream(on, fds), on_(on) {
  constexpr std::uint32_t reading = EPOLLIN | EPOLLRDHUP | EPOLLET;
  const std::uint32_t both = reading | EPOLLOUT;
  if (fds.read >= 0)
    always_ready_ = !on.watch(fds.read, fds.read == fds.write ? both : reading, read_side_);
  if (fds.write >= 0 && fds.write != fds.read)
    on.watch(fds.write, EPOLLOUT | EPOLLET, write_side_);
  readable_ = always_ready_;
}

void epoll_stream::on_readable(std::uint32_t events) {
  if (dead())
    return;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
    hung_up_ = true;
  if ((events & ~std::uint32_t{EPOLLOUT}) != 0) {
    readable_ = true;
    if (wants_data())
      start_reading();
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
    on_writable();
}

void epoll_stream::on_writable() {
  if (dead() || failing() || !blocked_)
    return;
  blocked_ = false;
  send_queued();
}

void epoll_stream::start_reading() {
  char* const buffer = on_.read_buffer();
  for (int reads = 0; readable_ && wants_data() && !end_reached() && !failing(); ++reads) {
    if (reads == reads_per_turn)
      return reactor_->defer(*this);
    const ssize_t n = reads_socket() ? ::recv(read_fd_, buffer, read_buffer_bytes, MSG_DONTWAIT)
                                     : ::read(read_fd_, buffer, read_buffer_bytes);
    on_.count_system_call();
    if (n > 0) {
      const auto size = static_cast<std::size_t>(n);
      // A short read emptied the socket, unless the end of the stream is behind it.
      if (size < read_buffer_bytes && !hung_up_ && !always_ready_)
        readable_ = false;
      deliver({buffer, size});
    } else if (n == 0) {
      readable_ = false;
      return reached_end();
    } else if (errno != EINTR) {
      readable_ = false;
      if (errno != EAGAIN)
        read_failed(errno);
    }
  }
}

void epoll_stream::send_queued() {
  if (blocked_)
    return;
  for (auto bytes = next_bytes(); !bytes.empty(); bytes = next_bytes()) {
    const ssize_t n =
        writes_socket() ? ::send(write_fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT)
                        : ::write(write_fd_, bytes.data(), bytes.size());
    on_.count_system_call();
    if (n >= 0) {
      sent(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      blocked_ = true;
      return await_progress();
    } else if (errno != EINTR) {
      return send_failed(errno);
    }
  }
  all_sent();
}

// ---- Listeners and connection attempts ---------------------------------------------------------

class epoll_acceptor final : public acceptor, private epoll_source {
 public:
  epoll_acceptor(epoll_reactor& on, unique_fd fd, reactor::accept_handler on_accept)
      : acceptor(on, std::move(fd), std::move(on_accept)), on_(on) {}

  void start() override {
    if (!watched_)
      watched_ = on_.watch(fd_.get(), EPOLLIN | EPOLLET, *this);
    on_.defer(*this);
  }
  void run_deferred() override { on_ready(EPOLLIN); }

 protected:
  void stop() noexcept override {
    if (!fd_)
      return;
    on_.unwatch(fd_.get());
    fd_.reset();
  }

 private:
  void on_ready(std::uint32_t /*events*/) override {
    for (int count = 0; !released() && fd_; ++count) {
      if (count == accepts_per_turn)
        return on_.defer(*this);
      const int fd = ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      const int number = errno;
      on_.count_system_call();
      if (fd >= 0)
        accepted(fd);
      else if (number == EAGAIN || (number != EINTR && !accept_failed(number)))
        return;
    }
  }

  epoll_reactor& on_;
  bool watched_ = false;
};

class epoll_attempt final : public connect_attempt, private epoll_source {
 public:
  epoll_attempt(epoll_reactor& on, unique_fd fd, const socket_address& to, handler on_done)
      : connect_attempt(on, std::move(fd), to, std::move(on_done)), on_(on) {
    number_ = ::connect(fd_.get(), to_.get(), to_.size) == 0 ? 0 : errno;
    on_.count_system_call();
    if (number_ == EINPROGRESS || number_ == EINTR)
      watched_ = on_.watch(fd_.get(), EPOLLOUT | EPOLLET, *this);
    else
      on_.defer(*this);
  }
  void run_deferred() override { finish(number_); }

 protected:
  void stop() noexcept override {
    if (!fd_)
      return;
    if (std::exchange(watched_, false))
      on_.unwatch(fd_.get());
    fd_.reset();
  }

 private:
  void on_ready(std::uint32_t /*events*/) override {
    if (released() || !watched_)
      return;
    watched_ = false;
    on_.unwatch(fd_.get());
    int number = 0;
    socklen_t size = sizeof number;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &number, &size) != 0)
      number = errno;
    on_.count_system_call();
    finish(number);
  }

  epoll_reactor& on_;
  int number_ = 0;
  bool watched_ = false;
};

// ---- The reactor -------------------------------------------------------------------------------

epoll_reactor::epoll_reactor(unique_fd epoll, unique_fd eventfd)
    : epoll_(std::move(epoll)), eventfd_(std::move(eventfd)) {
  // Each write to the eventfd is an edge of its own, so it is never read.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  NEXUS_ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, eventfd_.get(), &event) == 0);
}

epoll_reactor::~epoll_reactor() {
  stop_objects();
  part_from_objects();
}

stream_ptr epoll_reactor::make_stream(const descriptors& fds) {
  return stream_ptr(new epoll_stream(*this, fds));
}

acceptor* epoll_reactor::make_acceptor(unique_fd fd, accept_handler on_accept) {
  return new epoll_acceptor(*this, std::move(fd), std::move(on_accept));
}

connect_attempt* epoll_reactor::start_attempt(unique_fd fd, const socket_address& to,
                                              connect_attempt::handler on_done) {
  return new epoll_attempt(*this, std::move(fd), to, std::move(on_done));
}

bool epoll_reactor::watch(int fd, std::uint32_t events, epoll_source& source) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  count_system_call();
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void epoll_reactor::unwatch(int fd) noexcept {
  count_system_call();
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void epoll_reactor::interrupt() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(eventfd_.get(), &one, sizeof one);
}

void epoll_reactor::collect(nanoseconds max) {
  // epoll_wait counts milliseconds; rounding up keeps a timer from being looked at too early.
  constexpr auto longest = std::chrono::hours(24);
  const auto wait = std::chrono::ceil<milliseconds>(std::min<nanoseconds>(max, longest));
  ready_count_ = ::epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()),
                              static_cast<int>(wait.count()));
  count_system_call();
}

std::size_t epoll_reactor::dispatch() {
  std::size_t events = 0;
  for (int i = 0; i < ready_count_; ++i) {
    const auto& event = ready_[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr)
      continue; // The eventfd.
    ++events;
    note_party(event.data.ptr);
    static_cast<epoll_source*>(event.data.ptr)->on_ready(event.events);
    if (ready_count_ <= events_few)
      flush_streams();
  }
  return events;
}

} // namespace

result<std::unique_ptr<reactor_base>> create_epoll_reactor() {
  unique_fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  unique_fd wakeups(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll || !wakeups)
    return fail(make_error_code(errc::unsupported),
                "cannot create an epoll set: " + errno_text(errno));
  return std::make_unique<epoll_reactor>(std::move(epoll), std::move(wakeups));
}

} // namespace nexus::net
