#include "mcp/error_table.hpp"

#include <string>

namespace nexus::mcp {
namespace {

struct row {
  int json_rpc_code;
  int http_status;
  const char* text;
};

row row_of(errc code) noexcept {
  switch (code) {
  case errc::parse_error:
    return {-32700, 400, "Parse error"};
  case errc::invalid_request:
    return {-32600, 400, "Invalid Request"};
  case errc::method_not_found:
    return {-32601, 404, "Method not found"};
  case errc::invalid_params:
    return {-32602, 400, "Invalid params"};
  case errc::internal_error:
    break;
  case errc::header_mismatch:
    return {-32020, 400, "Header mismatch"};
  case errc::missing_capability:
    return {-32021, 400, "Missing required client capability"};
  case errc::resource_not_found:
    return {-32002, 404, "Resource not found"};
  case errc::unsupported_version:
    return {-32022, 400, "Unsupported protocol version"};
  }
  return {-32603, 500, "Internal error"};
}

class error_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "mcp"; }
  std::string message(int code) const override { return row_of(static_cast<errc>(code)).text; }
};

} // namespace

std::error_code make_error_code(errc code) noexcept {
  static const error_category category;
  return {static_cast<int>(code), category};
}

int json_rpc_code(errc code) noexcept {
  return row_of(code).json_rpc_code;
}
int http_status(errc code) noexcept {
  return row_of(code).http_status;
}

} // namespace nexus::mcp
