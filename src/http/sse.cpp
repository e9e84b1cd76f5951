#include "http/sse.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/assert.hpp"
#include "http/body.hpp"
#include "http/message.hpp"
#include "http/syntax.hpp"

namespace nexus::http {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Finds line endings in one pass, whichever of LF and CR is rare: each is searched ahead of the
/// other only once.
class line_end_finder {
 public:
  explicit line_end_finder(std::string_view bytes) noexcept
      : bytes_(bytes), lf_(find('\n', 0)), cr_(find('\r', 0)) {}

  /// The first LF or CR at or after `from`, or the end. `from` never goes back.
  std::size_t next(std::size_t from) noexcept {
    if (lf_ < from)
      lf_ = find('\n', from);
    if (cr_ < from)
      cr_ = find('\r', from);
    return std::min(lf_, cr_);
  }

 private:
  [[nodiscard]] std::size_t find(char wanted, std::size_t from) const noexcept {
    return std::min(bytes_.find(wanted, from), bytes_.size());
  }

  std::string_view bytes_;
  std::size_t lf_;
  std::size_t cr_;
};

/// Calls `sink` for each line of `text`, which CR, LF and CRLF end; the last one may be empty.
template <class Sink>
void for_each_line(std::string_view text, Sink&& sink) {
  line_end_finder ends(text);
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = ends.next(begin);
    sink(text.substr(begin, end - begin));
    if (end == text.size())
      return;
    begin = end + (text.substr(end).starts_with("\r\n") ? 2 : 1);
  }
}

/// Within one line and free of NUL, which makes readers drop an id.
bool is_single_line(std::string_view text) noexcept {
  return text.find_first_of(std::string_view{"\r\n\0", 3}) == std::string_view::npos;
}

} // namespace

sse_parser::sse_parser(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

void sse_parser::reset() {
  recycle(line_);
  recycle(data_);
  type_.clear();
  id_.clear();
  has_id_ = after_cr_ = failed_ = false;
  at_start_ = true;
  retry_ms_.reset();
}

result<> sse_parser::feed(std::string_view bytes, sse_handler& receiver) {
  line_end_finder ends(bytes);
  std::size_t begin = 0;
  while (begin < bytes.size() && !failed_) {
    if (after_cr_ && bytes[begin] == '\n')
      ++begin;
    after_cr_ = false;
    if (begin == bytes.size())
      break;
    const std::size_t end = ends.next(begin);
    const std::string_view piece = bytes.substr(begin, end - begin);
    if (end == bytes.size()) {
      failed_ = line_.size() + piece.size() + data_.size() > event_bytes_max_;
      if (!failed_)
        line_.append(piece);
      break;
    }
    after_cr_ = bytes[end] == '\r';
    begin = end + 1;
    if (line_.empty()) {
      failed_ = !take_line(piece, receiver);
    } else {
      failed_ = line_.size() + piece.size() + data_.size() > event_bytes_max_;
      if (failed_)
        break;
      line_.append(piece);
      failed_ = !take_line(line_, receiver);
      recycle(line_);
    }
  }
  if (failed_)
    return fail(errc::event_too_large, "event too large");
  return {};
}

bool sse_parser::take_line(std::string_view line, sse_handler& receiver) {
  if (line.size() + data_.size() > event_bytes_max_)
    return false;
  if (at_start_) {
    at_start_ = false;
    if (line.starts_with(byte_order_mark))
      line.remove_prefix(byte_order_mark.size());
  }
  if (line.empty()) {
    dispatch(receiver);
    return true;
  }
  const std::size_t colon = line.find(':');
  if (colon == 0)
    return true; // a comment
  std::string_view value;
  if (colon != std::string_view::npos)
    value = line.substr(colon + 1);
  if (value.starts_with(' '))
    value.remove_prefix(1);
  take_field(line.substr(0, colon), value);
  return true;
}

void sse_parser::take_field(std::string_view name, std::string_view value) {
  if (name == "data") {
    append_spared(data_, value);
    append_spared(data_, "\n");
  } else if (name == "event") {
    type_ = value;
  } else if (name == "id") {
    if (value.find('\0') != std::string_view::npos)
      return;
    id_ = value;
    has_id_ = true;
  } else if (name == "retry") {
    std::uint32_t milliseconds = 0;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), milliseconds);
    if (parsed.ec == std::errc{} && parsed.ptr == value.data() + value.size())
      retry_ms_ = milliseconds;
  }
}

void sse_parser::dispatch(sse_handler& receiver) {
  if (!data_.empty() || has_id_ || retry_ms_) {
    append_spared(data_, {});
    sse_event event;
    event.data = data_;
    if (!event.data.empty())
      event.data.remove_suffix(1); // the LF of the last line
    if (!type_.empty())
      event.type = type_;
    if (has_id_)
      event.id = id_;
    event.retry_ms = retry_ms_;
    receiver.on_event(event);
  }
  recycle(data_);
  type_.clear();
  has_id_ = false;
  retry_ms_.reset();
}

void append_sse_event(std::string& out, std::string_view data, std::string_view type,
                      std::string_view id) {
  NEXUS_ASSERT(is_single_line(type) && is_single_line(id));
  if (!type.empty())
    out.append("event: ").append(type).append("\n");
  if (!id.empty())
    out.append("id: ").append(id).append("\n");
  for_each_line(data,
                [&out](std::string_view line) { out.append("data: ").append(line).append("\n"); });
  out.append("\n");
}

void append_sse_priming(std::string& out, std::string_view id, milliseconds retry) {
  NEXUS_ASSERT(is_single_line(id));
  out.append("id: ").append(id).append("\nretry: ");
  out.append(std::to_string(retry.count())).append("\ndata: \n\n");
}

void append_sse_comment(std::string& out, std::string_view text) {
  for_each_line(text, [&out](std::string_view line) {
    out.append(line.empty() ? ":" : ": ").append(line).append("\n");
  });
  out.append("\n");
}

} // namespace nexus::http
