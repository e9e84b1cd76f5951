#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/socket.hpp"

/// Names to addresses without blocking the reactor.
namespace nexus::net {

class reactor_base;

/// One question. Dropping the pointer that lookup() returned cancels the answer.
struct name_lookup {
  using handler = unique_function<void(result<std::vector<socket_address>>)>;
  std::string host;
  std::uint16_t port = 0;
  handler on_done;
};

/// Asks getaddrinfo on a few threads of its own, which exist only while there are questions and
/// are never waited for: the system's resolver may hang for longer than a shutdown may take.
/// @thread the reactor's
class resolver {
 public:
  explicit resolver(reactor_base& owner);
  resolver(const resolver&) = delete;
  resolver& operator=(const resolver&) = delete;
  ~resolver() { close(); }
  /// Answers that come later are dropped: `owner` may end.
  void close() noexcept;

  /// `on_done` runs on the reactor's thread unless the returned pointer is gone by then.
  /// @errors resolve_failed: unknown name, or too many questions
  [[nodiscard]] std::shared_ptr<name_lookup> lookup(const endpoint& of,
                                                    name_lookup::handler on_done);

  /// Numeric addresses and `localhost`: known without asking. Empty for other names.
  [[nodiscard]] static std::vector<socket_address> known(const endpoint& of);

 private:
  struct shared_state;
  static void serve(const std::shared_ptr<shared_state>& state);
  std::shared_ptr<shared_state> state_;
};

} // namespace nexus::net
