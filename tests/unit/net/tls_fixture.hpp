#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <catch2/catch.hpp>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/assert.hpp"
#include "tests/unit/net/recorder.hpp"

/// Certificates and a blocking TLS server for the tests of TLS streams.
namespace nexus::net::test {

template <auto Free>
struct with {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, with<EVP_PKEY_free>>;
using cert_ptr = std::unique_ptr<X509, with<X509_free>>;
using context_ptr = std::unique_ptr<SSL_CTX, with<SSL_CTX_free>>;

struct identity {
  key_ptr key;
  cert_ptr cert;
};

struct certificate_request {
  std::string common_name;
  std::string alternative_names; ///< as in openssl.cnf; empty for none
  bool authority = false;
  long valid_from_s = -3600; ///< relative to now
  long valid_to_s = 24 * 3600;
};

inline void add_extension(X509& to, X509& issuer, int kind, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, &issuer, &to, nullptr, nullptr, 0);
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  REQUIRE(made != nullptr);
  X509_add_ext(&to, made, -1);
  X509_EXTENSION_free(made);
}

/// Signed by `issuer`, or by itself.
inline identity make_identity(const certificate_request& wanted, const identity* issuer) {
  static long serial = 1;
  identity made{key_ptr(EVP_EC_gen("P-256")), cert_ptr(X509_new())};
  X509& cert = *made.cert;
  X509_set_version(&cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(&cert), serial++);
  X509_gmtime_adj(X509_getm_notBefore(&cert), wanted.valid_from_s);
  X509_gmtime_adj(X509_getm_notAfter(&cert), wanted.valid_to_s);
  X509_set_pubkey(&cert, made.key.get());
  const auto* name = reinterpret_cast<const unsigned char*>(wanted.common_name.c_str());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(&cert), "CN", MBSTRING_UTF8, name, -1, -1, 0);
  X509& signer = issuer == nullptr ? cert : *issuer->cert;
  X509_set_issuer_name(&cert, X509_get_subject_name(&signer));
  add_extension(cert, signer, NID_basic_constraints,
                wanted.authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (!wanted.alternative_names.empty())
    add_extension(cert, signer, NID_subject_alt_name, wanted.alternative_names);
  X509_sign(&cert, issuer == nullptr ? made.key.get() : issuer->key.get(), EVP_sha256());
  return made;
}

/// The certificates of these tests, and files of them in a folder that goes away.
class certificates {
 public:
  certificates()
      : authority(make_identity(
            {.common_name = "Test CA", .alternative_names = {}, .authority = true}, nullptr)),
        stranger(make_identity(
            {.common_name = "Other CA", .alternative_names = {}, .authority = true}, nullptr)),
        server(make_identity({.common_name = "server",
                              .alternative_names = "DNS:good.test,DNS:*.wild.test,IP:127.0.0.1,"
                                                   "IP:::1"},
                             &authority)),
        expired(make_identity({.common_name = "server",
                               .alternative_names = "DNS:good.test",
                               .valid_from_s = -7200,
                               .valid_to_s = -3600},
                              &authority)),
        client(make_identity({.common_name = "client", .alternative_names = {}}, &authority)) {
    std::string name = (std::filesystem::temp_directory_path() / "nexus-tls-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder = name;
    ca_file = write("ca.pem", authority, false);
    stranger_file = write("stranger.pem", stranger, false);
    client_cert_file = write("client.pem", client, false);
    client_key_file = write("client-key.pem", client, true);
  }
  ~certificates() { std::filesystem::remove_all(folder); }

  std::string write(const std::string& name, const identity& from, bool key) const {
    const std::string path = folder / name;
    std::FILE* file = std::fopen(path.c_str(), "w");
    REQUIRE(file != nullptr);
    if (key)
      PEM_write_PrivateKey(file, from.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    else
      PEM_write_X509(file, from.cert.get());
    std::fclose(file);
    return path;
  }

  identity authority, stranger, server, expired, client;
  std::filesystem::path folder;
  std::string ca_file, stranger_file, client_cert_file, client_key_file;
};

inline context_ptr server_context(const identity& as) {
  context_ptr made(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_use_certificate(made.get(), as.cert.get());
  SSL_CTX_use_PrivateKey(made.get(), as.key.get());
  return made;
}

/// One connection, served by a thread with blocking calls. `client_end` belongs to the test.
class blocking_server {
 public:
  using conversation = std::function<void(SSL& session, int descriptor)>;

  /// Runs `talk` after SSL_accept(), whatever that returned.
  blocking_server(reactor& loop, SSL_CTX& context, conversation talk) : loop_(loop) {
    int ends[2];
    // Not REQUIRE: some tests do this on several threads.
    const int made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    NEXUS_ASSERT(made == 0);
    client_end = ends[0];
    thread_ = std::thread([this, &context, end = ends[1], talk = std::move(talk)] {
      const timeval limit{30, 0};
      setsockopt(end, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      setsockopt(end, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
      SSL* const session = SSL_new(&context);
      SSL_set_fd(session, end);
      accepted = SSL_accept(session) == 1;
      talk(*session, end);
      SSL_free(session);
      ERR_clear_error();
      close(end);
      finished_ = true;
    });
  }
  ~blocking_server() { join(); }
  /// The client's last words, and its close, leave in turns of the reactor.
  void join() {
    run_until(loop_, [this] { return finished_.load(); });
    if (thread_.joinable())
      thread_.join();
  }

  int client_end = -1;
  bool accepted = false; ///< read it after join()

 private:
  reactor& loop_;
  std::atomic<bool> finished_ = false;
  std::thread thread_;
};

/// Sends everything back until close_notify, then answers that.
inline void echo(SSL& session, int) {
  std::string buffer(64 * 1024, '\0');
  for (;;) {
    const int bytes = SSL_read(&session, buffer.data(), static_cast<int>(buffer.size()));
    if (bytes <= 0)
      break;
    if (SSL_write(&session, buffer.data(), bytes) != bytes)
      return;
  }
  if (SSL_get_shutdown(&session) == SSL_RECEIVED_SHUTDOWN)
    SSL_shutdown(&session);
}

/// Reads until the client is gone.
inline void listen_only(SSL& session, int) {
  char byte = 0;
  while (SSL_read(&session, &byte, 1) > 0) {
  }
}

} // namespace nexus::net::test
