/* Visitors and the origin of a tunnel, for Benchmarks/tunnel/run. Blocking threads, one for each connection.
 *
 *   tunnelload origin PORT                   what a connection's first byte asks for: S swallow and say how much, E echo,
 *                                            D send without end, I read nothing, B see both
 *   tunnelload put PORT MEBIBYTES STREAMS    seconds until all has arrived
 *   tunnelload both PORT MEBIBYTES           seconds until as much went each way at once, with its sum
 *   tunnelload ping PORT COUNT BULK          p50 and p99 in us of a byte there and back, while BULK streams send
 *   tunnelload open PORT COUNT WIDTH         connections in a second that bring one byte there and back
 *   tunnelload stall PORT COUNT SECONDS      streams that nobody reads, for so long
 *   tunnelload abort PORT COUNT              downloads that are broken off after 256 KiB
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { block = 64 << 10 };
static char zeros[block];
static int port;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int dial(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (s < 0 || connect(s, (struct sockaddr *)&at, sizeof at)) fail("connect");
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return s;
}

static void send_all(int s, const void *bytes, size_t count) {
    for (size_t done = 0; done < count;) {
        ssize_t n = write(s, (const char *)bytes + done, count - done);
        if (n <= 0) fail("write");
        done += n;
    }
}

static void read_all(int s, void *bytes, size_t count) {
    for (size_t done = 0; done < count;) {
        ssize_t n = read(s, (char *)bytes + done, count - done);
        if (n <= 0) {
            fprintf(stderr, "read: the connection ended early\n");
            exit(1);
        }
        done += n;
    }
}

static pthread_t start(void *(*body)(void *), void *argument) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    if (pthread_create(&thread, &attributes, body, argument)) fail("pthread_create");
    return thread;
}

/* What one side sends, which differs everywhere, and the sum of what the other has read: it depends on the order. */
struct flow { int s; uint64_t state, left, sum; };

static void add(struct flow *f, const void *bytes, size_t words) {
    for (const uint64_t *w = bytes; words-- > 0; w++) f->sum = (f->sum ^ *w) * 0x9e3779b97f4a7c15 + (f->sum >> 29);
}

static void *send_flow(void *argument) {
    struct flow *f = argument;
    uint64_t *words = malloc(block);
    for (; f->left > 0; f->left -= block) {
        for (size_t i = 0; i < block / 8; i++) {
            f->state ^= f->state << 13, f->state ^= f->state >> 7, f->state ^= f->state << 17;
            words[i] = f->state;
        }
        add(f, words, block / 8);
        send_all(f->s, words, block);
    }
    free(words);
    send_all(f->s, &f->sum, sizeof f->sum);
    shutdown(f->s, SHUT_WR);
    return NULL;
}

/* Sends `count` bytes, whole blocks, and reads as many meanwhile; at the end each side hears what the other has sent. */
static void both(int s, uint64_t seed, uint64_t count) {
    struct flow mine = {s, seed, count, 0}, theirs = {s, 0, count, 0};
    pthread_t sender = start(send_flow, &mine);
    char *bytes = malloc(block);
    uint64_t said;
    for (; theirs.left > 0; theirs.left -= block) {
        read_all(s, bytes, block);
        add(&theirs, bytes, block / 8);
    }
    read_all(s, &said, sizeof said);
    if (said != theirs.sum) {
        fprintf(stderr, "both: what arrived is not what was sent\n");
        exit(1);
    }
    pthread_join(sender, NULL);
    free(bytes);
}

static void *serve(void *argument) {
    int s = (int)(intptr_t)argument;
    char mode, *bytes = malloc(block);
    ssize_t n;
    uint64_t sum = 0;
    if (read(s, &mode, 1) == 1) switch (mode) {
        case 'S':
            while ((n = read(s, bytes, block)) > 0) sum += n;
            if (write(s, &sum, sizeof sum) < 0) break;
            break;
        case 'E':
            while ((n = read(s, bytes, block)) > 0 && write(s, bytes, n) == n) {}
            break;
        case 'D':
            while (write(s, zeros, block) > 0) {}
            break;
        case 'B':
            if (read(s, &sum, sizeof sum) == sizeof sum) both(s, 1, sum);
            break;
        case 'I':
            for (struct tcp_info now = {0}; now.tcpi_state != TCP_CLOSE; usleep(100000)) {
                socklen_t size = sizeof now;
                if (getsockopt(s, IPPROTO_TCP, TCP_INFO, &now, &size)) break;
            }
        }
    free(bytes);
    close(s);
    return NULL;
}

static void origin(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&at, sizeof at) || listen(s, 1024)) fail("listen");
    for (;;) {
        int c = accept4(s, NULL, NULL, SOCK_CLOEXEC);
        if (c < 0) continue;
        setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_detach(start(serve, (void *)(intptr_t)c));
    }
}

static uint64_t each;
static void *put(void *argument) {
    (void)argument;
    int s = dial();
    uint64_t heard;
    send_all(s, "S", 1);
    for (uint64_t left = each; left > 0;) {
        size_t n = left < block ? left : block;
        send_all(s, zeros, n);
        left -= n;
    }
    shutdown(s, SHUT_WR);
    read_all(s, &heard, sizeof heard);
    if (heard != each) {
        fprintf(stderr, "put: %llu bytes arrived of %llu\n", (unsigned long long)heard, (unsigned long long)each);
        exit(1);
    }
    close(s);
    return NULL;
}

static volatile int over;
static void *flood(void *argument) {
    (void)argument;
    int s = dial();
    send_all(s, "S", 1);
    while (!over && write(s, zeros, block) > 0) {}
    close(s);
    return NULL;
}

static int by_value(const void *a, const void *b) { return (*(double *)a > *(double *)b) - (*(double *)a < *(double *)b); }

static void ping(int count, int bulk) {
    double *times = malloc(count * sizeof *times);
    for (int i = 0; i < bulk; i++) pthread_detach(start(flood, NULL));
    if (bulk) sleep(1);
    int s = dial();
    char byte = 7;
    send_all(s, "E", 1);
    for (int i = -count / 10; i < count; i++) {
        double before = now();
        send_all(s, &byte, 1);
        read_all(s, &byte, 1);
        if (i >= 0) times[i] = now() - before;
        if (bulk) usleep(1000);
    }
    qsort(times, count, sizeof *times, by_value);
    printf("%.1f %.1f\n", times[count / 2] * 1e6, times[count * 99 / 100] * 1e6);
    over = 1;
}

static int left;
static void *open_many(void *argument) {
    (void)argument;
    while (__atomic_fetch_sub(&left, 1, __ATOMIC_RELAXED) > 0) {
        int s = dial();
        char bytes[2] = "E7";
        send_all(s, bytes, 2);
        read_all(s, bytes, 1);
        close(s);
    }
    return NULL;
}

static void *abort_many(void *argument) {
    (void)argument;
    char *bytes = malloc(256 << 10);
    struct linger hard = {1, 0};
    while (__atomic_fetch_sub(&left, 1, __ATOMIC_RELAXED) > 0) {
        int s = dial();
        send_all(s, "D", 1);
        read_all(s, bytes, 256 << 10);
        setsockopt(s, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(s);
    }
    free(bytes);
    return NULL;
}

static void many(void *(*body)(void *), int width) {
    pthread_t *threads = malloc(width * sizeof *threads);
    for (int i = 0; i < width; i++) threads[i] = start(body, NULL);
    for (int i = 0; i < width; i++) pthread_join(threads[i], NULL);
}

static void stall(int count, int seconds) {
    int *sockets = malloc(count * sizeof *sockets);
    for (int i = 0; i < count; i++) {
        sockets[i] = dial();
        send_all(sockets[i], "I", 1);
        fcntl(sockets[i], F_SETFL, O_NONBLOCK);
    }
    uint64_t taken = 0;
    for (double end = now() + seconds; now() < end; usleep(10000))
        for (int i = 0; i < count; i++)
            for (ssize_t n; (n = write(sockets[i], zeros, block)) > 0;) taken += n;
    printf("%llu\n", (unsigned long long)taken);
    fflush(stdout);
    if (getchar() != EOF) {}  // Until whoever measures is done.
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);
    if (count < 3) fail("tunnelload: see the top of tunnelload.c");
    port = atoi(words[2]);
    int first = count > 3 ? atoi(words[3]) : 0, second = count > 4 ? atoi(words[4]) : 0;
    double before = now();
    if (!strcmp(words[1], "origin")) origin();
    if (!strcmp(words[1], "put")) {
        each = ((uint64_t)first << 20) / second;
        many(put, second);
        printf("%.4f\n", now() - before);
    }
    if (!strcmp(words[1], "both")) {
        int s = dial();
        uint64_t bytes = (uint64_t)first << 20;
        send_all(s, "B", 1);
        send_all(s, &bytes, sizeof bytes);
        both(s, 2, bytes);
        printf("%.4f\n", now() - before);
    }
    if (!strcmp(words[1], "ping")) ping(first, second);
    if (!strcmp(words[1], "open")) {
        left = first;
        many(open_many, second);
        printf("%.1f\n", first / (now() - before));
    }
    if (!strcmp(words[1], "stall")) stall(first, second);
    if (!strcmp(words[1], "abort")) {
        left = first;
        many(abort_many, 8);
        printf("%.4f\n", now() - before);
    }
    fflush(stdout);
    _exit(0);
}
