#include "support.hpp"

#include <algorithm>
#include <iostream>

namespace nexus::samples {
namespace {

bool has_type(const json& value, const std::string& type) {
  if (type == "string")
    return value.is_string();
  if (type == "number")
    return value.is_number();
  if (type == "integer")
    return value.is_number_integer();
  if (type == "boolean")
    return value.is_boolean();
  return true;
}

/// Checks the part of JSON Schema that these tools use: required, type, and no unknown names.
void check_arguments(const json& schema, const json& arguments) {
  const json& properties = schema.at("properties");
  for (const json& name : schema.at("required"))
    if (!arguments.contains(name.get<std::string>()))
      throw tool_failure("the argument '" + name.get<std::string>() + "' is missing");
  for (const auto& [name, value] : arguments.items()) {
    if (!properties.contains(name))
      throw tool_failure("there is no argument '" + name + "'");
    const auto type = properties.at(name).at("type").get<std::string>();
    if (!has_type(value, type))
      throw tool_failure("the argument '" + name + "' must be of type " + type);
  }
}

json text_content(const std::string& text) {
  return json::array({{{"type", "text"}, {"text", text}}});
}

json initialize(const server& self, const json& params) {
  const auto version = params.find("protocolVersion");
  if (version == params.end() || !version->is_string())
    throw protocol_failure(invalid_params, "initialize needs a protocolVersion");
  const auto& known = legacy_versions();
  const bool served = std::find(known.begin(), known.end(), *version) != known.end();
  return {{"protocolVersion", served ? version->get<std::string>() : known.front()},
          {"capabilities", {{"tools", json::object()}}},
          {"serverInfo", self.implementation()},
          {"instructions", self.instructions}};
}

json run_legacy(const server& self, const std::string& method, const json& params) {
  if (method == "initialize")
    return initialize(self, params);
  if (method == "ping")
    return json::object();
  if (method == "tools/list")
    return self.list_tools();
  if (method == "tools/call")
    return self.call_tool(params);
  throw protocol_failure(method_not_found, "unknown method '" + method + "'");
}

} // namespace

json object_schema(json properties, std::vector<std::string> required) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

json output_schema(json properties) {
  json required = json::array();
  for (const auto& [name, schema] : properties.items())
    required.push_back(name);
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", required}};
}

json read_only() {
  return {{"readOnlyHint", true}, {"openWorldHint", false}};
}

json server::implementation() const {
  return {{"name", name}, {"title", title}, {"version", version}};
}

json server::list_tools() const {
  json list = json::array();
  for (const tool& each : tools)
    list.push_back({{"name", each.name},
                    {"title", each.title},
                    {"description", each.description},
                    {"inputSchema", each.input_schema},
                    {"outputSchema", each.output_schema},
                    {"annotations", each.annotations}});
  return {{"tools", std::move(list)}};
}

json server::call_tool(const json& params) const {
  const auto called = params.find("name");
  if (called == params.end() || !called->is_string())
    throw protocol_failure(invalid_params, "tools/call needs a name");
  const auto found = std::find_if(tools.begin(), tools.end(),
                                  [&](const tool& each) { return each.name == *called; });
  if (found == tools.end())
    throw protocol_failure(invalid_params, "unknown tool '" + called->get<std::string>() + "'");
  const json arguments = params.value("arguments", json::object());
  if (!arguments.is_object())
    throw protocol_failure(invalid_params, "arguments must be an object");
  try {
    check_arguments(found->input_schema, arguments);
    const json output = found->run(arguments);
    // The text repeats the structured content for clients that know only text.
    return {{"content", text_content(output.dump())}, {"structuredContent", output}};
  } catch (const tool_failure& failure) {
    return {{"content", text_content(failure.what())}, {"isError", true}};
  }
}

json make_result(const json& id, json result) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}};
}

json make_error(const json& id, int code, const std::string& message, const json& data) {
  json error{{"code", code}, {"message", message}};
  if (!data.is_null())
    error["data"] = data;
  return {{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(error)}};
}

json id_of(const json& message) {
  if (!message.is_object())
    return nullptr;
  const auto id = message.find("id");
  return id != message.end() && (id->is_string() || id->is_number_integer()) ? *id : json(nullptr);
}

message_kind classify(const json& message) {
  if (!message.is_object() || message.value("jsonrpc", json()) != "2.0")
    throw protocol_failure(invalid_request, "not a JSON-RPC 2.0 message");
  const bool has_id = message.contains("id");
  if (has_id && id_of(message).is_null())
    throw protocol_failure(invalid_request, "an id is a string or an integer");
  const auto method = message.find("method");
  if (method == message.end()) {
    if (has_id && (message.contains("result") || message.contains("error")))
      return message_kind::response;
    throw protocol_failure(invalid_request, "a message has a method, a result or an error");
  }
  if (!method->is_string())
    throw protocol_failure(invalid_request, "a method is a string");
  const auto params = message.find("params");
  if (params != message.end() && !params->is_object())
    throw protocol_failure(invalid_params, "params must be an object");
  return has_id ? message_kind::request : message_kind::notification;
}

const std::vector<std::string>& legacy_versions() {
  static const std::vector<std::string> versions{"2025-11-25", "2025-06-18"};
  return versions;
}

std::optional<json> answer_legacy(const server& self, const json& message) {
  try {
    if (classify(message) != message_kind::request)
      return std::nullopt;
    const auto method = message.at("method").get<std::string>();
    const json params = message.value("params", json::object());
    return make_result(message.at("id"), run_legacy(self, method, params));
  } catch (const protocol_failure& failure) {
    return make_error(id_of(message), failure.code, failure.what(), failure.data);
  }
}

void log_line(std::string_view text) {
  std::cerr << std::string(text) + "\n" << std::flush;
}

} // namespace nexus::samples
