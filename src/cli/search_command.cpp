#include "cli/search_command.hpp"

#include <ostream>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "cli/console.hpp"
#include "search/searcher.hpp"
#include "json/scan.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::cli {
namespace {

/// The lines of a file or of stdin; those that are blank are passed over.
class line_file {
 public:
  line_file(const std::string& path, const surroundings& world)
      : name_(path == "-" ? "stdin" : path), io_(world.io) {
    if (path == "-")
      text_ = read_all(world.io.in, limits::config_file_bytes_max);
    else if (world.env.read_file)
      text_ = world.env.read_file(path);
    if (!text_)
      print_error(io_, fmt::format("'{}' cannot be read; is it there, a file, and not larger than "
                                   "{} MiB?",
                                   name_, limits::config_file_bytes_max >> 20));
  }

  [[nodiscard]] bool readable() const noexcept { return text_.has_value(); }

  /// The next line, followed by what a scanner needs. Null at the end.
  [[nodiscard]] const std::string* next() {
    while (at_ < text_->size()) {
      const std::size_t end = std::min(text_->find('\n', at_), text_->size());
      line_.assign(*text_, at_, end - at_);
      at_ = end + 1;
      ++number_;
      if (!trim(line_).empty()) {
        json::ensure_padding(line_);
        return &line_;
      }
    }
    return nullptr;
  }

  void complain(std::string_view why) const {
    print_error(io_, fmt::format("{}:{}: {}", name_, number_, why));
  }

 private:
  std::string name_;
  console& io_;
  std::optional<std::string> text_;
  std::size_t at_ = 0, number_ = 0;
  std::string line_;
};

std::optional<search::index_ptr> read_catalogue(const std::string& path,
                                                const surroundings& world) {
  line_file file(path, world);
  if (!file.readable())
    return std::nullopt;
  json::scanner scanner;
  std::vector<search::document> tools;
  while (const std::string* line = file.next()) {
    auto tool = search::read_document(scanner, *line);
    if (!tool) {
      file.complain(tool.error().message);
      return std::nullopt;
    }
    tools.push_back(std::move(*tool));
  }
  return search::build_index(tools);
}

/// `{"id": ..., "ranked": [...]}`; the id as the query has it.
std::string ranked_line(json::slice id, const std::vector<search::hit>& hits) {
  std::string ranked = "[";
  for (const search::hit& hit : hits) {
    if (ranked.size() > 1)
      ranked += ", ";
    json::append_string(ranked, hit.id);
  }
  return fmt::format("{{\"id\": {}, \"ranked\": {}]}}\n", id.raw, ranked);
}

} // namespace

int rank_catalogue(const command_line& line, const surroundings& world) {
  const auto index = read_catalogue(line.catalogue_path, world);
  if (!index)
    return exit_failed;
  line_file queries(line.queries_path, world);
  if (!queries.readable())
    return exit_failed;
  json::scanner scanner;
  search::searcher searcher;
  while (const std::string* text = queries.next()) {
    const auto query = scanner.validate(*text);
    if (!query) {
      queries.complain(query.error().message);
      return exit_failed;
    }
    const json::slice id = json::find_member(*query, "id");
    const json::slice asked = json::find_member(*query, "query");
    if (!(id.is(json::kind::string) || id.is(json::kind::number)) ||
        !asked.is(json::kind::string)) {
      queries.complain("a query is an object with \"id\" and \"query\", a string");
      return exit_failed;
    }
    world.io.out << ranked_line(id, searcher.find(**index, json::unquote(asked), {line.top, {}}));
  }
  return exit_ok;
}

} // namespace nexus::cli
