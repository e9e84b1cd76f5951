#include "engine/batch.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "engine/dispatch.hpp"
#include "engine/worker.hpp"
#include "gateway/classify.hpp"
#include "mcp/error_table.hpp"
#include "json/scan.hpp"

namespace nexus::engine {
namespace {

using mcp::message_kind;

/// The texts of an array's elements. The scanner is busy meanwhile, so they are parsed afterwards.
class element_texts final : public json::element_sink {
 public:
  bool on_element(std::size_t, json::slice value) override {
    texts.push_back(value.raw);
    return texts.size() <= limits::calls_per_connection_max;
  }
  std::vector<std::string_view> texts;
};

std::unexpected<error> invalid(std::string reason) {
  return fail(make_error_code(mcp::errc::invalid_request), std::move(reason));
}

} // namespace

result<std::unique_ptr<batch>> batch::open(worker& on, std::string_view text,
                                           const session_ptr& caller, batch_sink& sink) {
  element_texts elements;
  if (auto scanned = on.scanner().scan_array(text, elements); !scanned)
    return fail(make_error_code(mcp::errc::parse_error), std::move(scanned.error().message));
  if (elements.texts.empty())
    return invalid("a batch must not be empty");
  if (elements.texts.size() > limits::calls_per_connection_max)
    return invalid("too many messages in one batch");
  std::unique_ptr<batch> opened(new batch(on, sink));
  for (const auto element : elements.texts)
    if (auto added = opened->add(element, caller); !added)
      return std::unexpected(std::move(added.error()));
  return opened;
}

result<> batch::add(std::string_view text, const session_ptr& caller) {
  auto& x = worker_.acquire();
  unserved_.push_back(&x);
  x.client = this;
  x.era = mcp::era::legacy;
  x.revision = caller->revision;
  x.scope = caller->scope;
  x.caller = caller;
  x.log_level = caller->wanted_log_level();
  x.text = text;
  json::ensure_padding(x.text);
  if (auto parsed = mcp::parse_message(x.text, worker_.scanner(), x.request); !parsed)
    return invalid(std::move(parsed.error().message));
  if (const auto kind = gateway::classify(x.request, {}); !kind)
    return invalid(kind.error().message);
  else if (kind->era == mcp::era::modern)
    return invalid("batches are not part of this protocol version");
  if (x.request.kind == message_kind::request && x.request.method == "initialize")
    return invalid("initialize must not stand in a batch");
  return {};
}

batch::~batch() {
  for (auto* const x : unserved_)
    worker_.release(*x);
}

void batch::start() {
  starting_ = true;
  for (auto* const x : std::exchange(unserved_, {})) {
    if (x->request.kind == message_kind::request)
      under_way_.push_back(x);
    if (x->request.kind == message_kind::request || x->request.kind == message_kind::notification)
      dispatch(worker_, *x);
    else {
      worker_.take_answer(x->caller.get(), x->request);
      worker_.release(*x);
    }
  }
  starting_ = false;
  end_if_done();
}

void batch::leave() {
  sink_ = nullptr;
  for (auto* const x : std::exchange(under_way_, {}))
    x->client = nullptr;
}

void batch::send_notification(exchange&, const gateway::pieces& message) {
  if (sink_ != nullptr)
    sink_->batch_notification(message);
}

void batch::send_answer(exchange& x, const gateway::pieces& message, unsigned) {
  answers_ += answers_.empty() ? '[' : ',';
  message.append_to(answers_);
  ended(x);
}

bool batch::ask(exchange&, std::string_view request) {
  if (sink_ == nullptr)
    return false;
  gateway::pieces message;
  message.add(request);
  sink_->batch_notification(message);
  return true;
}

void batch::send_cancelled(exchange& x) {
  ended(x);
}

void batch::listen(exchange&) {
  NEXUS_ASSERT(false); // a method of the other era
}

void batch::ended(exchange& x) {
  std::erase(under_way_, &x);
  end_if_done();
}

void batch::end_if_done() {
  if (starting_ || !under_way_.empty() || sink_ == nullptr)
    return;
  if (!answers_.empty())
    answers_ += ']';
  std::exchange(sink_, nullptr)->batch_done(*this, answers_);
}

} // namespace nexus::engine
