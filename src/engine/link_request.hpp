#pragma once

#include "engine/server_link.hpp"
#include "engine/worker.hpp"

/// The pieces of server_link's control requests.
namespace nexus::engine {

/// Finds one member of an object.
class named_member final : public json::visitor {
 public:
  explicit named_member(std::string_view key) : key_(key) {}
  json::slice found;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& m) override {
    if (m.key == key_)
      found = m.value;
  }

 private:
  std::string_view key_;
};

/// One request of the link itself, until it is answered, fails or times out.
class server_link::request_state final : public http_call_handler {
 public:
  request_state(server_link& owner, std::int64_t id, answer_handler on_answer)
      : owner_(owner), id_(id), on_answer_(std::move(on_answer)) {}
  ~request_state() override { cancel(); }

  void start_http(std::string_view text) { call_ = &owner_.pool_->start(text, *this); }
  void cancel() {
    timeout.cancel();
    if (call_ != nullptr)
      owner_.pool_->cancel(*call_);
    call_ = nullptr;
  }
  void answer(const outcome& result) {
    timeout.cancel();
    auto callback = std::move(on_answer_);
    callback(result);
  }

  net::timer timeout;

 private:
  void on_message(http_call& call, std::string_view text) override;
  void on_end(http_call& call, const http::response_head& head, std::string_view body) override;
  void on_failure(http_call& call, const error& reason, bool untouched) override;

  server_link& owner_;
  const std::int64_t id_;
  answer_handler on_answer_;
  http_call* call_ = nullptr;
};

} // namespace nexus::engine
