#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <caf/all.hpp>

#include "catalog/snapshot.hpp"
#include "config/config.hpp"
#include "engine/control.hpp"
#include "engine/session.hpp"
#include "engine/vmcp_ports.hpp"
#include "engine/vmcps.hpp"
#include "seal/digest.hpp"
#include "store/database.hpp"

/// The vocabulary of the actors, on one page. Every message is local: payloads are shared,
/// immutable values. Requests are imperatives, events are past tense.
namespace nexus::actors {

// ---- To a server actor -------------------------------------------------------------------------
/// It is known to the directory: what its link reports will reach it.
struct begin_server {};
/// A call waits for a lazy server.
struct want_server {};
struct link_came_up {
  engine::endpoint_ptr endpoint;
  std::shared_ptr<const catalog::server_catalogue> catalogue;
};
struct link_relisted {
  std::uint64_t link = 0;
  std::shared_ptr<const catalog::server_catalogue> catalogue;
};
struct link_went_down {
  std::uint64_t link = 0;
  engine::link_failure failure;
};
/// Its own reminder that the back-off is over.
struct reconnect {
  std::uint64_t link = 0;
};
/// The configuration does not name it any more: finish calls, then go.
struct retire_server {};
/// Its own reminder to look whether calls are still under way.
struct check_retired {
  std::uint32_t checks = 0;
};

} // namespace nexus::actors

#define NEXUS_LOCAL_MESSAGE(type) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nexus::actors::type)
NEXUS_LOCAL_MESSAGE(begin_server)
NEXUS_LOCAL_MESSAGE(want_server)
NEXUS_LOCAL_MESSAGE(link_came_up)
NEXUS_LOCAL_MESSAGE(link_relisted)
NEXUS_LOCAL_MESSAGE(link_went_down)
NEXUS_LOCAL_MESSAGE(reconnect)
NEXUS_LOCAL_MESSAGE(retire_server)
NEXUS_LOCAL_MESSAGE(check_retired)

namespace nexus::actors {

using server_actor = caf::typed_actor<caf::reacts_to<begin_server>, caf::reacts_to<want_server>,
                                      caf::reacts_to<link_came_up>, caf::reacts_to<link_relisted>,
                                      caf::reacts_to<link_went_down>, caf::reacts_to<reconnect>,
                                      caf::reacts_to<retire_server>, caf::reacts_to<check_retired>>;

// ---- To a vmcp actor ---------------------------------------------------------------------------
struct define_vmcp {
  config::vmcp_definition_ptr definition;
  std::uint64_t generation = 0;
};
/// What the queries of a definition found; null: not everything is indexed yet.
struct vmcp_found {
  std::uint64_t generation = 0;
  std::shared_ptr<const catalog::frozen_tools> tools;
};
struct search_again {};
/// Finish calls, then close.
struct drain_vmcp {
  std::string_view why;
};
/// Look for the end of its time, or of its calls.
struct check_vmcp {};

// ---- To the keeper -----------------------------------------------------------------------------
struct apply_vmcps {
  std::shared_ptr<const config::gateway> settings;
};
struct ask_vmcps {
  engine::vmcp_request request;
};
struct vmcp_changed {
  std::uint32_t number = 0;
  engine::vmcp_endpoint_ptr endpoint;
  std::string_view what;
};
/// Its own reminder to have those that can expire look at the time.
struct sweep_vmcps {};
/// What the store made of a request of the API: the generation that it has now, 0 when the virtual
/// MCP was removed.
struct vmcp_saved {
  std::shared_ptr<const engine::vmcp_request> request;
  result<std::uint64_t> outcome;
  std::shared_ptr<engine::opened_port> port; ///< that it gets; one of its own
  std::chrono::system_clock::time_point at;  ///< as the store has it
};

} // namespace nexus::actors

namespace nexus::actors {

// ---- To the registry ---------------------------------------------------------------------------
struct server_order {
  struct entry {
    std::uint32_t slot = 0;
    std::string name;
    /// The slot whose catalogue stands in until this one is listed; its own slot: none.
    std::uint32_t stands_in = 0;
    std::string settings = {}; ///< a fingerprint of how the server is reached
    std::shared_ptr<const config::server_tags> tags = nullptr; ///< null: none
  };
  std::vector<entry> servers;
  catalog::naming names = catalog::naming::prefixed;
  config::tool_surface surface; ///< of the address of all servers
  /// Servers that the order drops: told to go once no worker's snapshot leads to them.
  std::vector<server_actor> dropped;
  /// What is done about tools that change, and those that are the same.
  struct tool_care {
    config::pin_policy pins = config::pin_policy::record;
    config::duplicate_rules duplicates;
    friend bool operator==(const tool_care&, const tool_care&) = default;
  };
  tool_care care = {};
};
/// A server's state or catalogue changed. What is null is as it was.
struct server_changed {
  engine::endpoint_ptr endpoint;
  std::shared_ptr<const catalog::server_catalogue> catalogue;
  std::uint32_t slot = 0; ///< when there is no endpoint
};
/// Its own reminder: what changed in one burst is published once.
struct publish_snapshot {};
/// Its own reminder to look which tools are used most.
struct review_usage {};

/// What a server tells may be shown although it is other than it was.
struct pins_accepted {
  std::string server;
};

// ---- To the indexer ----------------------------------------------------------------------------
/// The tools of all servers that have been listed.
struct index_order {
  std::vector<std::pair<std::string, catalog::item_list_ptr>> servers;
};

} // namespace nexus::actors

namespace nexus::actors {

// ---- To the archivist --------------------------------------------------------------------------
/// What do these servers' lists look like, as far as is known?
struct load_catalogues {
  struct entry {
    std::uint32_t slot = 0;
    std::string server, settings;
  };
  std::vector<entry> servers;
  config::pin_policy pins = config::pin_policy::record;
};
/// Keep what a server tells, and compare it to its pins.
struct examine_catalogue {
  std::string server, settings;
  std::shared_ptr<const catalog::server_catalogue> told;
  config::pin_policy pins = config::pin_policy::record;
};
struct examined_catalogue {
  std::shared_ptr<const catalog::server_catalogue> told, shown;
  std::shared_ptr<const std::vector<seal::digest>> digests; ///< registry::tool_digest, of `shown`
};
struct kept_catalogues {
  std::vector<std::pair<std::uint32_t, examined_catalogue>> servers; ///< by slot
};
/// Which virtual MCPs did the API make?
struct load_vmcps {};
struct kept_vmcps {
  std::vector<store::saved_vmcp> rows;
};
/// Something to be done with the store.
struct store_work {
  std::shared_ptr<const std::function<void(store::database&)>> run;
};
/// Nothing more will come: what was sent before is done first.
struct close_store {};

// ---- To a session actor ------------------------------------------------------------------------
/// Look for idleness.
struct check_session {};
/// The client ended it.
struct end_session {};

} // namespace nexus::actors

namespace nexus::actors {

// ---- To the lifecycle actor --------------------------------------------------------------------
struct apply_settings {
  std::shared_ptr<const config::gateway> settings;
};
/// A retired server's calls have ended and every worker was told to forget it: its slot is free.
struct server_retired {
  std::uint32_t slot = 0;
};
struct session_opened {
  engine::session_ptr session;
};
struct session_ended {
  std::string id;
};
struct log_level_changed {};
/// Calls wait for a session of a server.
struct branch_wanted {
  engine::branch_ptr branch;
};
/// The only call of that session has ended.
struct branch_done {
  engine::branch_ptr branch;
};
/// Its own reminder to have the sessions look for idleness: one clock entry for all of them, none
/// that outlives its session.
struct sweep_sessions {};

} // namespace nexus::actors

NEXUS_LOCAL_MESSAGE(server_order)
NEXUS_LOCAL_MESSAGE(server_changed)
NEXUS_LOCAL_MESSAGE(publish_snapshot)
NEXUS_LOCAL_MESSAGE(review_usage)
NEXUS_LOCAL_MESSAGE(define_vmcp)
NEXUS_LOCAL_MESSAGE(vmcp_found)
NEXUS_LOCAL_MESSAGE(search_again)
NEXUS_LOCAL_MESSAGE(drain_vmcp)
NEXUS_LOCAL_MESSAGE(check_vmcp)
NEXUS_LOCAL_MESSAGE(apply_vmcps)
NEXUS_LOCAL_MESSAGE(ask_vmcps)
NEXUS_LOCAL_MESSAGE(vmcp_changed)
NEXUS_LOCAL_MESSAGE(sweep_vmcps)
NEXUS_LOCAL_MESSAGE(vmcp_saved)
NEXUS_LOCAL_MESSAGE(index_order)
NEXUS_LOCAL_MESSAGE(pins_accepted)
NEXUS_LOCAL_MESSAGE(load_catalogues)
NEXUS_LOCAL_MESSAGE(kept_catalogues)
NEXUS_LOCAL_MESSAGE(examine_catalogue)
NEXUS_LOCAL_MESSAGE(examined_catalogue)
NEXUS_LOCAL_MESSAGE(load_vmcps)
NEXUS_LOCAL_MESSAGE(kept_vmcps)
NEXUS_LOCAL_MESSAGE(store_work)
NEXUS_LOCAL_MESSAGE(close_store)
NEXUS_LOCAL_MESSAGE(check_session)
NEXUS_LOCAL_MESSAGE(end_session)
NEXUS_LOCAL_MESSAGE(apply_settings)
NEXUS_LOCAL_MESSAGE(server_retired)
NEXUS_LOCAL_MESSAGE(session_opened)
NEXUS_LOCAL_MESSAGE(session_ended)
NEXUS_LOCAL_MESSAGE(log_level_changed)
NEXUS_LOCAL_MESSAGE(branch_wanted)
NEXUS_LOCAL_MESSAGE(branch_done)
NEXUS_LOCAL_MESSAGE(sweep_sessions)
#undef NEXUS_LOCAL_MESSAGE

namespace nexus::actors {

using registry_actor =
    caf::typed_actor<caf::reacts_to<server_order>, caf::reacts_to<server_changed>,
                     caf::reacts_to<publish_snapshot>, caf::reacts_to<review_usage>,
                     caf::reacts_to<pins_accepted>>;
using vmcp_actor = caf::typed_actor<caf::reacts_to<define_vmcp>, caf::reacts_to<vmcp_found>,
                                    caf::reacts_to<search_again>, caf::reacts_to<drain_vmcp>,
                                    caf::reacts_to<check_vmcp>>;
using keeper_actor = caf::typed_actor<caf::reacts_to<apply_vmcps>, caf::reacts_to<ask_vmcps>,
                                      caf::reacts_to<vmcp_changed>, caf::reacts_to<sweep_vmcps>,
                                      caf::reacts_to<vmcp_saved>>;
using indexer_actor = caf::typed_actor<caf::reacts_to<index_order>>;
using archivist_actor =
    caf::typed_actor<caf::replies_to<load_catalogues>::with<kept_catalogues>,
                     caf::replies_to<examine_catalogue>::with<examined_catalogue>,
                     caf::replies_to<load_vmcps>::with<kept_vmcps>, caf::reacts_to<store_work>,
                     caf::reacts_to<close_store>>;
using session_actor = caf::typed_actor<caf::reacts_to<check_session>, caf::reacts_to<end_session>>;
using lifecycle_actor =
    caf::typed_actor<caf::reacts_to<apply_settings>, caf::reacts_to<session_opened>,
                     caf::reacts_to<session_ended>, caf::reacts_to<log_level_changed>,
                     caf::reacts_to<server_retired>, caf::reacts_to<branch_wanted>,
                     caf::reacts_to<branch_done>, caf::reacts_to<sweep_sessions>>;

} // namespace nexus::actors
