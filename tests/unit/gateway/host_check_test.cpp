#include <catch2/catch.hpp>

#include "gateway/host_check.hpp"

using nexus::gateway::host_check;

TEST_CASE("host_check admits loopback names and what is configured", "[gateway][host_check]") {
  const host_check check("10.0.0.7", {"gateway.example"}, {"https://app.example"});
  struct row {
    std::string_view host;
    bool admitted;
  };
  const row rows[] = {
      {"localhost", true},
      {"localhost:3000", true},
      {"LOCALHOST:1", true},
      {"127.0.0.1:3000", true},
      {"[::1]", true},
      {"[::1]:3000", true},
      {"10.0.0.7:3000", true},
      {"gateway.example", true},
      {"Gateway.Example:443", true},
      {"", false},
      {":3000", false},
      {"localhost:", false},
      {"localhost:http", false},
      {"localhost:3000:3000", false},
      {"localhost:-1", false},
      {"localhost ", false},
      {"127.0.0.2", false},
      {"127.1", false},
      {"0.0.0.0", false},
      {"::1", false},
      {"[::1", false},
      {"[::1]3000", false},
      {"[::1]:", false},
      {"[::2]:3000", false},
      {"[]", false},
      {"evil.example", false},
      {"localhost.evil.example", false},
      {"evil.example@localhost", false},
      {"localhost@evil.example", false},
      {"sub.gateway.example", false},
      {"localhost/", false},
      {std::string_view("localhost\0.evil", 15), false},
  };
  for (const auto& r : rows) {
    INFO(r.host);
    CHECK(check.admits(r.host, {}) == r.admitted);
  }
}

TEST_CASE("host_check admits origins of admitted hosts", "[gateway][host_check]") {
  const host_check check("127.0.0.1", {"gateway.example"}, {"https://app.example", "vscode://x"});
  struct row {
    std::string_view origin;
    bool admitted;
  };
  const row rows[] = {
      {"http://localhost", true},
      {"http://localhost:6274", true},
      {"HTTPS://LocalHost:6274", true},
      {"http://[::1]:6274", true},
      {"https://gateway.example", true},
      {"https://app.example", true},
      {"https://APP.example", true},
      {"vscode://x", true},
      {"", false},
      {"null", false},
      {"http://", false},
      {"localhost", false},
      {"//localhost", false},
      {"ftp://localhost", false},
      {"http://app.example", false}, // another scheme is another origin
      {"https://app.example:8443", false},
      {"https://app.example.evil", false},
      {"http://evil.example", false},
      {"http://localhost.evil.example", false},
      {"http://localhost@evil.example", false},
      {"http://localhost:80@evil.example", false},
      {"http://localhost/", false},
      {"http://localhost, http://evil.example", false},
      {"http://http://localhost", false},
  };
  for (const auto& r : rows) {
    INFO(r.origin);
    CHECK(check.admits("localhost:3000", r.origin) == r.admitted);
    CHECK_FALSE(check.admits("evil.example", r.origin)); // both have to be right
  }
}

TEST_CASE("host_check knows the host that is listened on", "[gateway][host_check]") {
  CHECK(host_check("::1234", {}, {}).admits("[::1234]:80", {}));
  CHECK(host_check("fe80::1", {}, {}).admits("[FE80::1]:80", {}));
  CHECK(host_check("box", {}, {}).admits("box:80", "http://box:80"));
  // Every address is no name: who listens there has to say under which names.
  CHECK_FALSE(host_check("0.0.0.0", {}, {}).admits("0.0.0.0:80", {}));
  CHECK_FALSE(host_check("::", {}, {}).admits("[::]:80", {}));
  CHECK_FALSE(host_check("", {}, {}).admits("", {}));
  CHECK(host_check("0.0.0.0", {}, {}).admits("localhost", {}));
}
