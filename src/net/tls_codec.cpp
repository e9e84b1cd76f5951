#include "net/tls_codec.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>

#include "base/assert.hpp"

namespace nexus::net::detail {

struct tls_codec::bio {
  static int read(BIO* from, char* to, std::size_t bytes_max, std::size_t* taken) {
    auto& codec = *static_cast<tls_codec*>(BIO_get_data(from));
    BIO_clear_retry_flags(from);
    *taken = codec.input_.copy(to, bytes_max);
    codec.input_.remove_prefix(*taken);
    if (*taken > 0)
      return 1;
    BIO_set_retry_read(from);
    return 0;
  }

  static int write(BIO* to, const char* from, std::size_t bytes, std::size_t* written) {
    auto& codec = *static_cast<tls_codec*>(BIO_get_data(to));
    BIO_clear_retry_flags(to);
    codec.transport_.out().append(from, bytes);
    codec.written_ = true;
    *written = bytes;
    return 1;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const method = [] {
      BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
      NEXUS_ASSERT(made != nullptr);
      BIO_meth_set_read_ex(made, read);
      BIO_meth_set_write_ex(made, write);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    return method;
  }
};

tls_codec::tls_codec(ssl_ptr session, stream& transport, std::string host)
    : transport_(transport), session_(std::move(session)), host_(std::move(host)) {
  BIO* const made = BIO_new(bio::method());
  NEXUS_ASSERT(made != nullptr);
  BIO_set_data(made, this);
  BIO_set_init(made, 1);
  SSL_set_bio(session_.get(), made, made);
}

tls_codec::progress tls_codec::handshake() {
  ERR_clear_error();
  const int outcome = SSL_do_handshake(session_.get());
  if (outcome == 1)
    return progress::done;
  return SSL_get_error(session_.get(), outcome) == SSL_ERROR_WANT_READ ? progress::wants_input
                                                                       : progress::failed;
}

tls_codec::reading tls_codec::decrypt(std::span<char> plain) {
  reading read;
  ERR_clear_error();
  while (read.bytes < plain.size()) {
    std::size_t bytes = 0;
    const int outcome =
        SSL_read_ex(session_.get(), plain.data() + read.bytes, plain.size() - read.bytes, &bytes);
    read.bytes += bytes;
    if (outcome == 1)
      continue;
    const int why = SSL_get_error(session_.get(), outcome);
    read.ended = why == SSL_ERROR_ZERO_RETURN;
    read.wants_input = why == SSL_ERROR_WANT_READ;
    if (!read.ended && !read.wants_input)
      read.failure = describe_failure();
    break;
  }
  return read;
}

std::optional<error> tls_codec::encrypt(std::string_view plain) {
  std::size_t written = 0;
  ERR_clear_error();
  // The BIO takes everything, so this writes everything or fails for good.
  if (SSL_write_ex(session_.get(), plain.data(), plain.size(), &written) != 1)
    return describe_failure();
  return std::nullopt;
}

void tls_codec::close_notify() {
  ERR_clear_error();
  SSL_shutdown(session_.get());
}

bool tls_codec::has_pending() const noexcept {
  return SSL_has_pending(session_.get()) == 1 ||
         (SSL_get_shutdown(session_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

} // namespace nexus::net::detail
