/// Schemas: a line of JSON is the schema and the rest is the value. Checking ends in time, says the
/// same each time and names what is wrong; an example is valid.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "schema/schema.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nexus;
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  const std::size_t line = std::min(input.find('\n'), input.size());
  std::string schema_text(input.substr(0, line)), value_text(input.substr(line));
  json::ensure_padding(schema_text);
  json::ensure_padding(value_text);
  json::scanner scanner;
  const auto schema = scanner.validate(schema_text);
  if (!schema)
    return 0;
  const auto made = schema::compiled::make(*schema);
  NEXUS_ASSERT(made->notes().size() <= limits::schema_notes_max);
  if (const auto value = scanner.validate(value_text)) {
    const auto verdict = made->check(*value);
    NEXUS_ASSERT((verdict.what == schema::verdict::state::invalid) == !verdict.violations.empty());
    NEXUS_ASSERT(verdict.violations.size() <= limits::schema_violations_max);
    NEXUS_ASSERT(made->check(*value).what == verdict.what);
  }
  if (auto example = made->example()) {
    json::ensure_padding(*example);
    const auto value = scanner.validate(*example);
    NEXUS_ASSERT(value && made->check(*value).what == schema::verdict::state::valid);
  }
  return 0;
}
