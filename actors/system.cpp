#include "actors/system.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include <pthread.h>

#include "actors/archivist.hpp"
#include "actors/keeper.hpp"
#include "actors/lifecycle.hpp"
#include "actors/registry.hpp"
#include "actors/scheduler.hpp"
#include "base/log.hpp"
#include "engine/http_connection.hpp"
#include "engine/server_link.hpp"
#include "engine/stdio_client.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "net/socket.hpp"

namespace nexus::actors {
namespace {

constexpr milliseconds drain_poll{10};

/// Workers report here; each report becomes one message.
class bridge final : public engine::control {
 public:
  explicit bridge(std::shared_ptr<server_directory> directory) : directory_(std::move(directory)) {}
  void attach(lifecycle_actor lifecycle, registry_actor registry, keeper_actor keeper) {
    lifecycle_ = std::move(lifecycle);
    registry_ = std::move(registry);
    keeper_ = std::move(keeper);
  }

  void server_wanted(std::uint32_t slot) override { tell(slot, want_server{}); }
  void link_up(engine::endpoint_ptr endpoint,
               std::shared_ptr<const catalog::server_catalogue> catalogue) override {
    const auto slot = endpoint->slot;
    tell(slot, link_came_up{std::move(endpoint), std::move(catalogue)});
  }
  void link_relisted(std::uint32_t slot, std::uint64_t link,
                     std::shared_ptr<const catalog::server_catalogue> catalogue) override {
    tell(slot, actors::link_relisted{link, std::move(catalogue)});
  }
  void link_down(std::uint32_t slot, std::uint64_t link, engine::link_failure failure) override {
    tell(slot, link_went_down{link, std::move(failure)});
  }
  void session_opened(engine::session_ptr opened) override {
    caf::anon_send(lifecycle_, actors::session_opened{std::move(opened)});
  }
  void session_closed(const engine::session_ptr& closed) override {
    caf::anon_send(lifecycle_, session_ended{closed->id});
  }
  void branch_wanted(engine::branch_ptr wanted) override {
    caf::anon_send(lifecycle_, actors::branch_wanted{std::move(wanted)});
  }
  void branch_done(engine::branch_ptr done) override {
    caf::anon_send(lifecycle_, actors::branch_done{std::move(done)});
  }
  void vmcps_wanted(engine::vmcp_request request) override {
    caf::anon_send(keeper_, ask_vmcps{std::move(request)});
  }
  void with_store(std::function<void(store::database&)> work) override {
    using shared_work = std::shared_ptr<const std::function<void(store::database&)>>;
    const std::lock_guard lock(archivist_mutex_);
    if (archivist_)
      caf::anon_send(archivist_,
                     store_work{shared_work(std::make_shared<std::function<void(store::database&)>>(
                         std::move(work)))});
  }
  /// The first to be attached: actors use the store from their first message on. CAF ends a
  /// detached actor's thread with the last reference to the actor, and its system waits for that
  /// thread, while workers may still report: null is attached before.
  void attach(archivist_actor archivist) {
    const std::lock_guard lock(archivist_mutex_);
    archivist_ = std::move(archivist);
  }
  void pins_accepted(std::string server) override {
    caf::anon_send(registry_, actors::pins_accepted{std::move(server)});
  }
  void log_level_changed() override { caf::anon_send(lifecycle_, actors::log_level_changed{}); }

 private:
  template <class Message>
  void tell(std::uint32_t slot, Message message) {
    if (const auto actor = directory_->find(slot))
      caf::anon_send(actor, std::move(message));
  }
  std::shared_ptr<server_directory> directory_;
  lifecycle_actor lifecycle_;
  keeper_actor keeper_;
  registry_actor registry_;
  std::mutex archivist_mutex_; // control path only
  archivist_actor archivist_;
};

/// Makes each worker with its reactor, on the worker's own thread.
class engine_factory final : public worker_factory {
 public:
  engine_factory(engine::process& shared, net::reactor_kind kind) : shared_(shared), kind_(kind) {}

  std::unique_ptr<engine::worker> make_worker(worker_id id) override {
    // As in the label of its metrics. CAF calls every one of its threads caf.multiplexer.
    pthread_setname_np(pthread_self(), ("worker-" + std::to_string(id.value)).c_str());
    auto reactor = net::reactor::create(kind_);
    if (!reactor) {
      // start() has tried the same kind, so only exhaustion is left.
      log::error("reactor", "failed", {{"reason", reactor.error().message}});
      log::stop();
      std::_Exit(1);
    }
    auto made = std::make_unique<engine::worker>(shared_, id, std::move(*reactor));
    shared_.worker_up(*made);
    return made;
  }

 private:
  engine::process& shared_;
  const net::reactor_kind kind_;
};

class running_system final : public gateway_system {
 public:
  running_system(const config::gateway& settings, std::size_t workers, net::reactor_kind kind,
                 engine::own_ports ports)
      : process_(workers, settings), factory_(process_, kind), config_(factory_),
        directory_(std::make_shared<server_directory>()), bridge_(directory_) {
    process_.plane = &bridge_;
    process_.opens_ports = ports;
    config_.load<fused_coordinator>();
    config_.set("scheduler.max-threads", workers);
    // A worker must look at its ring even while an actor has a full mailbox.
    config_.set("scheduler.max-throughput", std::size_t{64});
    system_ = std::make_unique<caf::actor_system>(config_);
    process_.wait_until_up();
    archivist_ = system_->spawn<caf::detached>(
        archivist_behavior, archivist_setup{&process_, settings.state_file, settings.lacks_state});
    bridge_.attach(archivist_);
    registry_ = system_->spawn(registry_behavior, &process_, archivist_);
    lifecycle_ = system_->spawn(lifecycle_behavior, &process_, registry_, directory_);
    keeper_ = system_->spawn(keeper_behavior, &process_, archivist_);
    bridge_.attach(lifecycle_, registry_, keeper_);
    connect_metrics();
    apply(settings);
    // From the first client on, every worker knows which servers and virtual MCPs there are.
    process_.catalogue_generation.wait(0);
    process_.vmcps_restored.wait(false);
  }

  ~running_system() override {
    if (!process_.draining)
      drain(); // children have to end before their workers' reactors
    process_.metrics.connect({});
    lifecycle_ = nullptr;
    keeper_ = nullptr;
    registry_ = nullptr;
    directory_->clear();
    system_.reset();
    bridge_.attach({}, {}, {}); // workers reported through it until now
  }

  result<net::endpoint> listen(const net::endpoint& at) override {
    if (auto is_free = net::check_address_free(at); !is_free)
      return std::unexpected(is_free.error());
    net::endpoint bound = at;
    for (std::uint32_t i = 0; i < process_.worker_count(); ++i) {
      auto outcome =
          ask<result<net::endpoint>>({i}, [bound](engine::worker& w) { return w.listen(bound); });
      if (!outcome)
        return outcome;
      bound = *outcome; // with port 0, the others join the port that the first one got
    }
    process_.listening_port = bound.port;
    return bound;
  }

  void serve_stdio(int read_fd, int write_fd, std::function<void()> on_finished) override {
    process_.post({0}, [this, read_fd, write_fd, on_finished](engine::worker& w) {
      stdio_ = std::make_unique<engine::stdio_client>(w, read_fd, write_fd, on_finished);
    });
  }

  void apply(const config::gateway& settings) override {
    const auto wanted = std::make_shared<const config::gateway>(settings);
    caf::anon_send(lifecycle_, apply_settings{wanted});
    caf::anon_send(keeper_, apply_vmcps{wanted});
  }

  void count_reload(bool ok) override { (ok ? reloads_ok_ : reloads_failed_).fetch_add(1); }

  progress servers() override {
    return ask<progress>({0}, [](engine::worker& w) {
      progress p;
      for (const auto& part : w.snapshot().servers()) {
        ++p.all;
        const auto* const up = w.find_upstream(part.slot);
        if (up == nullptr)
          continue;
        const auto state = up->endpoint().state;
        p.ready += state == engine::server_state::ready;
        p.down += state == engine::server_state::down;
        p.idle += state == engine::server_state::idle;
      }
      return p;
    });
  }

  void drain() override {
    process_.draining = true;
    process_.post_to_all([](engine::worker& w) { w.drain(); });
    wait_until([this] { return calls_under_way() == 0; }, process_.limits.drain_timeout);
    end_actors(); // none connects a server again
    for (std::uint32_t i = 0; i < process_.worker_count(); ++i)
      ask<bool>({i}, [](engine::worker& w) {
        w.close();
        return true;
      });
    nanoseconds last_bytes = limits::linger_timeout;
    if (stdio_) {
      // What reads the pipe may be slow; it is the only client.
      last_bytes = process_.limits.drain_timeout;
      ask<bool>({0}, [this](engine::worker&) {
        stdio_.reset();
        return true;
      });
    }
    wait_until([] { return engine::stopping_children() == 0; },
               2 * limits::child_stop_grace + std::chrono::seconds(1));
    // Answers that were just given still have to leave.
    wait_until([this] { return open_streams() == 0; }, last_bytes);
  }

 private:
  /// Runs `question` on a worker and waits for its answer. @thread main only
  template <class T>
  T ask(worker_id of, std::function<T(engine::worker&)> question) {
    std::promise<T> promise;
    auto answer = promise.get_future();
    process_.post(of, [&promise, &question](engine::worker& w) { promise.set_value(question(w)); });
    return answer.get();
  }

  template <class Condition>
  void wait_until(Condition reached, nanoseconds at_most) {
    const auto give_up = process_.now() + at_most;
    while (!reached() && process_.now() < give_up)
      std::this_thread::sleep_for(drain_poll);
  }

  void end_actors() {
    caf::anon_send_exit(lifecycle_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(keeper_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(registry_, caf::exit_reason::user_shutdown);
    caf::anon_send(archivist_, close_store{});
    system_->await_all_actors_done();
    bridge_.attach(archivist_actor());
    archivist_ = nullptr;
  }

  std::uint64_t open_streams() {
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < process_.worker_count(); ++i)
      sum += process_.at({i}).reactor().counters().streams;
    return sum;
  }

  std::size_t calls_under_way() {
    std::size_t sum = 0;
    for (std::uint32_t i = 0; i < process_.worker_count(); ++i)
      sum += ask<std::size_t>({i}, [](engine::worker& w) { return w.exchanges_in_use(); });
    return sum;
  }

  void connect_metrics();

  engine::process process_;
  engine_factory factory_;
  system_config config_;
  std::shared_ptr<server_directory> directory_;
  bridge bridge_;
  std::unique_ptr<caf::actor_system> system_;
  archivist_actor archivist_;
  registry_actor registry_;
  lifecycle_actor lifecycle_;
  keeper_actor keeper_;
  std::unique_ptr<engine::stdio_client> stdio_; ///< lives on worker 0
  std::atomic<std::uint64_t> reloads_ok_{0}, reloads_failed_{0};
};

void running_system::connect_metrics() {
  metrics::sources from;
  from.workers = [this] {
    std::vector<metrics::worker_sample> samples;
    auto* const coordinator = dynamic_cast<fused_coordinator*>(&system_->scheduler());
    for (std::uint32_t i = 0; i < process_.worker_count(); ++i) {
      const auto c = process_.at({i}).reactor().counters();
      metrics::worker_sample sample;
      sample.io_uring = process_.at({i}).reactor().kind() == net::reactor_kind::io_uring;
      sample.turns = c.turns;
      sample.waits = c.waits;
      sample.system_calls = c.system_calls;
      sample.completions = c.completions;
      sample.posted = c.posted;
      sample.streams = c.streams;
      if (coordinator != nullptr) {
        const auto& data = coordinator->worker_by_id(i)->data();
        sample.jobs = data.jobs.load();
        sample.steals = data.steals.load();
        sample.run_queue = data.queued.load();
      }
      samples.push_back(sample);
    }
    return samples;
  };
  from.servers = [this] { return process_.server_samples(); };
  from.gateway = [this] {
    metrics::gateway_sample sample;
    sample.sessions = process_.sessions.taken();
    sample.permits_max = process_.limits.calls_in_flight;
    sample.actors = system_->registry().running();
    sample.catalog_tools = process_.catalogue_tools;
    sample.catalog_generation = process_.catalogue_generation;
    sample.changed_definitions = process_.changed_definitions;
    sample.reloads_ok = reloads_ok_;
    sample.reloads_failed = reloads_failed_;
    sample.draining = process_.draining;
    return sample;
  };
  process_.metrics.connect(std::move(from));
}

} // namespace
} // namespace nexus::actors

namespace nexus {

result<std::unique_ptr<gateway_system>> gateway_system::start(const config::gateway& settings,
                                                              engine::own_ports ports) {
  const auto kind = settings.reactor == "io_uring" ? net::reactor_kind::io_uring
                    : settings.reactor == "epoll"  ? net::reactor_kind::epoll
                                                   : net::reactor_kind::automatic;
  // A trial on this thread tells what every worker will find.
  auto trial = net::reactor::create(kind);
  if (!trial)
    return std::unexpected(trial.error());
  const auto chosen = (*trial)->kind();
  if (!(*trial)->fallback_reason().empty())
    log::warn("reactor", "fallback",
              {{"reactor", "epoll"}, {"reason", (*trial)->fallback_reason()}});
  trial->reset();
  const auto cores = std::max<std::size_t>(1, std::thread::hardware_concurrency());
  const auto workers =
      std::min<std::size_t>(settings.workers == 0 ? cores : settings.workers, limits::workers_max);
  log::info("gateway", "starting",
            {{"workers", workers},
             {"reactor", chosen == net::reactor_kind::io_uring ? "io_uring" : "epoll"},
             {"servers", settings.servers.size()}});
  return std::make_unique<actors::running_system>(settings, workers, chosen, ports);
}

} // namespace nexus
