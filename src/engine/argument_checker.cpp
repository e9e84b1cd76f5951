#include "engine/argument_checker.hpp"

#include <fmt/format.h>

#include "base/limits.hpp"
#include "catalog/names.hpp"
#include "json/write.hpp"

namespace nexus::engine {

const schema::compiled* argument_checker::schema_of(const catalog::item_list& list,
                                                    const catalog::item& tool) {
  if (!tool.problem.empty())
    return nullptr; // the gateway wrote the schema itself
  if (compiled_.size() >= limits::compiled_schemas_max)
    compiled_.clear();
  auto& made = compiled_[&tool];
  if (!made)
    made = schema::compiled::make(list.input_schema(tool));
  return made.get();
}

std::string schema_version(json::slice schema) {
  return catalog::content_fingerprint(json::canonical(schema.raw));
}

} // namespace nexus::engine
