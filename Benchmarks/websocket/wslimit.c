// The least that a WebSocket echo does: one thread, epoll, parse the header, unmask in place, reply. The handshake is
// answered without being looked at. Usage: wslimit PORT
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
#include <unistd.h>

#define BUFFER (256 << 10)

typedef struct {
    int fd, open;
    char *in, *out; // What is not a whole frame yet, and what the kernel did not take; null when empty.
    size_t in_count, out_count, out_size;
} Client;

static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static char shared[2 * BUFFER], reply[2 * BUFFER + 4096];
static int poller;

static void drop(Client *c) {
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static int flush(Client *c, const char *bytes, size_t count) {
    if (c->out_count == 0) {
        ssize_t sent = send(c->fd, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return -1;
        if (sent < 0) sent = 0;
        if ((size_t)sent == count) return 0;
        bytes += sent, count -= sent;
        struct epoll_event event = {EPOLLIN | EPOLLOUT, {.ptr = c}};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
    }
    if (c->out_count + count > c->out_size) {
        c->out_size = 2 * (c->out_count + count);
        c->out = realloc(c->out, c->out_size);
    }
    memcpy(c->out + c->out_count, bytes, count);
    c->out_count += count;
    return 0;
}

// Echoes the whole frames in `bytes`; how many bytes they took.
static size_t echo(Client *c, char *bytes, size_t count) {
    size_t at = 0, filled = 0;
    while (count - at >= 6) {
        uint8_t *head = (uint8_t *)bytes + at;
        size_t size = 6;
        uint64_t length = head[1] & 127;
        if (length == 126) {
            if (count - at < (size = 8)) break;
            length = head[2] << 8 | head[3];
        } else if (length == 127) {
            if (count - at < (size = 14)) break;
            length = 0;
            for (int i = 2; i < 10; i++) length = length << 8 | head[i];
        }
        if (length > BUFFER || !(head[1] & 128)) return SIZE_MAX;
        if (count - at < size + length) break;
        if ((head[0] & 15) == 8) return SIZE_MAX;
        uint32_t key;
        memcpy(&key, head + size - 4, 4);
        uint64_t wide = (uint64_t)key << 32 | key;
        if (filled + size + length > sizeof reply) {
            if (flush(c, reply, filled)) return SIZE_MAX;
            filled = 0;
        }
        char *to = reply + filled;
        memcpy(to, head, size - 4);
        to[1] &= 127;
        to += size - 4;
        const char *from = (char *)head + size;
        uint64_t i = 0;
        for (; i + 8 <= length; i += 8) {
            uint64_t word;
            memcpy(&word, from + i, 8);
            word ^= wide;
            memcpy(to + i, &word, 8);
        }
        for (; i < length; i++) to[i] = from[i] ^ (char)(key >> (i & 3) * 8);
        filled += size - 4 + length;
        at += size + length;
    }
    if (filled && flush(c, reply, filled)) return SIZE_MAX;
    return at;
}

static int readable(Client *c) {
    if (c->in_count) memcpy(shared, c->in, c->in_count);
    ssize_t got = recv(c->fd, shared + c->in_count, BUFFER, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
    size_t count = c->in_count + got, used;
    if (!c->open) {
        char *end = memmem(shared, count, "\r\n\r\n", 4);
        used = end ? end + 4 - shared : 0;
        c->open = end != NULL;
        if (end && flush(c, answer, sizeof answer - 1)) return -1;
    } else {
        used = echo(c, shared, count);
        if (used == SIZE_MAX) return -1;
    }
    size_t left = count - used;
    if (left > BUFFER + 14) return -1;
    if (left && !c->in) c->in = malloc(2 * BUFFER);
    if (left) memcpy(c->in, shared + used, left);
    if (!left && c->in) free(c->in), c->in = NULL;
    c->in_count = left;
    return 0;
}

static int writable(Client *c) {
    ssize_t sent = send(c->fd, c->out, c->out_count, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? 0 : -1;
    memmove(c->out, c->out + sent, c->out_count - sent);
    c->out_count -= sent;
    if (c->out_count == 0) {
        struct epoll_event event = {EPOLLIN, {.ptr = c}};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
        free(c->out), c->out = NULL, c->out_size = 0;
    }
    return 0;
}

int main(int count, char **arguments) {
    if (count < 2) return fprintf(stderr, "usage: wslimit PORT\n"), 2;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {AF_INET, htons(atoi(arguments[1])), {htonl(INADDR_LOOPBACK)}, {0}};
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) return perror("wslimit"), 1;
    poller = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}}, events[512];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poller, events, 512, -1);
        for (int i = 0; i < ready; i++) {
            Client *c = events[i].data.ptr;
            if (!c) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (fd < 0) continue;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                c = calloc(1, sizeof *c);
                c->fd = fd;
                event = (struct epoll_event){EPOLLIN, {.ptr = c}};
                epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
            } else if (((events[i].events & EPOLLOUT) && writable(c)) ||
                       ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && readable(c))) {
                drop(c);
            }
        }
    }
}
