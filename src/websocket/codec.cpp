#include "websocket/codec.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include <wslay/wslay.h>

#include "base/assert.hpp"
#include "base/rate_limit.hpp"
#include "websocket/utf8.hpp"
#include "json/scan.hpp"

namespace nexus::websocket {
namespace {

constexpr std::size_t control_bytes_max = 125;
constexpr std::size_t reason_bytes_max = control_bytes_max - 2;

struct context_deleter {
  void operator()(wslay_frame_context_ptr context) const noexcept {
    wslay_frame_context_free(context);
  }
};
using context = std::unique_ptr<wslay_frame_context, context_deleter>;

const std::uint8_t* as_bytes(std::string_view text) noexcept {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

/// Codes that may stand in a Close frame: those of RFC 6455 and of IANA's registry, and private
/// ones.
bool is_sendable(std::uint16_t code) noexcept {
  const bool reserved = code == 1004 || code == 1005 || code == 1006;
  return (code >= 1000 && code <= 1014 && !reserved) || (code >= 3000 && code <= 4999);
}

/// At most reason_bytes_max of `reason`, cut between characters.
std::string_view fitting(std::string_view reason) noexcept {
  if (reason.size() <= reason_bytes_max)
    return reason;
  std::size_t end = reason_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xC0) == 0x80)
    --end;
  return reason.substr(0, end);
}

} // namespace

struct codec::impl {
  explicit impl(const codec_limits& bounds)
      : limits(bounds), control_rate(bounds.control_frames_per_second) {
    static constexpr wslay_frame_callbacks callbacks{send, receive, nullptr};
    wslay_frame_context_ptr made = nullptr;
    if (wslay_frame_context_init(&made, &callbacks, this) != 0)
      throw std::bad_alloc();
    frames.reset(made);
  }

  // wslay's callbacks: it takes from `input` and gives to `output`.
  static ssize_t receive(std::uint8_t* to, std::size_t size, int /*flags*/, void* self) {
    std::string_view& input = static_cast<impl*>(self)->input;
    const std::size_t taken = std::min(size, input.size());
    std::memcpy(to, input.data(), taken);
    input.remove_prefix(taken);
    return static_cast<ssize_t>(taken);
  }
  static ssize_t send(const std::uint8_t* from, std::size_t size, int /*flags*/, void* self) {
    static_cast<impl*>(self)->output.append(reinterpret_cast<const char*>(from), size);
    return static_cast<ssize_t>(size);
  }

  void send_frame(std::uint8_t opcode, std::span<const std::string_view> pieces);
  void send_close(std::uint16_t code, std::string_view reason);
  std::unexpected<error> refuse(errc why, const char* what);

  [[nodiscard]] result<> begin_frame(const wslay_frame_iocb& frame, time_point now);
  [[nodiscard]] result<> begin_data(const wslay_frame_iocb& frame);
  [[nodiscard]] result<> take(std::string_view bytes);
  [[nodiscard]] result<> end_frame(bool last, handler& receiver);
  [[nodiscard]] result<> end_text(handler& receiver);
  [[nodiscard]] result<> end_close(handler& receiver);

  codec_limits limits;
  rate_limit control_rate;
  context frames;
  std::string_view input; ///< during feed()
  std::string output;
  phase at = phase::open;

  bool in_frame = false;
  bool in_message = false; ///< between the fragments of one
  std::uint8_t opcode = 0; ///< of the frame at hand; text for continuations
  std::uint64_t frame_bytes_left = 0;
  std::size_t fragments = 0;
  std::string message; ///< as far as it has come
  std::string control; ///< payload of the control frame at hand
  utf8_checker text;
};

void codec::impl::send_frame(std::uint8_t kind, std::span<const std::string_view> pieces) {
  std::uint64_t size = 0;
  for (const std::string_view piece : pieces)
    size += piece.size();
  wslay_frame_iocb frame{};
  frame.fin = 1;
  frame.opcode = kind;
  frame.payload_length = size;
  constexpr std::size_t header_bytes_max = 10;
  output.reserve(output.size() + header_bytes_max + size);
  // The first call writes the header; one without data does no more than that.
  NEXUS_ASSERT(wslay_frame_send(frames.get(), &frame) == 0);
  for (const std::string_view piece : pieces) {
    if (piece.empty())
      continue;
    frame.data = as_bytes(piece);
    frame.data_length = piece.size();
    NEXUS_ASSERT(wslay_frame_send(frames.get(), &frame) == static_cast<ssize_t>(piece.size()));
  }
}

void codec::impl::send_close(std::uint16_t code, std::string_view reason) {
  const char bytes[2] = {static_cast<char>(code >> 8), static_cast<char>(code)};
  const std::string_view pieces[2] = {{bytes, 2}, reason};
  const bool has_code = code != static_cast<std::uint16_t>(close_code::none);
  send_frame(WSLAY_CONNECTION_CLOSE, {pieces, has_code ? 2U : 0U});
}

std::unexpected<error> codec::impl::refuse(errc why, const char* what) {
  close_code code = close_code::protocol_error;
  if (why == errc::bad_text)
    code = close_code::bad_text;
  else if (why == errc::unsupported_data)
    code = close_code::unsupported_data;
  else if (why == errc::too_large)
    code = close_code::too_large;
  else if (why == errc::flood)
    code = close_code::policy;
  if (at == phase::open)
    send_close(static_cast<std::uint16_t>(code), what);
  at = phase::closed;
  return fail(why, what);
}

result<> codec::impl::begin_frame(const wslay_frame_iocb& frame, time_point now) {
  if (frame.mask == 0)
    return refuse(errc::protocol_error, "frame without a mask");
  if (frame.rsv != 0)
    return refuse(errc::protocol_error, "reserved bits set");
  frame_bytes_left = frame.payload_length;
  switch (frame.opcode) {
  case WSLAY_CONTINUATION_FRAME:
  case WSLAY_TEXT_FRAME:
    return begin_data(frame);
  case WSLAY_BINARY_FRAME:
    if (in_message)
      return refuse(errc::protocol_error, "message within a message");
    return refuse(errc::unsupported_data, "messages are text");
  case WSLAY_CONNECTION_CLOSE:
  case WSLAY_PING:
  case WSLAY_PONG:
    if (!control_rate.allow(now))
      return refuse(errc::flood, "too many control frames");
    opcode = frame.opcode;
    control.clear();
    return {};
  default:
    return refuse(errc::protocol_error, "unknown kind of frame");
  }
}

result<> codec::impl::begin_data(const wslay_frame_iocb& frame) {
  if (in_message != (frame.opcode == WSLAY_CONTINUATION_FRAME))
    return refuse(errc::protocol_error,
                  in_message ? "message within a message" : "continuation of nothing");
  opcode = WSLAY_TEXT_FRAME;
  in_message = true;
  if (frame.payload_length > limits.message_bytes_max - message.size())
    return refuse(errc::too_large, "message too large");
  if (++fragments > limits.fragments_max)
    return refuse(errc::too_large, "message in too many fragments");
  return {};
}

result<> codec::impl::take(std::string_view bytes) {
  frame_bytes_left -= bytes.size();
  if (opcode != WSLAY_TEXT_FRAME) {
    control.append(bytes);
    return {};
  }
  if (!text.feed(bytes))
    return refuse(errc::bad_text, "text is not UTF-8");
  message.append(bytes);
  return {};
}

result<> codec::impl::end_frame(bool last, handler& receiver) {
  switch (opcode) {
  case WSLAY_TEXT_FRAME:
    return last ? end_text(receiver) : result<>{};
  case WSLAY_CONNECTION_CLOSE:
    return end_close(receiver);
  case WSLAY_PING:
    if (at == phase::open) {
      const std::string_view payload = control;
      send_frame(WSLAY_PONG, {&payload, 1});
    }
    return {};
  default:
    return {}; // a pong: that something came is all that matters
  }
}

result<> codec::impl::end_text(handler& receiver) {
  if (!text.complete())
    return refuse(errc::bad_text, "text is not UTF-8");
  in_message = false;
  fragments = 0;
  if (at == phase::open) {
    json::ensure_padding(message);
    receiver.on_text(message);
  }
  if (message.capacity() > nexus::limits::http_retained_buffer_bytes_max)
    std::string().swap(message);
  message.clear();
  return {};
}

result<> codec::impl::end_close(handler& receiver) {
  auto code = static_cast<std::uint16_t>(close_code::none);
  std::string_view reason = control;
  if (!control.empty()) {
    if (control.size() < 2)
      return refuse(errc::protocol_error, "half a close code");
    const auto high = static_cast<unsigned char>(control[0]);
    const auto low = static_cast<unsigned char>(control[1]);
    code = static_cast<std::uint16_t>(high << 8 | low);
    if (!is_sendable(code))
      return refuse(errc::protocol_error, "close code that nobody may send");
    reason.remove_prefix(2);
    utf8_checker check;
    if (!check.feed(reason) || !check.complete())
      return refuse(errc::bad_text, "close reason is not UTF-8");
  }
  if (at == phase::open)
    send_close(code, {});
  at = phase::closed;
  receiver.on_close(code, reason);
  return {};
}

codec::codec(const codec_limits& bounds) : impl_(std::make_unique<impl>(bounds)) {}
codec::~codec() = default;
codec::codec(codec&&) noexcept = default;
codec& codec::operator=(codec&&) noexcept = default;

result<> codec::feed(std::string_view bytes, time_point now, handler& receiver) {
  impl& own = *impl_;
  own.input = bytes;
  while (own.at != phase::closed) {
    wslay_frame_iocb frame{};
    const ssize_t taken = wslay_frame_recv(own.frames.get(), &frame);
    if (taken == WSLAY_ERR_WANT_READ)
      break;
    if (taken < 0)
      return own.refuse(errc::protocol_error, "malformed frame header");
    if (!own.in_frame) {
      if (auto begun = own.begin_frame(frame, now); !begun)
        return begun;
      own.in_frame = true;
    }
    if (auto kept = own.take({reinterpret_cast<const char*>(frame.data), frame.data_length}); !kept)
      return kept;
    if (own.frame_bytes_left > 0)
      continue;
    own.in_frame = false;
    if (auto ended = own.end_frame(frame.fin != 0, receiver); !ended)
      return ended;
  }
  own.input = {};
  return {};
}

void codec::send_text(std::span<const std::string_view> pieces) {
  if (impl_->at == phase::open)
    impl_->send_frame(WSLAY_TEXT_FRAME, pieces);
}

void codec::send_ping(std::string_view payload) {
  NEXUS_ASSERT(payload.size() <= control_bytes_max);
  if (impl_->at == phase::open)
    impl_->send_frame(WSLAY_PING, {&payload, 1});
}

void codec::close(close_code code, std::string_view reason) {
  NEXUS_ASSERT(is_sendable(static_cast<std::uint16_t>(code)));
  if (impl_->at != phase::open)
    return;
  impl_->send_close(static_cast<std::uint16_t>(code), fitting(reason));
  impl_->at = phase::closing;
}

std::string& codec::output() noexcept {
  return impl_->output;
}

phase codec::now_phase() const noexcept {
  return impl_->at;
}

} // namespace nexus::websocket
