#include "bench/load/channel.hpp"

#include <fmt/format.h>
#include <utility>

#include "bench/load/answer.hpp"

namespace nexus::load {

void channel::fail_calls(error_class what, std::string_view why) {
  const auto lost = std::exchange(calls, {});
  for (const auto& one : lost)
    events_.on_failed(*this, one, what, why);
}

void channel::drop_calls() {
  const auto lost = std::exchange(calls, {});
  for (const auto& one : lost)
    events_.on_dropped(*this, one);
}

void channel::lose(error_class what, std::string_view why) {
  const bool idle = calls.empty();
  fail_calls(what, why);
  events_.on_lost(*this, what, why, idle);
}

std::string initialize_body(const target& to, const id_text& id) {
  return request_body(to, id.view(), "initialize", initialize_params(to));
}

std::string reply_to(std::string_view text) {
  answer_reader reader;
  const auto message = reader.read(text);
  if (!message || !message->method || !message->id)
    return {};
  return message->method.raw == "\"ping\""
             ? fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{{}}}})", message->id.raw)
             : fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,)"
                           R"("message":"a load generator offers nothing"}}}})",
                           message->id.raw);
}

bool is_result_of(std::string_view text, const id_text& id) {
  answer_reader reader;
  const auto message = reader.read(text);
  return message && message->id.raw == id.view() && message->result;
}

} // namespace nexus::load
