#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "engine/duplex_client.hpp"
#include "engine/stdio_channel.hpp"
#include "net/stream.hpp"

namespace nexus::engine {

/// The one client of `nexus stdio`: newline-delimited JSON over two descriptors.
class stdio_client final : public duplex_client, private net::stream_handler {
 public:
  /// @param on_finished called once the client has gone and its last answer is written
  stdio_client(worker& owner, int read_fd, int write_fd, std::function<void()> on_finished);
  ~stdio_client() override;

 private:
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_error(const error& reason) override;
  void on_drained() override;

  void write(std::string_view text) override;
  [[nodiscard]] bool slow() const override;
  void on_idle() override;

  net::stream_ptr stream_;
  line_splitter lines_;
  std::function<void()> on_finished_;
  bool ended_ = false;
};

} // namespace nexus::engine
