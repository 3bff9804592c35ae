/* limit - a minimal TLS server in C: one thread, epoll, OpenSSL on the sockets.  The practical limit of what
 * TLSBenchmark does on our links.
 *
 *   gcc -O2 -Wall -o limit limit.c -lssl -lcrypto
 *   limit PORT echo|sink|source CERTIFICATE KEY       listens on 127.0.0.1:PORT
 *
 *   echo    sends back what it receives        sink    discards what it receives
 *   source  sends 16 KiB pieces as fast as the client reads them
 *   A client's end of TLS is answered with its own, and the connection is closed.
 *
 * WHAT MAKES IT A LIMIT
 *   - Nothing is between OpenSSL and the socket: it decrypts into the one buffer of the thread and encrypts out of it.
 *   - Reading ahead saves the system call for each record's head.  Buffers are released whenever they are empty.
 *   - It reads until OpenSSL has nothing more pending, not until the socket says so.
 *   - No timers, no limits, no counters, no addresses, no log; an answer that does not fit waits for EPOLLOUT and
 *     stops the reading meanwhile.
 *
 * WHAT IT HAS IN COMMON WITH THE OTHER SIDE, so that both do the same cryptography: certificate and key, TLS 1.2 or 1.3,
 * one ticket for a client that comes back and no cache of sessions, the order of ciphers, TCP_NODELAY.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 16 << 10, EVENTS = 512, TURN = 16 };

struct conn {
    int fd, is_open, waits_to_write;
    SSL *ssl;
    unsigned char *rest;                /* of an echo that did not fit */
    size_t rest_count;
};
static enum { ECHO, SINK, SOURCE } mode;
static int ep, listener;
static SSL_CTX *context;
static unsigned char piece[PIECE];

static void die(const char *what) { perror(what); ERR_print_errors_fp(stderr); exit(1); }

static void watch(struct conn *c, int to_write) {
    if (c->waits_to_write == to_write) return;
    c->waits_to_write = to_write;
    struct epoll_event e = {.events = to_write ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}
static void end(struct conn *c) {
    SSL_free(c->ssl);
    close(c->fd);
    free(c->rest);
    free(c);
}
/* Whether the connection lives on: it must only wait. */
static int lives_on(struct conn *c, int result) {
    int error = SSL_get_error(c->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        watch(c, error == SSL_ERROR_WANT_WRITE);
        return 1;
    }
    if (error == SSL_ERROR_ZERO_RETURN) SSL_shutdown(c->ssl);
    ERR_clear_error();
    end(c);
    return 0;
}
static int echo(struct conn *c, const unsigned char *bytes, size_t count) {
    size_t sent = 0;
    int result = SSL_write_ex(c->ssl, bytes, count, &sent);
    if (result == 1 && sent == count) return 1;
    if (result != 1 && !lives_on(c, result)) return 0;
    unsigned char *rest = malloc(count - sent);
    if (!rest) die("memory");
    memcpy(rest, bytes + sent, count - sent);
    free(c->rest);
    c->rest = rest, c->rest_count = count - sent;
    watch(c, 1);
    return 0;
}
static void go_on(struct conn *c) {
    if (!c->is_open) {
        int result = SSL_accept(c->ssl);
        if (result != 1) { lives_on(c, result); return; }
        c->is_open = 1;
        watch(c, mode == SOURCE);
        if (mode != SOURCE && !SSL_has_pending(c->ssl)) return;
    }
    if (c->rest) {
        size_t sent = 0;
        int result = SSL_write_ex(c->ssl, c->rest, c->rest_count, &sent);
        if (result != 1) { lives_on(c, result); return; }
        memmove(c->rest, c->rest + sent, c->rest_count -= sent);
        if (c->rest_count) return;
        free(c->rest);
        c->rest = 0;
        watch(c, 0);
    }
    /* A turn has an end, so that one connection cannot hold the others up. */
    for (int i = 0; i < TURN; i++) {
        size_t count;
        int result = mode == SOURCE ? SSL_write_ex(c->ssl, piece, PIECE, &count) : SSL_read_ex(c->ssl, piece, PIECE, &count);
        if (result != 1) { lives_on(c, result); return; }
        if (mode == ECHO && !echo(c, piece, count)) return;
        /* With something pending the poller may be silent, so that is read without regard to the turn. */
        if (mode != SOURCE) { if (SSL_has_pending(c->ssl)) i = 0; else if (count < PIECE) return; }
    }
}
static void on_connection(void) {
    for (int fd, one = 1; (fd = accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = calloc(1, sizeof *c);
        if (!c || !(c->ssl = SSL_new(context)) || !SSL_set_fd(c->ssl, fd)) die("memory");
        c->fd = fd;
        SSL_set_accept_state(c->ssl);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
    }
    if (errno == EMFILE || errno == ENFILE) die("accept");
}
static void set_up(const char *certificate, const char *key) {
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"limit", 5);
    if (!getenv("NO_READ_AHEAD")) SSL_CTX_set_read_ahead(context, 1);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) die("certificate");
}

int main(int argc, char **argv) {
    int port = argc == 5 ? atoi(argv[1]) : 0;
    const char *names[] = {"echo", "sink", "source"};
    int known = 0;
    for (int i = 0; port && i < 3; i++) if (!strcmp(argv[2], names[i])) mode = i, known = 1;
    if (port < 1 || port > 65535 || !known) {
        fprintf(stderr, "usage: limit PORT echo|sink|source CERTIFICATE KEY\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    set_up(argv[3], argv[4]);
    ep = epoll_create1(EPOLL_CLOEXEC);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 4096)) die("listen");
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &listener}, events[EVENTS];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(ep, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &listener) on_connection();
            else go_on(events[i].data.ptr);
        }
    }
}
