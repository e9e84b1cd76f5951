#include "net/tls_session.hpp"

#include <arpa/inet.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/limits.hpp"

namespace nexus::net::detail {
namespace {

using context_ptr = std::shared_ptr<SSL_CTX>;

/// Tells whether a file is still the one that was read.
struct file_stamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::pair<time_t, long> changed;
  bool operator==(const file_stamp&) const = default;

  static file_stamp of(const std::string& path) {
    struct stat info {};
    if (path.empty() || stat(path.c_str(), &info) != 0)
      return {};
    return {info.st_dev, info.st_ino, info.st_size, {info.st_mtim.tv_sec, info.st_mtim.tv_nsec}};
  }
};

std::string drain_error_queue() {
  std::string text;
  std::array<char, 256> line{};
  while (const unsigned long code = ERR_get_error()) {
    ERR_error_string_n(code, line.data(), line.size());
    if (!text.empty())
      text += "; ";
    text += line.data();
  }
  return text;
}

std::unexpected<error> bad_file(std::string_view what, const std::string& path,
                                std::string_view remedy) {
  // The first entry of the queue is the cause: a missing file, or what its PEM lacks.
  const unsigned long code = ERR_peek_error();
  const char* const reason = ERR_reason_error_string(code);
  std::string message =
      fmt::format("cannot use the {} \"{}\": {}; {}", what, path,
                  ERR_SYSTEM_ERROR(code) ? std::generic_category().message(ERR_GET_REASON(code))
                                         : std::string(reason == nullptr ? "unreadable" : reason),
                  remedy);
  return fail(errc::tls_failed, std::move(message), drain_error_queue());
}

/// Without this OpenSSL asks for the passphrase on the terminal, and the worker waits for it.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

result<context_ptr> new_context(const tls_client_options& options) {
  ERR_clear_error();
  context_ptr context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!context)
    return fail(errc::tls_failed, "OpenSSL cannot start", drain_error_queue());
  SSL_CTX* const raw = context.get();
  static constexpr std::array<unsigned char, 9> protocols{8,   'h', 't', 't', 'p',
                                                          '/', '1', '.', '1'};
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_protos(raw, protocols.data(), protocols.size());
  SSL_CTX_set_default_passwd_cb(raw, no_passphrase);
  if (options.verify) {
    if (options.ca_file.empty()) {
      SSL_CTX_set_default_verify_paths(raw);
    } else if (SSL_CTX_load_verify_file(raw, options.ca_file.c_str()) != 1) {
      return bad_file("CA file", options.ca_file,
                      "\"ca\" of \"tls\" must name a readable PEM file");
    }
    // Whoever names an intermediate or a server's own certificate as CA means it.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(raw), X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (options.certificate_file.empty())
    return context;
  const std::string& key = options.key_file.empty() ? options.certificate_file : options.key_file;
  if (SSL_CTX_use_certificate_chain_file(raw, options.certificate_file.c_str()) != 1)
    return bad_file("client certificate", options.certificate_file,
                    "\"cert\" of \"tls\" must name a readable PEM file");
  if (SSL_CTX_use_PrivateKey_file(raw, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return bad_file("client key", key,
                    "\"key\" of \"tls\" must name a readable PEM file without passphrase that "
                    "belongs to \"cert\"");
  return context;
}

/// The contexts of the process, by the files that they were made of.
class context_cache {
 public:
  result<context_ptr> get(const tls_client_options& options) {
    key wanted{options.verify, options.ca_file, options.certificate_file, options.key_file};
    const stamps current{file_stamp::of(options.ca_file), file_stamp::of(options.certificate_file),
                         file_stamp::of(options.key_file)};
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(wanted);
    if (found != entries_.end() && found->second.first == current)
      return found->second.second;
    result<context_ptr> made = new_context(options);
    if (!made)
      return made;
    if (entries_.size() >= limits::tls_contexts_max)
      entries_.clear();
    entries_.insert_or_assign(std::move(wanted), std::pair{current, *made});
    return made;
  }

 private:
  using key = std::tuple<bool, std::string, std::string, std::string>;
  using stamps = std::array<file_stamp, 3>;
  std::mutex mutex_;
  std::map<key, std::pair<stamps, context_ptr>> entries_;
};

context_cache& contexts() {
  // Never destroyed: OpenSSL cleans itself up in an exit handler, in no order with our statics.
  static auto* const cache = new context_cache;
  return *cache;
}

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

/// The name as certificates write it: without the brackets of an IPv6 address in a URL and without
/// the dot that ends an absolute DNS name.
std::string certificate_name(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  if (host.ends_with('.'))
    host.remove_suffix(1);
  return std::string(host);
}

std::string_view certificate_remedy(long problem) {
  switch (problem) {
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH:
    return "use a host name that the certificate holds, or have it issued for this one";
  case X509_V_ERR_CERT_HAS_EXPIRED:
  case X509_V_ERR_CERT_NOT_YET_VALID:
    return "renew the server's certificate, or correct this machine's clock";
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    return "if the server's authority is to be trusted, name its certificate in \"ca\" of \"tls\"";
  default:
    return "have the server's certificate replaced";
  }
}

std::string_view protocol_remedy(int reason) {
  switch (reason) {
  case SSL_R_WRONG_VERSION_NUMBER:
  case SSL_R_PACKET_LENGTH_TOO_LONG:
  case SSL_R_HTTP_REQUEST:
    return "the server does not speak TLS on this port; use http:// or another port";
  case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
  case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
  case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
  case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
  case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    return "the server may want a client certificate; set \"cert\" and \"key\" of \"tls\"";
  case SSL_R_UNSUPPORTED_PROTOCOL:
  case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    return "TLS 1.2 or newer is required";
  case SSL_R_TLSV1_UNRECOGNIZED_NAME:
    return "the server does not know this host name";
  default:
    return "see the log of the server";
  }
}

} // namespace

result<ssl_ptr> new_client_session(const tls_client_options& options) {
  const std::string host = certificate_name(options.server_name);
  if (options.verify && host.empty())
    return fail(errc::tls_failed, "there is no host name to verify the server's certificate with");
  const result<context_ptr> context = contexts().get(options);
  if (!context)
    return std::unexpected(context.error());
  ERR_clear_error();
  ssl_ptr session(SSL_new(context->get()));
  if (!session)
    return fail(errc::tls_failed, "OpenSSL cannot start", drain_error_queue());
  SSL_set_connect_state(session.get());
  const bool address = is_address(host);
  bool accepted = true;
  // RFC 6066 s3: server_name holds no addresses.
  if (!address && !host.empty()) {
    // SSL_set_tlsext_host_name() without its old-style cast.
    accepted = SSL_ctrl(session.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                        const_cast<char*>(host.c_str())) == 1;
  }
  if (options.verify) {
    X509_VERIFY_PARAM* const checks = SSL_get0_param(session.get());
    X509_VERIFY_PARAM_set_hostflags(checks, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    accepted =
        accepted && (address ? X509_VERIFY_PARAM_set1_ip_asc(checks, host.c_str())
                             : X509_VERIFY_PARAM_set1_host(checks, host.data(), host.size())) == 1;
    SSL_set_verify(session.get(), SSL_VERIFY_PEER, nullptr);
  }
  if (!accepted)
    return fail(errc::tls_failed, fmt::format("\"{}\" is not a host name for TLS", host),
                drain_error_queue());
  return session;
}

error describe_tls_failure(const SSL& session, const std::string& host) {
  const int reason = ERR_GET_REASON(ERR_peek_error());
  const char* const text = ERR_reason_error_string(ERR_peek_error());
  const long problem = SSL_get_verify_result(&session);
  std::string message;
  if (problem != X509_V_OK && (SSL_get_verify_mode(&session) & SSL_VERIFY_PEER) != 0)
    message = fmt::format("TLS with {}: the certificate is not accepted: {}; {}", host,
                          X509_verify_cert_error_string(problem), certificate_remedy(problem));
  else
    message = fmt::format("TLS with {}: {}; {}", host, text == nullptr ? "protocol error" : text,
                          protocol_remedy(reason));
  return {errc::tls_failed, std::move(message), drain_error_queue()};
}

} // namespace nexus::net::detail
