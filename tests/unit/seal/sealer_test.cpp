#include <catch2/catch.hpp>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/base64.hpp"
#include "base/limits.hpp"
#include "seal/sealer.hpp"

namespace nexus::seal {
namespace {

using namespace std::chrono_literals;

const wall_time now{std::chrono::seconds(1'800'000'000)};
const wall_time later = now + 10min;

const std::string secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const std::string other_secret = "f0e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff";

key_ring ring_of(std::vector<std::string> secrets) {
  return key_ring::from_secrets(secrets).value();
}

const std::array<std::string_view, 2> request{"tools/call", R"({"path":"/tmp"})"};
const binding alice{"alice", "files", request};

std::string raw_of(std::string_view text) {
  std::string raw;
  REQUIRE(decode_base64(text, base64_form::url, raw));
  return raw;
}

std::string text_of(std::string_view raw) {
  std::string text;
  append_base64(text, raw, base64_form::url);
  return text;
}

std::string nonce_of(std::string_view text) {
  return raw_of(text).substr(5, 12);
}

std::error_code failure(sealer& opener, std::string_view text, const binding& to = alice,
                        kind what = kind::task, wall_time at = now) {
  const auto result = opener.open(what, text, to, at);
  REQUIRE_FALSE(result);
  CHECK(result.error().message == "unknown, altered or expired");
  CHECK(result.error().detail.empty());
  return result.error().code;
}

TEST_CASE("sealer opens what it sealed, whatever its size", "[seal][sealer]") {
  sealer one(ring_of({secret})), other(ring_of({secret}));
  std::string payload;
  for (std::size_t size = 0; size < 300; ++size, payload += static_cast<char>(size)) {
    const auto text = one.seal(kind::task, payload, alice, later);
    REQUIRE(text);
    CHECK(text->find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-_") == std::string::npos);
    for (sealer* each : {&one, &other}) {
      const auto back = each->open(kind::task, *text, alice, now);
      REQUIRE(back);
      CHECK(back->payload == payload);
      CHECK(back->expires_at == later);
    }
  }
}

// Made with another implementation of AES-GCM and HKDF, so that no later version changes the format
// without a new version number: replicas of two versions share keys.
TEST_CASE("sealer opens a text of version 1", "[seal][sealer]") {
  sealer opener(ring_of({secret}));
  const auto back = opener.open(kind::request_state,
                                "AYD89-9kZWZnaGlqa2xtbm_oUGKf25hU_7GlArMR2_JgS3MVuj17FOM8GmcyLnW_"
                                "1ZAa75BNKE9HcW-7",
                                alice, now);
  REQUIRE(back);
  CHECK(back->payload == "state of the server");
  CHECK(back->expires_at == wall_time{std::chrono::seconds(4'102'444'800)});
}

TEST_CASE("sealer hides payload, expiry and binding", "[seal][sealer]") {
  sealer one(ring_of({secret}));
  const std::string text = one.seal(kind::task, std::string(200, 'A'), alice, later).value();
  const std::string raw = raw_of(text);
  CHECK(raw.size() == 1 + 4 + 12 + 8 + 200 + 16);
  for (const std::string_view word : {"AAAA", "alice", "files", "tools/call"})
    CHECK(raw.find(word) == std::string::npos);
}

TEST_CASE("sealer refuses every altered bit", "[seal][sealer]") {
  sealer one(ring_of({secret}));
  const std::string raw = raw_of(one.seal(kind::task, std::string(40, 's'), alice, later).value());
  for (std::size_t bit = 0; bit < raw.size() * 8; ++bit) {
    CAPTURE(bit);
    std::string altered = raw;
    altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ 1 << bit % 8);
    const errc expected = bit < 8    ? errc::malformed
                          : bit < 40 ? errc::unknown_key
                                     : errc::not_authentic;
    CHECK(failure(one, text_of(altered)) == expected);
  }
  CHECK(one.open(kind::task, text_of(raw), alice, now));
}

TEST_CASE("sealer refuses every altered, missing and added character", "[seal][sealer]") {
  sealer one(ring_of({secret}));
  const std::string text = one.seal(kind::task, "some state", alice, later).value();
  for (std::size_t i = 0; i < text.size(); ++i) {
    CAPTURE(i);
    failure(one, text.substr(0, i));
    failure(one, text.substr(i + 1));
    failure(one, text.substr(0, i) + text.substr(i + 1));
    for (const char c : std::string_view("A_=+/ \n\0\xFF\"", 10)) {
      failure(one, text.substr(0, i) + c + text.substr(i));
      if (text[i] != c)
        failure(one, text.substr(0, i) + c + text.substr(i + 1));
    }
  }
  failure(one, text + "A");
  failure(one, text + "AAAA");
  failure(one, text + text);
  failure(one, std::string{" "} + text);
}

TEST_CASE("sealer refuses what it never wrote", "[seal][sealer]") {
  sealer one(ring_of({secret}));
  for (const std::size_t size : {0U, 1U, 4U, 5U, 16U, 40U, 41U, 42U, 57U, 1000U}) {
    CAPTURE(size);
    CHECK(failure(one, text_of(std::string(size, '\0'))) == errc::malformed);
    const errc expected = size < 41 ? errc::malformed : errc::unknown_key;
    CHECK(failure(one, text_of(std::string(size, '\1'))) == expected);
  }
  const std::string own = raw_of(one.seal(kind::task, "", alice, later).value()).substr(0, 5);
  CHECK(failure(one, text_of(own + std::string(36, 'x'))) == errc::not_authentic);
  CHECK(failure(one, std::string(limits::sealed_payload_bytes_max * 2, 'A')) == errc::malformed);
}

TEST_CASE("sealer opens a text only for its kind", "[seal][sealer]") {
  sealer one(ring_of({secret}));
  const std::array kinds{kind::request_state, kind::cursor, kind::task, kind::event_id,
                         kind::session};
  for (const kind sealed : kinds) {
    const std::string text = one.seal(sealed, "state", alice, later).value();
    for (const kind wanted : kinds) {
      if (wanted == sealed)
        CHECK(one.open(wanted, text, alice, now));
      else
        CHECK(failure(one, text, alice, wanted) == errc::not_authentic);
    }
  }
}

TEST_CASE("sealer opens a text only for its binding", "[seal][sealer]") {
  using parts = std::vector<std::string_view>;
  struct owned {
    std::string principal, server;
    parts request;
  };
  // No two of these are the same, though many have the same bytes in a row.
  const std::vector<owned> bindings{
      {"alice", "files", {"tools/call", "{}"}},
      {"alic", "efiles", {"tools/call", "{}"}},
      {"alicefiles", "", {"tools/call", "{}"}},
      {"", "alicefiles", {"tools/call", "{}"}},
      {"alice", "filestools/call", {"{}"}},
      {"alice", "files", {"tools/call{}"}},
      {"alice", "files", {"tools/call", "{}", ""}},
      {"alice", "files", {"", "tools/call", "{}"}},
      {"alice", "files", {"tools/call"}},
      {"alice", "files", {}},
      {"alice", "", {}},
      {"", "", {}},
      {"", "", {""}},
      {"", "", {"", "", "", "", "", "", "", ""}},
      {"Alice", "files", {"tools/call", "{}"}},
      {"bob", "files", {"tools/call", "{}"}},
      {"alice", "mails", {"tools/call", "{}"}},
      {"alice", "files", {"tools/call", "{ }"}},
      {std::string("alice\0", 6), "files", {"tools/call", "{}"}},
      {std::string(5000, 'a'), std::string(5000, 'b'), {std::string_view{}}},
  };
  sealer one(ring_of({secret}));
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    const binding sealed{bindings[i].principal, bindings[i].server, bindings[i].request};
    const std::string text = one.seal(kind::task, "state", sealed, later).value();
    for (std::size_t k = 0; k < bindings.size(); ++k) {
      CAPTURE(i, k);
      const binding wanted{bindings[k].principal, bindings[k].server, bindings[k].request};
      if (i == k)
        CHECK(one.open(kind::task, text, wanted, now));
      else
        CHECK(failure(one, text, wanted) == errc::not_authentic);
    }
  }
}

TEST_CASE("sealer refuses a text from its expiry on", "[seal][sealer]") {
  sealer one(ring_of({secret}));
  const std::string text = one.seal(kind::task, "state", alice, later).value();
  CHECK(one.open(kind::task, text, alice, later - 1ms));
  for (const auto at : {later, later + 1ms, later + 24h * 365})
    CHECK(failure(one, text, alice, kind::task, at) == errc::expired);
  CHECK(failure(one, one.seal(kind::task, "state", alice, now - 1s).value()) == errc::expired);
  CHECK(failure(one, one.seal(kind::task, "state", alice, wall_time{} - 24h).value()) ==
        errc::expired);
  CHECK(
      one.open(kind::task, one.seal(kind::task, "x", alice, wall_time::max()).value(), alice, now));
}

TEST_CASE("sealer opens what previous keys sealed, and nothing of unknown ones", "[seal][sealer]") {
  sealer before(ring_of({secret})), rotated(ring_of({other_secret, secret})),
      after(ring_of({other_secret}));
  const std::string old = before.seal(kind::task, "old", alice, later).value();
  const std::string fresh = rotated.seal(kind::task, "fresh", alice, later).value();
  CHECK(rotated.open(kind::task, old, alice, now)->payload == "old");
  CHECK(rotated.open(kind::task, fresh, alice, now)->payload == "fresh");
  CHECK(after.open(kind::task, fresh, alice, now)->payload == "fresh");
  CHECK(failure(after, old) == errc::unknown_key);
  CHECK(failure(before, fresh) == errc::unknown_key);
  // A key id is no proof: under the wrong key nothing opens.
  std::string forged = raw_of(old);
  forged.replace(1, 4, raw_of(fresh).substr(1, 4));
  CHECK(failure(rotated, text_of(forged)) == errc::not_authentic);
  sealer random(key_ring::random().value());
  CHECK(failure(random, old) == errc::unknown_key);
}

TEST_CASE("sealer takes payloads up to the limit", "[seal][sealer]") {
  sealer one(ring_of({secret}));
  const std::string largest(limits::sealed_payload_bytes_max, 'x');
  const auto text = one.seal(kind::task, largest, alice, later);
  REQUIRE(text);
  CHECK(one.open(kind::task, *text, alice, now)->payload == largest);
  CHECK(failure(one, *text + "AAAA") == errc::malformed);
  const auto refused = one.seal(kind::task, largest + "x", alice, later);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::too_large);
}

TEST_CASE("sealer goes on after refusals", "[seal][sealer]") {
  sealer one(ring_of({secret, other_secret}));
  const std::string text = one.seal(kind::task, "state", alice, later).value();
  for (int i = 0; i < 3; ++i) {
    failure(one, text, binding{"mallory", "files", request});
    failure(one, text.substr(1));
    CHECK(one.open(kind::task, text, alice, now)->payload == "state");
    CHECK(one.open(kind::task, one.seal(kind::task, "more", alice, later).value(), alice, now));
  }
  sealer moved = std::move(one);
  CHECK(moved.open(kind::task, text, alice, now)->payload == "state");
}

TEST_CASE("sealer never uses a nonce twice", "[seal][sealer]") {
  const key_ring ring = ring_of({secret});
  std::unordered_set<std::string> nonces;
  std::unordered_set<std::string> prefixes;
  constexpr std::size_t sealers = 8, texts = 2000;
  for (std::size_t i = 0; i < sealers; ++i) {
    sealer each(ring);
    for (std::size_t k = 0; k < texts; ++k) {
      const std::string nonce = nonce_of(each.seal(kind::task, "", alice, later).value());
      nonces.insert(nonce);
      prefixes.insert(nonce.substr(0, 9));
    }
  }
  CHECK(nonces.size() == sealers * texts);
  CHECK(prefixes.size() == sealers);
}

TEST_CASE("sealer draws a new prefix when its count ends", "[seal][sealer]") {
  sealer one(ring_of({secret}));
  const std::string first = nonce_of(one.seal(kind::task, "", alice, later).value());
  one.skip_nonces_for_test((1U << 24) - 2);
  const std::string last = nonce_of(one.seal(kind::task, "", alice, later).value());
  CHECK(last.substr(0, 9) == first.substr(0, 9));
  CHECK(first.substr(9) == std::string(3, '\0'));
  CHECK(last.substr(9) == "\xFF\xFF\xFF");
  const std::string next = nonce_of(one.seal(kind::task, "", alice, later).value());
  CHECK(next.substr(0, 9) != first.substr(0, 9));
  CHECK(next.substr(9) == std::string(3, '\0'));
}

TEST_CASE("sealers of one ring work side by side", "[seal][sealer]") {
  const key_ring ring = ring_of({secret});
  std::array<std::vector<std::string>, 4> texts;
  std::vector<std::thread> workers;
  for (auto& mine : texts) {
    workers.emplace_back([&ring, &mine] {
      sealer own(ring);
      for (int i = 0; i < 500; ++i)
        mine.push_back(own.seal(kind::task, std::to_string(i), alice, later).value());
    });
  }
  for (auto& worker : workers)
    worker.join();
  sealer reader(ring);
  std::unordered_set<std::string> nonces;
  for (const auto& mine : texts) {
    for (std::size_t i = 0; i < mine.size(); ++i) {
      nonces.insert(nonce_of(mine[i]));
      REQUIRE(reader.open(kind::task, mine[i], alice, now)->payload == std::to_string(i));
    }
  }
  CHECK(nonces.size() == 2000);
}

} // namespace
} // namespace nexus::seal
