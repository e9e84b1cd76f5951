#pragma once

#include <memory>
#include <string>

#include "engine/channel.hpp"
#include "engine/http_pool.hpp"

namespace nexus::engine {

/// The transport of revision 2024-11-05: a GET opens an event stream whose first event names the
/// address that messages are POSTed to; every answer comes on the stream.
class sse_channel final : public channel, private http_call_handler {
 public:
  /// @param head_fields configured header fields and Host, each ended by CRLF
  /// @param path of the event stream
  sse_channel(http_pool& pool, std::string head_fields, std::string path, std::string origin,
              channel_handler& handler);
  ~sse_channel() override;

  void send(std::string_view message) override;
  [[nodiscard]] std::size_t queued_bytes() const noexcept override { return 0; }

 private:
  class poster;
  void on_message(http_call& call, std::string_view text) override;
  void on_end(http_call& call, const http::response_head& head, std::string_view body) override;
  void on_failure(http_call& call, const error& reason, bool untouched) override;
  void closed(const std::string& reason);

  http_pool& pool_;
  const std::string head_fields_;
  const std::string path_;
  const std::string origin_; ///< scheme://host:port that the endpoint must share
  channel_handler* handler_;
  http_call* stream_ = nullptr;
  std::string post_path_;
  std::unique_ptr<poster> poster_;
};

} // namespace nexus::engine
