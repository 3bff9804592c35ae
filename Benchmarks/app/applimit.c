// The least that a pomelo echo does: one thread, epoll, answer the handshake, send each request's body back under its
// id. No routes, heartbeats, limits or meters. Usage: applimit PORT [ws]
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
    char *in, *out; // What is not a whole packet yet, and what the kernel did not take; null when empty.
    size_t in_count, out_count, out_size;
} Client;

static const char upgrade[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char hello[] = "{\"code\":200,\"sys\":{\"dict\":{},\"heartbeat\":30,\"serializer\":\"json\"}}";
static char shared[2 * BUFFER], reply[2 * BUFFER + 4096];
static int poller, websocket;

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

// The heads of a frame, if there are frames, and of a packet.
static char *head(char *to, int type, size_t count) {
    if (websocket) {
        size_t frame = count + 4;
        *to++ = (char)0x82;
        if (frame < 126) *to++ = (char)frame;
        else if (frame < 65536) *to++ = 126, *to++ = (char)(frame >> 8), *to++ = (char)frame;
        else {
            *to++ = 127;
            for (int i = 7; i >= 0; i--) *to++ = (char)((uint64_t)frame >> 8 * i);
        }
    }
    *to++ = (char)type, *to++ = (char)(count >> 16), *to++ = (char)(count >> 8), *to++ = (char)count;
    return to;
}

// What a packet is answered with, appended to `to`; null when it is wrong.
static char *answer(char *to, const uint8_t *packet, size_t count) {
    if (packet[0] == 1) return mempcpy(head(to, 1, sizeof hello - 1), hello, sizeof hello - 1);
    if (packet[0] != 4) return to;
    const uint8_t *at = packet + 4, *end = packet + count, *id;
    if (end - at < 2 || at[0] != 0) return NULL;
    for (id = ++at; at < end && *at & 128; at++) {}
    size_t ids = ++at - id;
    if (at >= end || at + 1 + *at > end) return NULL;
    at += 1 + *at;
    to = head(to, 4, 1 + ids + (end - at));
    *to++ = 4;
    to = mempcpy(to, id, ids);
    return mempcpy(to, at, end - at);
}

// Answers the whole packets in `bytes`; how many bytes they took.
static size_t take(Client *c, char *bytes, size_t count) {
    size_t at = 0;
    char *to = reply;
    for (;;) {
        uint8_t *packet = (uint8_t *)bytes + at;
        size_t left = count - at, skip = 0, size;
        if (websocket) {
            if (left < 6) break;
            size = packet[1] & 127, skip = 6;
            if (size == 126) {
                if (left < (skip = 8)) break;
                size = packet[2] << 8 | packet[3];
            } else if (size == 127) {
                if (left < (skip = 14)) break;
                size = 0;
                for (int i = 2; i < 10; i++) size = size << 8 | packet[i];
            }
            if (size > BUFFER || size < 4 || !(packet[1] & 128) || (packet[0] & 15) == 8) return SIZE_MAX;
            if (left < skip + size) break;
            uint32_t key;
            memcpy(&key, packet + skip - 4, 4);
            uint64_t wide = (uint64_t)key << 32 | key, word;
            packet += skip;
            size_t i = 0;
            for (; i + 8 <= size; i += 8) memcpy(&word, packet + i, 8), word ^= wide, memcpy(packet + i, &word, 8);
            for (; i < size; i++) packet[i] ^= (uint8_t)(key >> (i & 3) * 8);
        } else {
            if (left < 4) break;
            size = 4 + (packet[1] << 16 | packet[2] << 8 | packet[3]);
            if (size > BUFFER) return SIZE_MAX;
            if (left < size) break;
        }
        if (to + size + 128 > reply + sizeof reply) {
            if (flush(c, reply, to - reply)) return SIZE_MAX;
            to = reply;
        }
        if (!(to = answer(to, packet, size))) return SIZE_MAX;
        at += skip + size;
    }
    if (to > reply && flush(c, reply, to - reply)) return SIZE_MAX;
    return at;
}

static int readable(Client *c) {
    if (c->in_count) memcpy(shared, c->in, c->in_count);
    ssize_t got = recv(c->fd, shared + c->in_count, BUFFER, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
    size_t count = c->in_count + got, used;
    if (websocket && !c->open) {
        char *end = memmem(shared, count, "\r\n\r\n", 4);
        used = end ? end + 4 - shared : 0;
        c->open = end != NULL;
        if (end && flush(c, upgrade, sizeof upgrade - 1)) return -1;
    } else {
        used = take(c, shared, count);
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
    if (count < 2) return fprintf(stderr, "usage: applimit PORT [ws]\n"), 2;
    websocket = count > 2;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {AF_INET, htons(atoi(arguments[1])), {htonl(INADDR_LOOPBACK)}, {0}};
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) return perror("applimit"), 1;
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
