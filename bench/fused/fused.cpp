// nexus_bench_fused: what does it cost to put actors between two sockets, and how much of that
// depends on who polls the sockets? The same HTTP/1.1 proxy with the same actors runs either under
// a scheduler that polls on its own worker (fused) or under CAF's scheduler beside an I/O thread
// (stock). docs/adr has the result; run.py measures it.

#include "bench/e2e/sockets.hpp"
#include "bench/fused/actors.hpp"
#include "bench/fused/fused_policy.hpp"

#include <charconv>
#include <csignal>
#include <memory>
#include <mutex>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace nexus::bench {
namespace {

constexpr const char* usage =
    "usage: nexus_bench_fused --mode fused|stock --hops 0|2|4 --listen-port N --to-port N\n"
    "                         [--reactor epoll|io_uring] [--policy stealing|sharing]";

struct options {
  std::string_view mode = "fused";
  std::string_view reactor = "epoll";
  std::string_view policy = "stealing";
  int hops = -1;
  int listen_port = 0;
  int to_port = 0;
};

/// Actors that run on the polling thread write to the sockets.
class direct_outlet final : public outlet {
 public:
  explicit direct_outlet(proxy_io& io) : io_(io) {}
  void to_server(link_id link, std::string bytes) override {
    io_.to_server(link, std::move(bytes));
  }
  void to_client(link_id link, std::string bytes) override {
    io_.to_client(link, std::move(bytes));
  }

 private:
  proxy_io& io_;
};

/// Actors of another thread leave their writes in a queue. Only the one that finds it empty wakes
/// the I/O thread, which takes all at once.
class posting_outlet final : public outlet {
 public:
  explicit posting_outlet(proxy_io& io) : io_(io) {}

  void to_server(link_id link, std::string bytes) override {
    post({link, target::server, std::move(bytes)});
  }
  void to_client(link_id link, std::string bytes) override {
    post({link, target::client, std::move(bytes)});
  }

  /// To be called by the I/O thread after each poll.
  void carry_out() {
    {
      const std::lock_guard guard{lock_};
      taken_.swap(posted_);
    }
    for (auto& order : taken_) {
      if (order.to == target::server)
        io_.to_server(order.link, std::move(order.bytes));
      else
        io_.to_client(order.link, std::move(order.bytes));
    }
    taken_.clear();
  }

 private:
  enum class target { client, server };
  struct write_order {
    link_id link;
    target to;
    std::string bytes;
  };

  void post(write_order&& one) {
    bool first = false;
    {
      const std::lock_guard guard{lock_};
      first = posted_.empty();
      posted_.push_back(std::move(one));
    }
    if (first)
      io_.wake();
  }

  proxy_io& io_;
  std::mutex lock_;
  std::vector<write_order> posted_;
  std::vector<write_order> taken_;
};

[[noreturn]] void run_fused(const options& chosen, proxy_io& io) {
  fused_config config;
  config.io = &io;
  config.set("scheduler.max-threads", 1);
  config.load<caf::scheduler::coordinator<fused_policy>>();
  caf::actor_system system{config};
  direct_outlet out{io};
  dispatcher sink{system, out, chosen.hops};
  config.sink.store(&sink);
  config.sink.notify_all();
  for (;;)
    ::pause();
}

[[noreturn]] void run_stock(const options& chosen, proxy_io& io) {
  caf::actor_system_config config;
  config.set("scheduler.max-threads", 1);
  config.set("scheduler.policy",
             chosen.policy == "sharing" ? caf::atom("sharing") : caf::atom("stealing"));
  caf::actor_system system{config};
  posting_outlet posting{io};
  direct_outlet direct{io};
  // Without actors there is nobody to post from: the I/O thread is the whole proxy.
  outlet& out = chosen.hops == 0 ? static_cast<outlet&>(direct) : posting;
  dispatcher sink{system, out, chosen.hops};
  io.start(sink);
  for (;;) {
    io.poll(proxy_io::patience::forever);
    posting.carry_out();
  }
}

int number_of(std::string_view text) {
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
    die(usage);
  return value;
}

options parse(int argc, char** argv) {
  options out;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    if (name == "--mode")
      out.mode = value;
    else if (name == "--reactor")
      out.reactor = value;
    else if (name == "--policy")
      out.policy = value;
    else if (name == "--hops")
      out.hops = number_of(value);
    else if (name == "--listen-port")
      out.listen_port = number_of(value);
    else if (name == "--to-port")
      out.to_port = number_of(value);
    else
      die(usage);
  }
  const bool known = (out.mode == "fused" || out.mode == "stock") &&
                     (out.reactor == "epoll" || out.reactor == "io_uring") &&
                     (out.policy == "stealing" || out.policy == "sharing") &&
                     (out.hops == 0 || out.hops == 2 || out.hops == 4);
  const auto is_port = [](int port) { return port > 0 && port < 65536; };
  if (!known || !is_port(out.listen_port) || !is_port(out.to_port))
    die(usage);
  return out;
}

} // namespace
} // namespace nexus::bench

int main(int argc, char** argv) {
  using namespace nexus::bench;
  std::signal(SIGPIPE, SIG_IGN);
  raise_file_limit();
  const auto chosen = parse(argc, argv);
  const auto listen_port = static_cast<std::uint16_t>(chosen.listen_port);
  const auto to_port = static_cast<std::uint16_t>(chosen.to_port);
  const auto io = chosen.reactor == "epoll" ? make_epoll_io(listen_port, to_port)
                                            : make_uring_io(listen_port, to_port);
  if (chosen.mode == "fused")
    run_fused(chosen, *io);
  run_stock(chosen, *io);
}
