// Asks an HTTP server for one page over many connections, several requests in flight on each, for some seconds:
// httpload <port> <connections> <in flight> <seconds>. Prints how many responses it got.
// Every response has the same size, which the first one tells.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char request[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\nUser-Agent: httpload\r\nAccept: */*\r\n\r\n";

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int dial(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (connect(s, (struct sockaddr *)&to, sizeof to)) { perror("connect"); exit(1); }
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return s;
}

static void say(int s, const char *bytes, size_t count) {
    if (send(s, bytes, count, MSG_NOSIGNAL) != (ssize_t)count) { perror("send"); exit(1); }
}

int main(int argc, char **argv) {
    if (argc != 5) return 64;
    int port = atoi(argv[1]), connections = atoi(argv[2]), flight = atoi(argv[3]);
    double seconds = atof(argv[4]);
    static char buffer[1 << 18];
    size_t length = sizeof request - 1;
    char *batch = malloc(length * flight);
    for (int i = 0; i < flight; i++) memcpy(batch + i * length, request, length);

    int probe = dial(port);
    say(probe, request, length);
    usleep(100000);
    ssize_t size = recv(probe, buffer, sizeof buffer, 0);
    if (size < 20 || memcmp(buffer, "HTTP/1.1 200", 12)) { fprintf(stderr, "not a page\n"); return 1; }
    close(probe);

    int poller = epoll_create1(0);
    long *received = calloc(connections, sizeof *received);
    int *sockets = calloc(connections, sizeof *sockets);
    for (int i = 0; i < connections; i++) {
        sockets[i] = dial(port);
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(poller, EPOLL_CTL_ADD, sockets[i], &e);
        say(sockets[i], batch, length * flight);
    }
    long responses = 0;
    double end = now() + seconds, began = now();
    struct epoll_event events[256];
    while (now() < end) {
        int count = epoll_wait(poller, events, 256, 100);
        for (int i = 0; i < count; i++) {
            int c = events[i].data.u32;
            ssize_t got = recv(sockets[c], buffer, sizeof buffer, 0);
            if (got <= 0) { fprintf(stderr, "connection lost\n"); return 1; }
            received[c] += got;
            // A new batch when the last one is answered whole.
            if (received[c] < size * flight) continue;
            received[c] -= size * flight;
            responses += flight;
            say(sockets[c], batch, length * flight);
        }
    }
    printf("%ld %.3f\n", responses, now() - began);
    return 0;
}
