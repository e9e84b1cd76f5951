#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "catalog/server_catalogue.hpp"

/// What the tests of this folder share.
namespace nexus::catalog::test {

/// A text in memory of its own that ends exactly where its padding ends, so that AddressSanitizer
/// sees any read beyond.
class padded {
 public:
  explicit padded(std::string_view text)
      : size_(text.size()), bytes_(new char[text.size() + json::padding_bytes]) {
    std::memcpy(bytes_.get(), text.data(), text.size());
    std::memset(bytes_.get() + text.size(), '"', json::padding_bytes);
  }
  [[nodiscard]] json::slice slice(json::kind type = json::kind::array) const {
    return {{bytes_.get(), size_}, type};
  }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

struct filters {
  std::vector<std::string> include, exclude;
};

constexpr cache_hints usual{limits::list_ttl_default.count(), false};

/// The list of a server that answers with these pages, each an array.
inline item_list_ptr listed(const std::vector<std::string>& pages, const filters& wanted = {},
                            list_kind kind = list_kind::tools) {
  list_builder builder(kind, usual, wanted.include, wanted.exclude);
  json::scanner scanner;
  for (const auto& page : pages) {
    const padded text(page); // gone before the next page: nothing may point into it
    REQUIRE(builder.add_page(text.slice(), scanner).has_value());
  }
  return builder.finish();
}

/// A plain definition; `more` is added after the schema, with its comma.
inline std::string definition(std::string_view name, std::string_view more = "") {
  return R"({"name":")" + std::string(name) + R"(","inputSchema":{"type":"object"})" +
         std::string(more) + "}";
}

inline std::string page_of(const std::vector<std::string>& names) {
  std::string page = "[";
  for (const auto& name : names)
    page += (page.size() > 1 ? "," : "") + definition(name);
  return page + "]";
}

/// What a server with tools alone has told.
inline std::shared_ptr<server_catalogue> with_tools(item_list_ptr tools) {
  auto made = std::make_shared<server_catalogue>();
  made->lists[index_of(list_kind::tools)] = std::move(tools);
  made->offers.tools = true;
  return made;
}

inline std::vector<std::string> names_of(const item_list& c) {
  std::vector<std::string> names;
  for (const auto& t : c.items())
    names.push_back(t.name);
  return names;
}

} // namespace nexus::catalog::test
