#pragma once

#include <deque>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "catalog/server_catalogue.hpp"
#include "registry/duplicates.hpp"
#include "json/walk.hpp"

namespace nexus::registry::testing {

/// A list of `definitions`, JSON objects with commas between.
inline catalog::item_list_ptr list_of(catalog::list_kind kind, const std::string& definitions) {
  json::scanner scanner;
  std::string text = "[" + definitions + "]";
  json::ensure_padding(text);
  catalog::list_builder builder(kind, {5'000, false});
  REQUIRE(builder.add_page({text, json::kind::array}, scanner));
  return builder.finish();
}

inline catalog::server_catalogue catalogue_of(const std::string& tools) {
  catalog::server_catalogue out;
  out.offers.tools = true;
  out.lists[0] = list_of(catalog::list_kind::tools, tools);
  return out;
}

/// Tools of several servers.
class tool_set {
 public:
  void add(std::string server, const std::string& definitions) {
    const std::string& name = names_.emplace_back(std::move(server));
    const auto& list = lists_.emplace_back(list_of(catalog::list_kind::tools, definitions));
    for (const auto& item : list->items()) {
      tool_entry made;
      made.server = name;
      made.name = item.name;
      made.definition = {list->definition(item), json::kind::object};
      made.digest = tool_digest(made.definition);
      tools.push_back(made);
    }
  }
  [[nodiscard]] std::string names(const duplicate_group& of) const {
    std::string out;
    for (const auto i : of.tools)
      (out += out.empty() ? "" : " ").append(tools[i].server).append("/").append(tools[i].name);
    return out;
  }
  std::vector<tool_entry> tools;

 private:
  std::deque<std::string> names_;
  std::deque<catalog::item_list_ptr> lists_;
};

} // namespace nexus::registry::testing
