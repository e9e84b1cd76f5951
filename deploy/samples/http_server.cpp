#include "http_server.hpp"

#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string_view>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "support.hpp"

namespace nexus::samples {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::size_t connections_max = 256;
constexpr std::uint64_t body_bytes_max = 1024 * 1024;
constexpr std::uint32_t header_bytes_max = 16 * 1024;
constexpr std::chrono::seconds idle_timeout{60};

using wire_request = http::request<http::string_body>;
using wire_response = http::response<http::string_body>;

/// `localhost`, `127.0.0.1` or `[::1]`, with or without a port. A web page that made its own name
/// point here (DNS rebinding) sends that name instead.
bool is_loopback(std::string_view host) {
  for (const std::string_view name : {"localhost", "127.0.0.1", "[::1]"})
    if (host.substr(0, name.size()) == name)
      return host.size() == name.size() || host[name.size()] == ':';
  return false;
}

bool is_loopback_origin(std::string_view origin) {
  constexpr std::string_view scheme = "http://";
  return origin.substr(0, scheme.size()) == scheme && is_loopback(origin.substr(scheme.size()));
}

http_request from_wire(const wire_request& wire) {
  http_request request;
  request.method = std::string(wire.method_string());
  for (const auto& field : wire) {
    std::string name(field.name_string());
    for (char& c : name)
      if (c >= 'A' && c <= 'Z')
        c = static_cast<char>(c - 'A' + 'a');
    request.headers[name] = std::string(field.value());
  }
  request.body = wire.body();
  return request;
}

http_response handle(const wire_request& wire, const http_handler& handler) {
  const http_request request = from_wire(wire);
  const std::string origin = request.header("origin");
  if (!is_loopback(request.header("host")) || (!origin.empty() && !is_loopback_origin(origin)))
    return {403, "", {}};
  if (wire.target() != "/mcp")
    return {404, "", {}};
  if (request.method == "POST" && request.header("content-type").rfind("application/json", 0) != 0)
    return {415, "", {}};
  return handler(request);
}

wire_response to_wire(const http_response& response, const wire_request& request) {
  wire_response wire(static_cast<http::status>(response.status), request.version());
  for (const auto& [name, value] : response.headers)
    wire.set(name, value);
  if (!response.body.empty())
    wire.set(http::field::content_type, "application/json");
  wire.body() = response.body;
  wire.keep_alive(request.keep_alive());
  wire.prepare_payload();
  return wire;
}

/// One client's connection. Operations are asynchronous only because that is how Beast offers
/// timeouts; each is waited for before the next begins.
class connection {
 public:
  explicit connection(std::unique_ptr<asio::io_context> context, tcp::socket socket)
      : context_(std::move(context)), stream_(std::move(socket)) {}

  void serve(const http_handler& handler) {
    for (bool keep_alive = true; keep_alive;) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(body_bytes_max);
      parser.header_limit(header_bytes_max);
      const beast::error_code failed =
          wait_for([&](auto done) { http::async_read(stream_, buffer_, parser, std::move(done)); });
      if (failed == http::error::end_of_stream || failed == beast::error::timeout)
        return;
      wire_response response(failed == http::error::body_limit ? http::status::payload_too_large
                                                               : http::status::bad_request,
                             11);
      if (!failed)
        response = to_wire(handle(parser.get(), handler), parser.get());
      else
        response.keep_alive(false);
      response.prepare_payload();
      keep_alive = response.keep_alive();
      if (wait_for([&](auto done) { http::async_write(stream_, response, std::move(done)); }))
        return;
    }
  }

 private:
  template <class Start>
  beast::error_code wait_for(Start start) {
    beast::error_code result;
    stream_.expires_after(idle_timeout);
    start([&result](beast::error_code code, std::size_t) { result = code; });
    context_->restart();
    context_->run();
    return result;
  }

  std::unique_ptr<asio::io_context> context_; // outlives the stream
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
};

} // namespace

std::string http_request::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

void serve_http(std::uint16_t port, const http_handler& handler) {
  std::signal(SIGPIPE, SIG_IGN);
  asio::io_context context;
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), port});
  log_line("listening on http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()) +
           "/mcp");
  const auto open = std::make_shared<std::atomic<std::size_t>>(0);
  for (;;) {
    auto own_context = std::make_unique<asio::io_context>(1);
    beast::error_code failed;
    tcp::socket socket = acceptor.accept(*own_context, failed);
    if (failed) { // most likely out of descriptors; the next client may have more luck
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      continue;
    }
    if (*open >= connections_max)
      continue; // closes it
    ++*open;
    socket.set_option(tcp::no_delay(true), failed);
    auto client = std::make_shared<connection>(std::move(own_context), std::move(socket));
    std::thread([client, open, handler] {
      try {
        client->serve(handler);
      } catch (const std::exception& error) {
        log_line(std::string("a connection failed: ") + error.what());
      }
      --*open;
    }).detach();
  }
}

std::uint16_t port_from_arguments(int argc, char** argv) {
  std::uint16_t port = 0;
  bool good = argc == 1;
  if (argc == 3 && std::string_view(argv[1]) == "--port") {
    const char* const end = argv[2] + std::strlen(argv[2]);
    const auto [stop, failed] = std::from_chars(argv[2], end, port);
    good = failed == std::errc() && stop == end;
  }
  if (!good) {
    std::cerr
        << "usage: " << argv[0] << " [--port N]\n"
        << "Serves MCP on http://127.0.0.1:N/mcp; without a port, or with 0, on a free one.\n";
    std::exit(2);
  }
  return port;
}

} // namespace nexus::samples
