#include "gateway/questions.hpp"

#include <fmt/format.h>

#include "base/limits.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::gateway {
namespace {

using mcp::result_key;

/// The members of inputRequests; their own members are read at the next depth.
class request_reader final : public json::visitor {
 public:
  std::vector<input_request> found;
  bool broken = false;

  step on_key(unsigned depth, std::string_view key, json::kind type) override {
    if (depth > 0)
      return step::take;
    found.push_back({std::string(key), {}, {}});
    known_ = false;
    if (type != json::kind::object || found.size() > limits::questions_per_call_max)
      return step::refuse;
    return step::enter;
  }
  void on_member(unsigned depth, const json::member& m) override {
    if (depth == 0) {
      broken = broken || !known_;
      return;
    }
    if (m.key == "method" && m.value.is(json::kind::string))
      known_ = parse_question(json::unquote(m.value), found.back().kind);
    if (m.key == "params" && m.value.is(json::kind::object))
      found.back().params = m.value.raw;
  }

 private:
  bool known_ = false;
};

class response_reader final : public json::visitor {
 public:
  std::vector<input_response> found;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& m) override {
    found.push_back({std::string(m.key), m.value});
  }
};

/// Copies the members of an object but one.
class copy_without final : public json::visitor {
 public:
  explicit copy_without(std::string_view key) : key_(key) {}
  std::string text;
  bool url_mode = false;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& m) override {
    if (m.key == "mode")
      url_mode = m.value.raw == R"("url")";
    if (m.key == key_)
      return;
    if (!text.empty())
      text += ',';
    text += m.span;
  }

 private:
  std::string_view key_;
};

/// Which members of a result there are, and of what type.
class shape_reader final : public json::visitor {
 public:
  bool known_action = false, accepted = false, content = false, content_object = false;
  bool role = false, model = false, roots = false;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& m) override {
    const bool text = m.value.is(json::kind::string);
    if (m.key == "action") {
      accepted = m.value.raw == R"("accept")";
      known_action = accepted || m.value.raw == R"("decline")" || m.value.raw == R"("cancel")";
    }
    if (m.key == "content") {
      content = true;
      content_object = m.value.is(json::kind::object);
    }
    role = role || (m.key == "role" && text);
    model = model || (m.key == "model" && text);
    roots = roots || (m.key == "roots" && m.value.is(json::kind::array));
  }
};

void begin_result(std::string& out, std::string_view id) {
  out = R"({"jsonrpc":"2.0","id":)";
  out += id;
  out += R"(,"result":{"resultType":"input_required")";
}

} // namespace

result<std::vector<input_request>> read_input_requests(json::slice requests,
                                                       json::scanner& scanner) {
  if (!requests)
    return std::vector<input_request>{};
  request_reader reader;
  const bool read = requests.is(json::kind::object) && scanner.scan_object(requests.raw, reader);
  if (!read || reader.broken)
    return fail(make_error_code(mcp::errc::invalid_request),
                "inputRequests must be an object of sampling, elicitation and roots requests");
  for (auto& found : reader.found)
    json::ensure_padding(found.params);
  return std::move(reader.found);
}

void render_input_required(std::string& out, std::string_view id, const mcp::message& response,
                           std::string_view state) {
  begin_result(out, id);
  const auto& result = response.result;
  if (const auto requests = result.at(result_key::input_requests)) {
    out += ',';
    out += requests.span;
  }
  if (!state.empty()) {
    out += R"(,"requestState":)";
    json::append_string(out, state);
  }
  for (const auto& other : result.others()) {
    out += ',';
    out += other.span;
  }
  out += R"(,"_meta":{)";
  out += server_info_member();
  out += "}}}";
}

void render_input_required(std::string& out, std::string_view id,
                           const std::vector<input_request>& requests, std::string_view state) {
  begin_result(out, id);
  out += R"(,"inputRequests":{)";
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (i > 0)
      out += ',';
    json::append_string(out, requests[i].key);
    out += fmt::format(R"(:{{"method":"{}")", method_of(requests[i].kind));
    if (!requests[i].params.empty()) {
      out += R"(,"params":)";
      out += requests[i].params;
    }
    out += '}';
  }
  out += R"(},"requestState":)";
  json::append_string(out, state);
  out += R"(,"_meta":{)";
  out += server_info_member();
  out += "}}}";
}

std::vector<input_request> url_elicitations_in(json::slice data, json::scanner& scanner) {
  std::vector<input_request> found;
  json::element_walk list(json::find_member(data, "elicitations"));
  while (list.next() && found.size() < limits::questions_per_call_max) {
    if (!json::find_member(list.value(), "url").is(json::kind::string))
      continue;
    auto& request = found.emplace_back();
    request.key = fmt::format("url-{}", found.size());
    request.kind = question_kind::elicitation;
    std::string params(list.value().raw);
    json::ensure_padding(params);
    request.params = elicitation_for_modern(params, scanner);
    json::ensure_padding(request.params);
  }
  return found;
}

std::vector<input_response> read_input_responses(json::slice responses, json::scanner& scanner) {
  response_reader reader;
  if (!responses.is(json::kind::object) || !scanner.scan_object(responses.raw, reader))
    return {};
  return std::move(reader.found);
}

bool is_result_of(question_kind kind, json::slice value, json::scanner& scanner) {
  shape_reader shape;
  if (!value.is(json::kind::object) || !scanner.scan_object(value.raw, shape))
    return false;
  switch (kind) {
  case question_kind::sampling:
    return shape.role && shape.content && shape.model;
  case question_kind::elicitation:
    return shape.known_action && (!shape.content || shape.content_object);
  case question_kind::roots:
    break;
  }
  return shape.roots;
}

std::string elicitation_for_modern(std::string_view params, json::scanner& scanner) {
  copy_without copy("elicitationId");
  if (!scanner.scan_object(params, copy))
    return std::string(params);
  return '{' + copy.text + '}';
}

std::string elicitation_for_legacy(std::string_view params, std::string_view elicitation_id,
                                   json::scanner& scanner) {
  copy_without copy("elicitationId");
  if (!scanner.scan_object(params, copy) || !copy.url_mode)
    return std::string(params);
  return fmt::format(R"({{{},"elicitationId":"{}"}})", copy.text, elicitation_id);
}

std::string replace_progress_token(std::string& params, std::string_view ours,
                                   json::scanner& scanner) {
  const auto meta = json::find_member({params, json::kind::object}, "_meta");
  const auto token = json::find_member(meta, "progressToken");
  if (!token.is(json::kind::number) && !token.is(json::kind::string))
    return {};
  std::string theirs(token.raw);
  const auto place = [&](json::slice of) {
    return static_cast<std::size_t>(of.raw.data() - params.data());
  };
  if (!ours.empty()) {
    params.replace(place(token), token.raw.size(), ours);
  } else {
    copy_without others("progressToken");
    if (!scanner.scan_object(meta.raw, others))
      return {};
    params.replace(place(meta), meta.raw.size(), '{' + others.text + '}');
  }
  json::ensure_padding(params);
  return theirs;
}

} // namespace nexus::gateway
