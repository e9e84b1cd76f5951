/// Sealed texts: what a client sends back opens only if it is what was sealed, and whatever was
/// sealed opens. The key is fixed, so that the corpus can hold texts that open.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "base/base64.hpp"
#include "seal/sealer.hpp"

namespace {

using namespace nexus;

const seal::wall_time now{std::chrono::seconds(1'800'000'000)};

seal::sealer make_sealer() {
  const std::vector<std::string> secrets{
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"};
  return seal::sealer(seal::key_ring::from_secrets(secrets).value());
}

void check_round_trip(seal::sealer& own, std::string_view payload, std::size_t where, char change) {
  const std::string_view parts[]{payload.substr(0, payload.size() / 2), "tools/call"};
  const seal::binding to{payload.substr(0, payload.size() / 3), "server", parts};
  std::string text = own.seal(seal::kind::cursor, payload, to, now + std::chrono::hours(1)).value();
  const auto back = own.open(seal::kind::cursor, text, to, now);
  NEXUS_ASSERT(back && back->payload == payload);
  NEXUS_ASSERT(!own.open(seal::kind::task, text, to, now));
  NEXUS_ASSERT(!own.open(seal::kind::cursor, text, {to.principal, "other", parts}, now));
  NEXUS_ASSERT(!own.open(seal::kind::cursor, text, to, now + std::chrono::hours(1)));
  char& altered = text[where % text.size()];
  if (altered != change) {
    altered = change;
    NEXUS_ASSERT(!own.open(seal::kind::cursor, text, to, now));
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static seal::sealer own = make_sealer();
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  const std::string_view parts[]{"tools/call", R"({"path":"/tmp"})"};
  const auto opened = own.open(seal::kind::request_state, input, {"alice", "files", parts}, now);
  NEXUS_ASSERT(!opened || opened->expires_at > now);

  std::string bytes;
  if (decode_base64(input, base64_form::url, bytes)) {
    std::string again;
    append_base64(again, bytes, base64_form::url);
    NEXUS_ASSERT(again == input);
  }
  if (decode_base64(input, base64_form::standard, bytes)) {
    std::string again;
    append_base64(again, bytes, base64_form::standard);
    NEXUS_ASSERT(again == input);
  }
  if (size >= 3)
    check_round_trip(own, input.substr(3), static_cast<std::size_t>(data[0]) << 8 | data[1],
                     input[2]);
  return 0;
}
