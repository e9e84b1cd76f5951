#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "catalog/server_catalogue.hpp"
#include "config/config.hpp"
#include "config/vmcp.hpp"
#include "mcp/revision.hpp"
#include "net/reactor.hpp"
#include "store/database.hpp"

/// The line between the data path (workers) and the control plane (actors). The data path tells,
/// and is told; it never asks and waits.
namespace nexus::engine {

struct session;

enum class server_state : std::uint8_t {
  idle,       ///< lazy: not started yet
  connecting, ///< a handshake runs: calls wait for it
  ready,
  down, ///< calls fail at once with the reason
};
[[nodiscard]] std::string_view to_string(server_state state) noexcept;

/// Whose one of several sessions with a legacy server is. Each has a slot of its own, and an
/// endpoint there; what is listed and subscribed to goes over the server's own slot.
struct branch {
  std::uint32_t of = 0;                  ///< the server's own slot
  std::string key;                       ///< unique for the server
  std::string capabilities;              ///< JSON: what the server is told that its client can do
  std::shared_ptr<const session> client; ///< to whom alone it belongs; null: to several
  bool once = false;                     ///< for one call
};
using branch_ptr = std::shared_ptr<const branch>;

/// How to reach a server: immutable, replaced as a whole on every worker.
struct server_endpoint {
  std::uint32_t slot = 0;
  std::uint64_t link = 0; ///< the link's generation: which attempt to connect this belongs to
  server_state state = server_state::connecting;
  std::string reason; ///< why it is down
  std::shared_ptr<const config::server> settings;
  branch_ptr as; ///< null: the server's own slot
  mcp::era era = mcp::era::legacy;
  mcp::revision revision = mcp::newest_legacy;
  worker_id home;             ///< the worker that holds the link
  bool channel = false;       ///< stdio or HTTP+SSE: every call goes over the home worker's link
  std::string session_id;     ///< legacy Streamable HTTP
  std::string server_info;    ///< JSON, as the server told it
  std::string capabilities;   ///< JSON
  bool logging = false;       ///< advertises the logging capability
  bool resources = false;     ///< advertises the resources capability
  int pid = 0;                ///< of a stdio child
  std::uint64_t restarts = 0; ///< times that it was connected again after a failure
};
using endpoint_ptr = std::shared_ptr<const server_endpoint>;

/// How a server's link begins.
struct link_start {
  std::uint32_t slot = 0;
  std::uint64_t link = 0;
  std::shared_ptr<const config::server> settings;
  branch_ptr as; ///< null: the server's own slot
  /// Skip the probe: an earlier one found a legacy server, or ended the child.
  bool known_legacy = false;
};

/// Why a link ended.
struct link_failure {
  std::string reason;
  /// A stdio child ended at the probe: connect again without probing.
  bool retry_as_legacy = false;
  /// The server forgot the session: connect again at once.
  bool session_lost = false;
};

/// Which virtual MCPs get the ports that they want.
enum class own_ports : std::uint8_t {
  none,
  made_here, ///< those that clients of this process make: others may be another process's too
  all,
};

/// A virtual MCP as the API tells of it.
struct vmcp_row {
  std::string id;
  std::uint32_t number = 0;
  std::string_view state;
  std::uint64_t generation = 0;
  bool from_api = false; ///< else the configuration's
  std::chrono::system_clock::time_point created;
  std::optional<std::chrono::system_clock::time_point> expires;
  std::uint32_t in_flight = 0;
  std::uint16_t port = 0;   ///< of its own; 0: none
  std::string port_problem; ///< why it lacks the port that it wants; usually empty
  config::vmcp_definition_ptr definition;
};

struct vmcp_event {
  std::uint64_t sequence = 0;
  std::chrono::system_clock::time_point time;
  std::string id;
  std::string_view what;  ///< created, restored, ready, updated, draining, closed
  std::uint16_t port = 0; ///< of its own, then; 0: none
};

struct vmcp_answer {
  unsigned status = 200;      ///< of HTTP
  std::string problem;        ///< when the status is one of failure
  std::vector<vmcp_row> rows; ///< one, but for a list
  std::vector<vmcp_event> events;
  std::uint64_t next_event = 0;
};

/// What a client of the API wants done with virtual MCPs.
struct vmcp_request {
  enum class what : std::uint8_t { list, get, create, update, remove, events };
  what verb = what::list;
  std::string id;
  config::vmcp_definition_ptr definition;  ///< of create and update
  std::optional<std::uint64_t> generation; ///< of update: the one that it has to be
  std::uint64_t after = 0;                 ///< of events
  std::function<void(vmcp_answer)> answer; ///< called once, on any thread
};

/// What workers tell the control plane. @thread any worker; implementations only send messages
class control {
 public:
  virtual ~control() = default;
  /// A call waits for a server that is idle.
  virtual void server_wanted(std::uint32_t slot) = 0;
  /// Calls wait for a session of a server.
  virtual void branch_wanted(branch_ptr wanted) = 0;
  /// The only call of a branch has ended.
  virtual void branch_done(branch_ptr done) = 0;
  virtual void link_up(endpoint_ptr endpoint,
                       std::shared_ptr<const catalog::server_catalogue> catalogue) = 0;
  /// The server's list changed while connected.
  virtual void link_relisted(std::uint32_t slot, std::uint64_t link,
                             std::shared_ptr<const catalog::server_catalogue> catalogue) = 0;
  virtual void link_down(std::uint32_t slot, std::uint64_t link, link_failure failure) = 0;
  virtual void session_opened(std::shared_ptr<session> opened) = 0;
  /// A client ended its session. The session is marked closed already.
  virtual void session_closed(const std::shared_ptr<session>& closed) = 0;
  virtual void vmcps_wanted(vmcp_request request) = 0;
  /// Runs `work` on the thread that has the store, after what was asked of it before. What `work`
  /// finds out has to be posted back.
  virtual void with_store(std::function<void(store::database&)> work) = 0;
  /// What a server tells instead of its pins was accepted.
  virtual void pins_accepted(std::string server) = 0;
  /// A session changed the least severity that it wants to see.
  virtual void log_level_changed() = 0;
};

} // namespace nexus::engine
