#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "search/searcher.hpp"

namespace nexus::search::test {

inline document tool(std::string server, std::string name, std::string description,
                     std::vector<std::string> parameters = {},
                     std::vector<std::string> texts = {}) {
  document out;
  out.id = server + "/" + name;
  out.server = std::move(server);
  out.name = std::move(name);
  out.description = std::move(description);
  out.parameter_names = std::move(parameters);
  out.parameter_texts = std::move(texts);
  return out;
}

inline std::vector<document> small_catalogue() {
  return {
      tool("files", "read_file", "Reads a file and returns its text.", {"path"},
           {"Where the file is"}),
      tool("files", "write_file", "Writes text into a file.", {"path", "text"}),
      tool("files", "listDirectory", "Names the entries of a directory.", {"path"}),
      tool("weather", "get_forecast", "The weather forecast of the coming days.",
           {"latitude", "longitude"}, {"Degrees north", "Degrees east"}),
      tool("weather", "get_alerts", "Warnings of storms in a state.", {"state"}),
      tool("mail", "send_message", "Sends an e-mail.", {"recipient", "subject", "body"}),
      tool("mail", "search_messages", "Finds messages in the inbox.", {"query"}),
      tool("GitHub", "create_issue", "Opens an issue in a repository.", {"title", "labels"},
           {"bug", "feature"}),
  };
}

inline std::vector<hit> find(const index_ptr& in, std::string_view text, request how = {}) {
  searcher s;
  return s.find(*in, text, how);
}

inline std::vector<std::string> ids(const std::vector<hit>& hits) {
  std::vector<std::string> out;
  for (const hit& h : hits)
    out.emplace_back(h.id);
  return out;
}

/// Ids with scores as they are, for comparisons bit by bit.
inline std::vector<std::pair<std::string, double>> scored(const std::vector<hit>& hits) {
  std::vector<std::pair<std::string, double>> out;
  for (const hit& h : hits)
    out.emplace_back(h.id, h.score);
  return out;
}

} // namespace nexus::search::test
