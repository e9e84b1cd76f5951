#include "engine/embedding_client.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using search::embedding;

auto no_answer(std::string why) {
  return fail(std::make_error_code(std::errc::protocol_error), std::move(why));
}

std::optional<embedding> read_numbers(json::slice array, std::vector<float>& scratch) {
  scratch.clear();
  for (json::element_walk each(array); each.next();) {
    const auto raw = each.value().raw;
    float number = 0;
    const auto [end, problem] = std::from_chars(raw.data(), raw.data() + raw.size(), number);
    // What is too small for a float is as good as zero.
    if (problem == std::errc::invalid_argument || !each.value().is(json::kind::number) ||
        scratch.size() == limits::embedding_dimensions_max)
      return std::nullopt;
    scratch.push_back(number);
  }
  return embedding::from(scratch);
}

} // namespace

/// One request on its way.
class embedding_client::request final : public http_call_handler {
 public:
  request(embedding_client& owner, std::size_t texts_count, receiver done)
      : owner_(owner), texts_count_(texts_count), done_(std::move(done)) {}

  void start(const std::string& text, milliseconds at_most) {
    late_.set_action([this, at_most] {
      if (call_ != nullptr)
        owner_.pool_->cancel(*call_);
      call_ = nullptr;
      owner_.end(*this, fail(std::make_error_code(std::errc::timed_out),
                             fmt::format("no answer within {} ms", at_most.count())));
    });
    if (!owner_.pool_) {
      late_.set_action([this] { owner_.end(*this, std::unexpected(owner_.unreachable_)); });
      return owner_.reactor_.arm(late_, nanoseconds(0));
    }
    owner_.reactor_.arm(late_, at_most);
    call_ = &owner_.pool_->start(text, *this);
  }
  void give(result<std::vector<embedding>> with) {
    late_.cancel();
    if (done_)
      std::exchange(done_, nullptr)(std::move(with));
  }

 private:
  void on_message(http_call& call, std::string_view text) override {
    if (http_pool::head_of(call).status == 200)
      found_ = owner_.read(text, texts_count_);
    else
      said_ = text.substr(0, said_bytes_max);
  }
  void on_end(http_call&, const http::response_head& head, std::string_view body) override {
    call_ = nullptr;
    if (head.status == 200)
      return owner_.end(*this, std::move(found_));
    owner_.end(*this, no_answer(fmt::format("HTTP {} {}", head.status,
                                            said_.empty() ? body.substr(0, said_bytes_max)
                                                          : std::string_view(said_))));
  }
  void on_failure(http_call&, const error& reason, bool) override {
    call_ = nullptr;
    owner_.end(*this, std::unexpected(reason));
  }

  static constexpr std::size_t said_bytes_max = 200;
  embedding_client& owner_;
  const std::size_t texts_count_;
  receiver done_;
  http_call* call_ = nullptr;
  net::timer late_;
  std::string said_;
  result<std::vector<embedding>> found_ = no_answer("an answer without a JSON body");
};

embedding_client::embedding_client(net::reactor& on, const config::embedding_provider& provider)
    : reactor_(on), provider_(provider) {
  bury_.set_action([this] { ended_.clear(); });
  auto target = make_http_target(provider.endpoint, limits::embedding_response_bytes_max);
  if (!target) {
    unreachable_ = target.error();
    return;
  }
  prefix_ = fmt::format("POST {} HTTP/1.1\r\n{}Content-Type: application/json\r\n"
                        "Accept: application/json\r\nContent-Length: ",
                        target->path, target->head_fields);
  pool_ = std::make_unique<http_pool>(reactor_, std::move(target->pool));
}

embedding_client::~embedding_client() = default;

void embedding_client::ask(std::span<const std::string> texts, milliseconds at_most,
                           receiver done) {
  open_.push_back(std::make_unique<request>(*this, texts.size(), std::move(done)));
  open_.back()->start(request_text(texts), at_most);
}

void embedding_client::end(request& of, result<std::vector<embedding>> with) {
  const auto found = std::ranges::find_if(open_, [&](const auto& one) { return one.get() == &of; });
  ended_.push_back(std::move(*found)); // its own code is running
  open_.erase(found);
  if (!bury_.armed())
    reactor_.arm(bury_, nanoseconds(0));
  of.give(std::move(with));
}

std::string embedding_client::request_text(std::span<const std::string> texts) const {
  std::string body;
  json::object_writer out(body);
  out.string("model", provider_.model);
  auto& input = out.key("input");
  input += '[';
  for (const auto& text : texts) {
    input += input.back() == '[' ? "" : ",";
    json::append_string(input, text);
  }
  input += ']';
  if (provider_.dimensions != 0)
    out.integer("dimensions", static_cast<std::int64_t>(provider_.dimensions));
  out.end();
  return prefix_ + std::to_string(body.size()) + "\r\n\r\n" + body;
}

result<std::vector<embedding>> embedding_client::read(std::string_view body,
                                                      std::size_t texts_count) {
  const auto whole = scanner_.validate(body);
  if (!whole)
    return no_answer("its answer is no JSON: " + whole.error().message);
  std::vector<std::optional<embedding>> found(texts_count);
  std::vector<float> scratch;
  std::size_t place = 0;
  for (json::element_walk each(json::find_member(*whole, "data")); each.next(); ++place) {
    const auto index = json::to_int64(json::find_member(each.value(), "index"));
    const auto at = index ? static_cast<std::size_t>(*index) : place;
    if (at < texts_count)
      found[at] = read_numbers(json::find_member(each.value(), "embedding"), scratch);
  }
  std::vector<embedding> out;
  for (auto& one : found) {
    if (!one || (!out.empty() && one->dimensions() != out.front().dimensions()))
      return no_answer(
          fmt::format("its answer lacks \"data\" with {} embeddings of one length", texts_count));
    out.push_back(std::move(*one));
  }
  return out;
}

} // namespace nexus::engine
