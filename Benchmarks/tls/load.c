/* load - load generator for TLS servers: limit.c, TLSBenchmark, or another that echoes, discards or sends.
 *
 *   gcc -O2 -Wall -o load load.c -lssl -lcrypto
 *   load PORT PID CASE N [C]          a server at 127.0.0.1:PORT, whose process is PID
 *
 *   handshake N C  N full handshakes, C at a time; after each one byte is echoed, then both sides end (server: echo)
 *   resume N C     the same with the session of an earlier connection
 *   message N C    N times 64 bytes are echoed on C connections, one under way on each (server: echo)
 *   send N         N MiB go to the server in 16 KiB writes, until it has read them all (server: sink)
 *   receive N      N MiB come from the server (server: source)
 *   idle N C       N connections are opened, after C others that stay, and nothing is sent (server: echo)
 *
 * A tenth as much, at least one, goes before as warm-up.  TLS 1.3, TLS_AES_256_GCM_SHA384 and X25519; no certificate is
 * checked.  OUTPUT, one JSON line: of what came after the warm-up the wall seconds, the server's CPU seconds, and for
 * `idle` its resident bytes per connection.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 16 << 10, MESSAGE = 64, EVENTS = 256 };

struct conn {
    int fd, waits_to_write;
    enum { SHAKING, SENDING, AWAITING, LEAVING, RESTING } state;
    SSL *ssl;
    size_t awaited;
};
static enum { HANDSHAKE, RESUME, MESSAGES, SEND, RECEIVE, IDLE } what;
static int port, ep;
static SSL_CTX *context;
static SSL_SESSION *session;
static unsigned char piece[PIECE];
static long to_begin, done;                     /* connections; units of the case */
static size_t moved, to_send;                   /* bytes of `send` and `receive` */

static void die(const char *why) { perror(why); ERR_print_errors_fp(stderr); exit(3); }
static double seconds(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t)) die("clock_gettime");
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static long resident(int pid) {
    char name[64];
    long size, pages;
    snprintf(name, sizeof name, "/proc/%d/statm", pid);
    FILE *file = fopen(name, "r");
    if (!file || fscanf(file, "%ld %ld", &size, &pages) != 2) die(name);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* ----------------------------------------------------------- one connection -- */
static void watch(struct conn *c, int to_write) {
    if (c->waits_to_write == to_write) return;
    c->waits_to_write = to_write;
    struct epoll_event e = {.events = to_write ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}
static void begin(void) {
    struct conn *c = calloc(1, sizeof *c);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!c || fd < 0 || connect(fd, (void *)&at, sizeof at)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!(c->ssl = SSL_new(context)) || !SSL_set_fd(c->ssl, fd)) die("memory");
    SSL_set_connect_state(c->ssl);
    if (what == RESUME && session) SSL_set_session(c->ssl, session);
    c->fd = fd, c->waits_to_write = 1;
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    if (fcntl(fd, F_SETFL, O_NONBLOCK) || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
    to_begin--;
}
/* Whether the call has done it.  If not it must only wait; anything else is a fault of the server. */
static int goes(struct conn *c, int result) {
    if (result == 1) return 1;
    int error = SSL_get_error(c->ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) die("the server has broken the connection");
    watch(c, error == SSL_ERROR_WANT_WRITE);
    return 0;
}
static void leave(struct conn *c) {
    SSL_shutdown(c->ssl);
    c->state = LEAVING;
    watch(c, 0);
}
static void opened(struct conn *c) {
    if (what == RESUME && session && !SSL_session_reused(c->ssl)) die("the session was not resumed");
    c->state = what == IDLE ? RESTING : what == RECEIVE ? AWAITING : SENDING;
    if (what == SEND) watch(c, 1);
    if (what != IDLE) return;
    done++;
    if (to_begin > 0) begin();
}
static int sent(struct conn *c) {
    size_t count = what == SEND ? PIECE : what == MESSAGES ? MESSAGE : 1, written;
    if (!goes(c, SSL_write_ex(c->ssl, piece, count, &written))) return 0;
    if (what == SEND) {
        moved += written, done = (long)(moved >> 20);
        if (moved < to_send) return 1;
        done--;                                 /* The last is done when the server has read it. */
        leave(c);
        return 0;
    }
    c->awaited = count, c->state = AWAITING;
    watch(c, 0);
    return 0;                                   /* The answer cannot be there yet. */
}
static int received(struct conn *c) {
    size_t count;
    if (!goes(c, SSL_read_ex(c->ssl, piece, PIECE, &count))) return 0;
    if (what == RECEIVE) {
        moved += count, done = (long)(moved >> 20);
        return 1;
    }
    if (count > c->awaited) die("more came back than was sent");
    if ((c->awaited -= count) > 0) return 1;
    if (what == MESSAGES) {
        done++;
        c->state = SENDING;
        return 1;
    }
    if (what == RESUME && !session) session = SSL_get1_session(c->ssl);
    leave(c);
    return 0;
}
/* The server answers the end with its own. */
static void left(struct conn *c) {
    size_t count;
    int result = SSL_read_ex(c->ssl, piece, PIECE, &count);
    int error = SSL_get_error(c->ssl, result);
    if (error == SSL_ERROR_WANT_READ) return;
    if (error != SSL_ERROR_ZERO_RETURN) die("the server has not ended TLS");
    SSL_free(c->ssl);
    close(c->fd);
    free(c);
    done++;
    if (to_begin > 0) begin();
}
static void go_on(struct conn *c) {
    if (c->state == SHAKING) {
        if (!goes(c, SSL_connect(c->ssl))) return;
        opened(c);
    }
    size_t count;
    if (c->state == RESTING) {                  /* Its ticket comes. */
        goes(c, SSL_read_ex(c->ssl, piece, PIECE, &count));
        return;
    }
    /* A server that keeps pace would take everything in one turn, and the warm-up would have no end. */
    for (int on = 1, left_to_send = 64; on && left_to_send > 0; left_to_send -= what == SEND) {
        if (c->state == LEAVING) { left(c); return; }
        on = c->state == SENDING ? sent(c) : received(c);
    }
}

/* ------------------------------------------------------------------- the run -- */
static int turn(int patience) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(ep, events, EVENTS, patience);
    for (int i = 0; i < n; i++) go_on(events[i].data.ptr);
    return n;
}
static void until(long units) {
    while (done < units) if (turn(20000) == 0) { errno = ETIMEDOUT; die("nothing moves"); }
    while (what == IDLE && turn(300) > 0) {}
}
int main(int argc, char **argv) {
    const char *names[] = {"handshake", "resume", "message", "send", "receive", "idle"};
    int known = 0, pid = argc > 2 ? atoi(argv[2]) : 0;
    for (int i = 0; argc > 4 && i < 6; i++) if (!strcmp(argv[3], names[i])) what = i, known = 1;
    long units = known ? atol(argv[4]) : 0, width = argc > 5 ? atol(argv[5]) : 1;
    port = known ? atoi(argv[1]) : 0;
    if (port < 1 || port > 65535 || pid < 1 || units < 1 || width < 1) {
        fprintf(stderr, "usage: load PORT PID handshake|resume|message|send|receive|idle N [C]\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    clockid_t server;
    if (clock_getcpuclockid(pid, &server)) die("the server's CPU time");
    ep = epoll_create1(EPOLL_CLOEXEC);
    context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") || !SSL_CTX_set1_groups_list(context, "X25519"))
        die("OpenSSL");
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);

    long warm_up = what == IDLE ? width : units / 10 + 1;
    to_begin = what < MESSAGES ? warm_up + units : what == SEND || what == RECEIVE ? 1 : width;
    to_send = (size_t)(warm_up + units) << 20;
    if (what == IDLE) begin();                  /* One at a time. */
    if (what == RESUME) {                       /* One brings the session. */
        to_begin = 1;
        begin();
        until(1);
        to_begin = warm_up + units - 1;
    }
    for (long i = 0; what != IDLE && i < width && to_begin > 0; i++) begin();
    until(warm_up);
    size_t moved_before = moved;
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(server);
    long memory = resident(pid);
    if (what == IDLE) to_begin = units, begin();
    until(warm_up + units);
    wall = seconds(CLOCK_MONOTONIC) - wall, cpu = seconds(server) - cpu;
    printf("{\"wall_s\": %.6f, \"cpu_s\": %.6f", wall, cpu);
    if (what == SEND || what == RECEIVE) printf(", \"mb\": %.6f", (double)(moved - moved_before) / 1e6);
    if (what == IDLE) printf(", \"bytes\": %.0f", (double)(resident(pid) - memory) / (double)units);
    printf("}\n");
}
