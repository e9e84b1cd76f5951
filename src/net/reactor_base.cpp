#include "net/reactor_base.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "net/connector.hpp"
#include "net/io_stream.hpp"

namespace nexus::net {

// ---- io_object ---------------------------------------------------------------------------------

io_object::io_object(reactor_base& owner) noexcept : reactor_(&owner) {
  next_ = owner.objects_;
  previous_next_ = &owner.objects_;
  if (next_ != nullptr)
    next_->previous_next_ = &next_;
  owner.objects_ = this;
}

io_object::~io_object() {
  if (previous_next_ == nullptr)
    return;
  *previous_next_ = next_;
  if (next_ != nullptr)
    next_->previous_next_ = previous_next_;
}

void io_object::drop() noexcept {
  NEXUS_DASSERT(holds_ > 0);
  if (--holds_ == 0 && released_)
    reactor_->graveyard_.push_back(this);
}

void io_object::let_go() noexcept {
  NEXUS_DASSERT(!released_);
  released_ = true;
  if (holds_ != 0)
    return;
  if (reactor_ == nullptr)
    delete this;
  else
    reactor_->graveyard_.push_back(this);
}

// ---- descriptors -------------------------------------------------------------------------------

descriptors descriptors::of(int read_fd, int write_fd) noexcept {
  const auto is_socket = [](int fd) {
    struct stat status {};
    return fd >= 0 && ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
  };
  const bool read_socket = is_socket(read_fd);
  return {read_fd, write_fd, read_socket, write_fd == read_fd ? read_socket : is_socket(write_fd)};
}

// ---- acceptor ----------------------------------------------------------------------------------

acceptor::acceptor(reactor_base& owner, unique_fd fd, reactor::accept_handler on_accept)
    : io_object(owner), fd_(std::move(fd)), on_accept_(std::move(on_accept)),
      retry_([this] { start(); }) {}

void acceptor::close() noexcept {
  retry_.cancel();
  if (reactor_ != nullptr)
    stop();
  let_go();
}

void acceptor::reactor_ends() noexcept {
  retry_.cancel();
  stop();
}

void acceptor::accepted(int fd) {
  unique_fd guard(fd);
  if (released() || !fd_)
    return;
  const endpoint peer = peer_endpoint(fd);
  reactor_->count_system_call();
  on_accept_(reactor_->make_stream(descriptors::of_socket(guard.release())), peer);
}

bool acceptor::accept_failed(int number) {
  const bool short_of_descriptors =
      number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
  if (!short_of_descriptors)
    return true; // The one connection broke, such as ECONNABORTED.
  if (complaints_.allow(reactor_->now()))
    log::warn("net", "accept_paused",
              {{"listener", local().to_string()}, {"reason", errno_text(number)}});
  reactor_->arm(retry_, limits::accept_retry_delay);
  return false;
}

// ---- connect_attempt ---------------------------------------------------------------------------

connect_attempt::connect_attempt(reactor_base& owner, unique_fd fd, const socket_address& to,
                                 handler on_done)
    : io_object(owner), fd_(std::move(fd)), to_(to), on_done_(std::move(on_done)) {}

void connect_attempt::cancel() noexcept {
  if (reactor_ != nullptr)
    stop();
  let_go();
}

void connect_attempt::reactor_ends() noexcept {
  stop();
}

void connect_attempt::finish(int number) {
  auto done = std::move(on_done_);
  let_go();
  done(std::move(fd_), number);
}

// ---- reactor_base ------------------------------------------------------------------------------

reactor_base::reactor_base()
    : now_(std::chrono::steady_clock::now()), timers_(now_),
      write_stall_timeout_(limits::write_stall_timeout), resolver_(*this) {}

void reactor_base::wake() noexcept {
  if (sleep_.exchange(sleep_state::notified) == sleep_state::sleeping)
    interrupt();
}

void reactor_base::post(unique_function<void()> work) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
    has_posted_.store(true, std::memory_order_relaxed);
  }
  wake();
}

reactor_counters reactor_base::counters() const noexcept {
  return {turns_.get(),       waits_.get(),     system_calls_.get(),
          completions_.get(), posts_run_.get(), streams_.get()};
}

time_point reactor_base::read_clock() noexcept {
  return now_ = std::chrono::steady_clock::now();
}

void reactor_base::schedule_flush(io_stream& s) {
  s.hold();
  flushing_.push_back(&s);
}

void reactor_base::defer(io_object& object) {
  if (object.deferred_)
    return;
  object.deferred_ = true;
  object.hold();
  deferred_.push_back(&object);
}

nanoseconds reactor_base::sleep_time(nanoseconds max) const {
  if (max <= nanoseconds::zero() || !deferred_.empty())
    return nanoseconds::zero();
  const auto timer =
      timers_.size() == 0 ? std::nullopt : timers_.until_next(std::chrono::steady_clock::now());
  return timer ? std::min(max, *timer) : max;
}

// A conversation with one peer at a time consists of waits that are shorter than going to sleep
// and being woken. Many peers make each wake-up bring several events, and then sleeping costs
// little and gathers more. It also earns the thread its turn: the kernel lets one that always runs
// wait for every other thread of the processor, milliseconds at a time. So only a row of short
// waits for single events of the same two streams, a client's and a server's, is spun through. It
// does not yield, which the kernel counts as a whole slice of time. A peer that needs this very
// processor is found out by its answer, which comes as soon as the thread sleeps.

bool reactor_base::spin(nanoseconds max) {
  const auto end = now_ + std::min<nanoseconds>(max, limits::spin_max);
  do {
    collect(nanoseconds::zero());
    if (has_ready())
      return true;
    if (sleep_.load(std::memory_order_relaxed) == sleep_state::notified)
      return false;
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

void reactor_base::judge_wait(nanoseconds waited, std::size_t events, spun how) noexcept {
  if (how == spun::caught)
    short_waits_to_spin_ = short_waits_min;
  else if (how == spun::in_vain && waited < 2 * limits::spin_max)
    short_waits_to_spin_ = std::min(2 * short_waits_to_spin_, short_waits_max);
  const bool stranger = std::exchange(stranger_, false);
  if (waited > limits::spin_max || events > 1 || stranger)
    short_waits_ /= 2;
  else if (short_waits_ < 2 * short_waits_to_spin_)
    ++short_waits_;
}

std::size_t reactor_base::turn(nanoseconds max) {
  flush_streams();
  nanoseconds sleep = sleep_time(max);
  const bool waits = sleep > nanoseconds::zero();
  const auto before = now_;
  auto how = spun::never;
  if (waits && short_waits_ >= short_waits_to_spin_)
    how = spin(sleep) ? spun::caught : spun::in_vain;
  const bool caught = how == spun::caught;
  if (caught) {
    sleep = nanoseconds::zero();
  } else if (waits) {
    // From here on a wake() either finds `sleeping` and interrupts, or was seen here.
    auto expected = sleep_state::awake;
    if (!sleep_.compare_exchange_strong(expected, sleep_state::sleeping)) {
      sleep_.exchange(sleep_state::awake);
      sleep = nanoseconds::zero();
    }
  }
  if (!caught)
    collect(sleep);
  if (sleep > nanoseconds::zero()) {
    sleep_.exchange(sleep_state::awake);
    waits_.add();
  }
  read_clock();
  std::size_t events = dispatch();
  completions_.add(events);
  if (waits)
    judge_wait(now_ - before, events, how);
  events += run_deferred_objects();
  events += run_posted();
  events += timers_.advance(now_);
  end_turn();
  bury();
  if (events != 0)
    turns_.add();
  return events;
}

void reactor_base::flush_streams() {
  if (flushing_.empty())
    return;
  flushing_now_.swap(flushing_);
  for (io_stream* s : flushing_now_) {
    s->flush_now();
    s->drop();
  }
  flushing_now_.clear();
}

std::size_t reactor_base::run_deferred_objects() {
  if (deferred_.empty())
    return 0;
  deferred_now_.swap(deferred_);
  for (io_object* object : deferred_now_) {
    object->deferred_ = false;
    if (!object->released_)
      object->run_deferred();
    object->drop();
  }
  const std::size_t count = deferred_now_.size();
  deferred_now_.clear();
  return count;
}

std::size_t reactor_base::run_posted() {
  if (!has_posted_.load(std::memory_order_relaxed))
    return 0;
  {
    const std::lock_guard lock(posted_mutex_);
    posted_now_.swap(posted_);
    has_posted_.store(false, std::memory_order_relaxed);
  }
  for (auto& work : posted_now_) {
    work();
    work = {};
  }
  const std::size_t count = posted_now_.size();
  posts_run_.add(count);
  posted_now_.clear();
  return count;
}

void reactor_base::bury() noexcept {
  // Destructors of handlers may release further objects.
  while (!graveyard_.empty()) {
    io_object* const object = graveyard_.back();
    graveyard_.pop_back();
    delete object;
  }
}

void reactor_base::stop_objects() noexcept {
  resolver_.close();
  std::vector<unique_function<void()>> posted;
  {
    const std::lock_guard lock(posted_mutex_);
    posted.swap(posted_);
  }
  posted.clear();
  for (io_object* object = objects_; object != nullptr; object = object->next_)
    if (!object->released_)
      object->reactor_ends();
  for (io_stream* s : flushing_)
    s->drop();
  flushing_.clear();
  for (io_object* object : deferred_)
    object->drop();
  deferred_.clear();
}

void reactor_base::part_from_objects() noexcept {
  bury();
  while (objects_ != nullptr) {
    io_object* const object = objects_;
    objects_ = object->next_;
    object->next_ = nullptr;
    object->previous_next_ = nullptr;
    object->reactor_ = nullptr;
  }
}

result<std::unique_ptr<listener>> reactor_base::listen(const endpoint& at,
                                                       accept_handler on_accept) {
  auto fd = open_listener(at);
  if (!fd)
    return std::unexpected(std::move(fd.error()));
  return accept_on(fd->release(), std::move(on_accept));
}

std::unique_ptr<listener> reactor_base::accept_on(int listening_fd, accept_handler on_accept) {
  class handle final : public listener {
   public:
    explicit handle(acceptor& a) : acceptor_(a), local_(a.local()) {}
    ~handle() override { acceptor_.close(); }
    [[nodiscard]] endpoint local() const override { return local_; }

   private:
    acceptor& acceptor_;
    endpoint local_;
  };
  acceptor* const made = make_acceptor(unique_fd(listening_fd), std::move(on_accept));
  auto owner = std::make_unique<handle>(*made);
  made->start();
  return owner;
}

std::unique_ptr<pending_connect> reactor_base::connect(connect_options options,
                                                       connect_handler on_done) {
  return start_connector(*this, std::move(options), std::move(on_done));
}

stream_ptr reactor_base::adopt(int read_fd, int write_fd) {
  return make_stream(descriptors::of(read_fd, write_fd));
}

} // namespace nexus::net
