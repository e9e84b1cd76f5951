#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include <catch2/catch.hpp>

#include "actors/messages.hpp"
#include "actors/scheduler.hpp"
#include "engine/http_connection.hpp"
#include "engine/server_link.hpp"
#include "engine/upstream.hpp"

/// A real actor system whose scheduler threads are engine workers without any server.
namespace nexus::actors::test {

/// Longer than anything here takes under a sanitizer on a busy machine.
inline constexpr seconds patience{60};

class plain_factory final : public worker_factory {
 public:
  plain_factory(engine::process& shared, net::reactor_kind kind) : shared_(shared), kind_(kind) {}
  std::unique_ptr<engine::worker> make_worker(worker_id id) override {
    auto reactor = net::reactor::create(kind_);
    if (!reactor)
      std::abort();
    auto made = std::make_unique<engine::worker>(shared_, id, std::move(*reactor));
    shared_.worker_up(*made);
    return made;
  }

 private:
  engine::process& shared_;
  net::reactor_kind kind_;
};

/// Ignores what workers tell.
class deaf_control final : public engine::control {
 public:
  void server_wanted(std::uint32_t) override {}
  void link_up(engine::endpoint_ptr, std::shared_ptr<const catalog::server_catalogue>) override {}
  void link_relisted(std::uint32_t, std::uint64_t,
                     std::shared_ptr<const catalog::server_catalogue>) override {}
  void link_down(std::uint32_t, std::uint64_t, engine::link_failure) override {}
  void branch_wanted(engine::branch_ptr) override {}
  void branch_done(engine::branch_ptr) override {}
  void session_opened(std::shared_ptr<engine::session>) override {}
  void session_closed(const std::shared_ptr<engine::session>&) override {}
  void vmcps_wanted(engine::vmcp_request) override {}
  void with_store(std::function<void(store::database&)>) override {}
  void pins_accepted(std::string) override {}
  void log_level_changed() override {}
};

struct fused_system {
  deaf_control control;
  engine::process process;
  plain_factory factory;
  system_config config;
  std::unique_ptr<caf::actor_system> system;

  explicit fused_system(std::size_t workers, net::reactor_kind kind = net::reactor_kind::automatic)
      : process(workers, config::gateway{}), factory(process, kind), config(factory) {
    process.plane = &control;
    config.load<fused_coordinator>();
    config.set("scheduler.max-threads", workers);
    config.set("scheduler.max-throughput", std::size_t{64}); // as the product does
    system = std::make_unique<caf::actor_system>(config);
    process.wait_until_up();
  }
  fused_coordinator& scheduler() { return dynamic_cast<fused_coordinator&>(system->scheduler()); }
  std::uint64_t steals() {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < process.worker_count(); ++i)
      sum += scheduler().worker_by_id(i)->data().steals.load();
    return sum;
  }
  /// Runs `question` on a worker and waits for its answer.
  template <class T>
  T ask(worker_id of, std::function<T(engine::worker&)> question) {
    auto promise = std::make_shared<std::promise<T>>();
    auto answer = promise->get_future();
    process.post(of, [promise, question](engine::worker& w) { promise->set_value(question(w)); });
    REQUIRE(answer.wait_for(patience) == std::future_status::ready);
    return answer.get();
  }
};

/// Asks until it holds. @returns whether that came in time
inline bool eventually(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

} // namespace nexus::actors::test
