// Loads a WebSocket echo: CLIENTS connections, each with DEPTH masked binary messages of SIZE bytes under way. Prints
// messages per second and the CPU seconds of process PID per million messages as JSON.
// Usage: wsload PORT CLIENTS DEPTH SIZE SECONDS PID
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    int fd;
    size_t received; // Bytes of the echo that is arriving.
    size_t to_send;  // Bytes that the kernel has not taken yet.
} Client;

static char *burst, buffer[256 << 10];
static size_t frame_size, echo_size, burst_size;
static int poller;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(const char *pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(text, sizeof text, file)) return 0;
    fclose(file);
    long user, system;
    sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
    return (double)(user + system) / sysconf(_SC_CLK_TCK);
}

static size_t header(uint8_t *to, size_t size, int mask) {
    size_t count = 2;
    to[0] = 0x82;
    if (size < 126) to[1] = size;
    else if (size < 65536) to[1] = 126, to[2] = size >> 8, to[3] = size, count = 4;
    else {
        to[1] = 127, count = 10;
        for (int i = 0; i < 8; i++) to[2 + i] = (uint64_t)size >> (56 - 8 * i);
    }
    if (!mask) return count;
    to[1] |= 128;
    memcpy(to + count, "\x37\xfa\x21\x3d", 4);
    return count + 4;
}

// Sends what is owed. The bytes of all frames are the same, so a position in the burst says what comes next.
static void push(Client *c) {
    while (c->to_send) {
        size_t offset = (frame_size - c->to_send % frame_size) % frame_size;
        size_t count = c->to_send < burst_size - offset ? c->to_send : burst_size - offset;
        ssize_t sent = send(c->fd, burst + offset, count, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) perror("wsload: send"), exit(1);
        c->to_send -= sent;
    }
    struct epoll_event event = {c->to_send ? EPOLLIN | EPOLLOUT : EPOLLIN, {.ptr = c}};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

int main(int argument_count, char **arguments) {
    if (argument_count < 7) return fprintf(stderr, "usage: wsload PORT CLIENTS DEPTH SIZE SECONDS PID\n"), 2;
    int clients = atoi(arguments[2]), depth = atoi(arguments[3]), one = 1;
    size_t size = atol(arguments[4]);
    double seconds = atof(arguments[5]), warm_up = 0.3;
    uint8_t head[16];
    size_t head_size = header(head, size, 1);
    frame_size = head_size + size, echo_size = header((uint8_t[16]){0}, size, 0) + size;
    burst_size = frame_size * (depth + 1);
    burst = malloc(burst_size);
    for (int i = 0; i <= depth; i++) {
        memcpy(burst + i * frame_size, head, head_size);
        memset(burst + i * frame_size + head_size, 'x', size);
    }
    poller = epoll_create1(0);
    Client *all = calloc(clients, sizeof *all);
    for (int i = 0; i < clients; i++) {
        struct sockaddr_in address = {AF_INET, htons(atoi(arguments[1])), {htonl(INADDR_LOOPBACK)}, {0}};
        all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[i].fd, (void *)&address, sizeof address)) return perror("wsload"), 1;
        setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        const char *request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        if (send(all[i].fd, request, strlen(request), 0) < 0) return perror("wsload"), 1;
        size_t got = 0;
        while (!memmem(buffer, got, "\r\n\r\n", 4)) {
            ssize_t more = recv(all[i].fd, buffer + got, 4096, 0);
            if (more <= 0) return fprintf(stderr, "wsload: no handshake\n"), 1;
            got += more;
        }
        if (strncmp(buffer, "HTTP/1.1 101", 12)) return fprintf(stderr, "wsload: refused\n"), 1;
        struct epoll_event event = {EPOLLIN, {.ptr = &all[i]}};
        epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    for (int i = 0; i < clients; i++) {
        all[i].to_send = frame_size * depth;
        push(&all[i]);
    }
    double start = now(), from = 0, before = 0;
    uint64_t messages = 0;
    struct epoll_event events[512];
    for (;;) {
        double at = now();
        if (!from && at - start >= warm_up) from = at, messages = 0, before = cpu(arguments[6]);
        if (from && at - from >= seconds && messages) break;
        int ready = epoll_wait(poller, events, 512, 100);
        for (int i = 0; i < ready; i++) {
            Client *c = events[i].data.ptr;
            if (events[i].events & EPOLLIN) {
                ssize_t got = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
                if (got == 0 || (got < 0 && errno != EAGAIN)) return fprintf(stderr, "wsload: cut off\n"), 1;
                if (got > 0) {
                    c->received += got;
                    size_t whole = c->received / echo_size;
                    c->received %= echo_size;
                    messages += whole;
                    c->to_send += whole * frame_size;
                }
            }
            push(c);
        }
    }
    double spent = now() - from, used = cpu(arguments[6]) - before;
    printf("{\"msgs_s\": %.0f, \"cpu_s_per_M\": %.4f}\n", messages / spent, used / messages * 1e6);
    return 0;
}
