// OpenSSL 3, and functions and constants for those of its macros that Swift does not import.
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// What every TLS context is: no renegotiation, and the server's order of ciphers unless the client prefers ChaCha20.
static const uint64_t omniway_tls_options =
    SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;

// How names are printed: on one line, with what is not ASCII as it is.
static const unsigned long omniway_name_flags = XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB;

static inline void omniway_ctx_set_modes(SSL_CTX *ctx) {
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
}

static inline int omniway_ctx_set_min_version(SSL_CTX *ctx, int version) {
    return SSL_CTX_set_min_proto_version(ctx, version);
}

// Key exchanges on curves. A client could ask for one of 8,192 bits without a curve otherwise, which costs the server a
// hundred times as much. The first list is for OpenSSL 3.5 and later.
static inline int omniway_ctx_set_groups(SSL_CTX *ctx) {
    return SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519:P-256:X448:P-521:P-384") == 1 ||
           SSL_CTX_set1_groups_list(ctx, "X25519:P-256:X448:P-521:P-384") == 1;
}

static inline int omniway_ctx_add_chain(SSL_CTX *ctx, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(ctx, certificate);
}

static inline int omniway_add_chain(SSL *ssl, X509 *certificate) {
    return SSL_add1_chain_cert(ssl, certificate);
}

static inline void omniway_ctx_set_session_cache(SSL_CTX *ctx, long mode) {
    SSL_CTX_set_session_cache_mode(ctx, mode);
}

static inline int omniway_mac_init_sha256(EVP_MAC_CTX *mac, const unsigned char *key, size_t count) {
    OSSL_PARAM digest[] = {
        OSSL_PARAM_construct_utf8_string("digest", (char *)"SHA256", 0), OSSL_PARAM_construct_end()};
    return EVP_MAC_init(mac, key, count, digest);
}

static inline void omniway_ctx_on_server_name(SSL_CTX *ctx, int (*callback)(SSL *, int *, void *), void *argument) {
    SSL_CTX_set_tlsext_servername_callback(ctx, callback);
    SSL_CTX_set_tlsext_servername_arg(ctx, argument);
}

static inline int omniway_set_server_name(SSL *ssl, const char *name) {
    return SSL_set_tlsext_host_name(ssl, name);
}

static inline void omniway_bio_wants_more(BIO *bio) {
    BIO_clear_retry_flags(bio);
    BIO_set_retry_read(bio);
}

static inline void omniway_bio_is_fine(BIO *bio) {
    BIO_clear_retry_flags(bio);
}

static inline GENERAL_NAMES *omniway_alternative_names(const X509 *certificate) {
    return X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}

static inline int omniway_name_count(const GENERAL_NAMES *names) {
    return sk_GENERAL_NAME_num(names);
}

static inline GENERAL_NAME *omniway_name(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}

static inline EVP_PKEY *omniway_new_p256_key(void) {
    return EVP_EC_gen("P-256");
}
