#include "cli/http_client.hpp"

#include "http_script.hpp"
#include "support.hpp"

using namespace nexus;
using namespace nexus::cli;
using Catch::Matchers::Contains;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::http_script;

namespace {

const system_clock_source real_time;

result<http_answer> get(const http_script& server, milliseconds time = seconds(10)) {
  http_client client(server.address(), real_time);
  return client.get("/x", real_time.now() + time);
}

} // namespace

TEST_CASE("http_client reads answers of every framing", "[cli][http]") {
  const std::pair<std::string, std::string> rows[] = {
      {test::respond(200, "text/plain", "body"), "body"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
       "body"},
      {"HTTP/1.1 200 OK\r\n\r\nbody", "body"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", ""},
      {test::respond(200, "text/plain", std::string(300'000, 'x')), std::string(300'000, 'x')},
  };
  for (const auto& [wire, body] : rows) {
    const http_script server([&wire = wire](const http::request&) { return wire; });
    const auto answer = get(server);
    REQUIRE(answer);
    CHECK(answer->body == body);
  }
}

TEST_CASE("http_client refuses what is no HTTP answer", "[cli][http]") {
  for (const std::string wire :
       {"", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    CAPTURE(wire);
    const http_script server([&wire](const http::request&) { return wire; });
    const auto answer = get(server);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == errc::bad_answer);
  }
}

TEST_CASE("http_client puts and deletes", "[cli][http]") {
  std::string seen;
  const http_script server([&seen](const http::request& request) {
    seen = request.body + "|" + std::string(request.headers.find("content-type").value_or("none"));
    return test::respond(202, "text/plain", "done");
  });
  http_client client(server.address(), real_time);
  REQUIRE(client.put("/a?b=1", "{}", real_time.now() + seconds(10)));
  CHECK(seen == "{}|application/json");
  const auto answer = client.del("/a", real_time.now() + seconds(10));
  REQUIRE(answer);
  CHECK(answer->status == 202);
  CHECK(answer->body == "done");
  CHECK(seen == "|none");
  CHECK(server.requests() == std::vector<std::string>{"PUT /a?b=1", "DELETE /a"});
}

TEST_CASE("http_client gives up at its deadline", "[cli][http]") {
  const http_script server([](const http::request&) { return std::string(http_script::silence); });
  const auto answer = get(server, milliseconds(50));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::timed_out);
}

TEST_CASE("http_client says when nobody listens", "[cli][http]") {
  net::endpoint nobody;
  {
    const auto listener = net::open_listener({"127.0.0.1", 0}).value();
    nobody = net::local_endpoint(listener.get());
  }
  http_client client(nobody, real_time);
  const auto answer = client.get("/x", real_time.now() + seconds(5));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::unreachable);
  CHECK_THAT(answer.error().message, Contains("refused"));
}

TEST_CASE("http_client hands out events until the sink has enough", "[cli][http]") {
  std::string sent;
  const http_script server([&sent](const http::request& request) {
    sent = request.body;
    return test::respond_events(": hello\n\ndata: one\n\ndata: two\n\ndata: three\n\n");
  });
  http_client client(server.address(), real_time);
  std::vector<std::string> events;
  const auto sink = [&events](std::string_view data) {
    events.emplace_back(data);
    return data != "two";
  };
  REQUIRE(client.post("/x", "X-A: b\r\n", "hello", sink, real_time.now() + seconds(10)));
  CHECK(events == std::vector<std::string>{"one", "two"});
  CHECK(sent == "hello");
}

TEST_CASE("http_client reads the refusal of a body that was not taken whole", "[cli][http]") {
  const auto listener = net::open_listener({"127.0.0.1", 0}).value();
  std::thread server([&listener] {
    pollfd entry{listener.get(), POLLIN, 0};
    if (::poll(&entry, 1, 10'000) <= 0)
      return;
    const net::unique_fd peer(::accept(listener.get(), nullptr, nullptr));
    const std::string answer = test::respond(413, "text/plain", "too large");
    ::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    // Only half is closed: unread bytes would turn the end into a reset.
    ::shutdown(peer.get(), SHUT_WR);
    std::string rest(1024 * 1024, '\0');
    while (::poll(&(entry = {peer.get(), POLLIN, 0}), 1, 10'000) > 0 &&
           ::recv(peer.get(), rest.data(), rest.size(), 0) > 0) {
    }
  });
  http_client client(net::local_endpoint(listener.get()), real_time);
  const auto answer =
      client.post("/x", {}, std::string(8 * 1024 * 1024, 'x'), {}, real_time.now() + seconds(10));
  server.join();
  REQUIRE(answer);
  CHECK(answer->status == 413);
}

TEST_CASE("parse_gateway_address takes addresses and URLs", "[cli][http]") {
  const std::pair<std::string, std::string> rows[] = {
      {"127.0.0.1:3000", "127.0.0.1:3000"},
      {"localhost:1", "localhost:1"},
      {"[::1]:3000", "[::1]:3000"},
      {"http://127.0.0.1:3000", "127.0.0.1:3000"},
      {"HTTP://127.0.0.1:3000/", "127.0.0.1:3000"},
      {"http://[::1]:3000/mcp", "[::1]:3000"},
      {"http://[::1]", "[::1]:80"},
      {"http://gateway", "gateway:80"},
  };
  for (const auto& [text, expected] : rows) {
    CAPTURE(text);
    const auto at = parse_gateway_address(text);
    REQUIRE(at);
    CHECK(at->to_string() == expected);
  }
  for (const auto* wrong :
       {"", "127.0.0.1", "3000", "https://127.0.0.1:3000", "127.0.0.1:99999",
        "http://127.0.0.1:3000/s/a/mcp", "::1:3000", "http://", ":3000", "http://:3000"})
    CHECK_FALSE(parse_gateway_address(wrong));
}

TEST_CASE("percent_encode leaves unreserved characters alone", "[cli][http]") {
  CHECK(percent_encode("a-Z_0.9~") == "a-Z_0.9~");
  CHECK(percent_encode("a b/c%\xc3\xa9?#") == "a%20b%2Fc%25%C3%A9%3F%23");
}
