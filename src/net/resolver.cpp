#include "net/resolver.hpp"

#include <csignal>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <netdb.h>

#include "base/limits.hpp"
#include "net/reactor_base.hpp"

namespace nexus::net {
namespace {

using addresses = std::vector<socket_address>;

std::unexpected<error> lookup_failure(const std::string& host, std::string_view why) {
  return fail(make_error_code(errc::resolve_failed),
              fmt::format("cannot find the address of {}: {}", host, why));
}

/// Blocks for as long as the system's resolver does.
result<addresses> ask_system(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (code != 0)
    return lookup_failure(host, code == EAI_SYSTEM ? errno_text(errno) : ::gai_strerror(code));
  addresses found;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_addrlen > sizeof(sockaddr_storage))
      continue;
    socket_address address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    found.push_back(address);
  }
  ::freeaddrinfo(list);
  if (found.empty())
    return lookup_failure(host, "the name has no address");
  return found;
}

/// Starts a thread that no signal of the process is delivered to.
template <class Body>
bool start_detached(Body body) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread(std::move(body)).detach();
  } catch (const std::system_error&) {
    started = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

} // namespace

struct resolver::shared_state {
  struct question {
    std::string host;
    std::uint16_t port;
    std::weak_ptr<name_lookup> asker;
  };
  std::mutex mutex;
  std::deque<question> questions;
  std::size_t threads = 0;
  reactor_base* owner = nullptr; ///< null once the reactor ended
};

resolver::resolver(reactor_base& owner) : state_(std::make_shared<shared_state>()) {
  state_->owner = &owner;
}

void resolver::close() noexcept {
  const std::lock_guard lock(state_->mutex);
  state_->owner = nullptr;
  state_->questions.clear();
}

std::vector<socket_address> resolver::known(const endpoint& of) {
  if (const auto numeric = socket_address::numeric(of.host, of.port))
    return {*numeric};
  // RFC 6761 s6.3: the name stands for the loopback addresses, whatever a resolver would say.
  if (of.host == "localhost")
    return {*socket_address::numeric("127.0.0.1", of.port),
            *socket_address::numeric("::1", of.port)};
  return {};
}

std::shared_ptr<name_lookup> resolver::lookup(const endpoint& of, name_lookup::handler on_done) {
  auto asked = std::make_shared<name_lookup>(of.host, of.port, std::move(on_done));
  bool start = false;
  bool full = false;
  {
    const std::lock_guard lock(state_->mutex);
    full = state_->questions.size() >= limits::name_lookups_waiting_max;
    if (!full) {
      state_->questions.push_back({of.host, of.port, asked});
      start = state_->threads < limits::name_lookup_threads_max;
      if (start)
        ++state_->threads;
    }
  }
  std::string_view refusal = full ? "too many lookups wait already" : "";
  if (start && !start_detached([state = state_] { serve(state); })) {
    const std::lock_guard lock(state_->mutex);
    if (--state_->threads == 0) {
      state_->questions.clear();
      refusal = "no thread could be started";
    }
  }
  if (!refusal.empty())
    state_->owner->post([weak = std::weak_ptr(asked), refusal] {
      if (const auto asker = weak.lock())
        asker->on_done(lookup_failure(asker->host, refusal));
    });
  return asked;
}

void resolver::serve(const std::shared_ptr<shared_state>& state) {
  std::unique_lock lock(state->mutex);
  while (!state->questions.empty()) {
    auto question = std::move(state->questions.front());
    state->questions.pop_front();
    if (question.asker.expired())
      continue;
    lock.unlock();
    auto answer = ask_system(question.host, question.port);
    lock.lock();
    // The lock keeps the reactor alive during post(): its resolver ends under the same one.
    if (state->owner != nullptr)
      state->owner->post([weak = question.asker, found = std::move(answer)]() mutable {
        if (const auto asker = weak.lock())
          asker->on_done(std::move(found));
      });
  }
  --state->threads;
}

} // namespace nexus::net
