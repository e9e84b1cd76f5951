#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bench/load/recorder.hpp"
#include "bench/load/request_set.hpp"
#include "json/scan.hpp"

/// Is an answer right?
namespace nexus::load {

/// One JSON-RPC message from a server, as slices of its text.
struct incoming {
  json::slice id, method, result, error;
};

/// Reads and checks messages. @thread one
class answer_reader {
 public:
  /// @returns what stands in the message, or nothing when it is no JSON object
  /// @pre json::padding_bytes are readable behind `text`
  [[nodiscard]] std::optional<incoming> read(std::string_view text);

  /// What is wrong with the answer to call `id`; nothing when it is right.
  [[nodiscard]] std::optional<error_class> judge(const incoming& answer, const id_text& id,
                                                 const prepared_operation& of);

 private:
  json::scanner scanner_;
  std::string expected_;
};

} // namespace nexus::load
