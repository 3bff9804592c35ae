// Requests and their answers through libnats, as a program with loops of its own would have it: what arrives on the
// library's threads goes through a mailbox, one wake-up for a batch, to the one thread that does the work.
// usage: natsload URL server|client mailbox|direct buffered|asap [DEPTH SIZE SECONDS]
#include <nats/nats.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static natsConnection *connection;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static natsMsg **waiting;
static int waiting_count, waiting_room, wake;
static int is_client, is_direct, depth, size;
static char inbox[128], payload[1 << 20];
static uint64_t sent_at[65536];
static uint64_t answers;
static uint32_t *latencies;
static size_t latency_count, latency_room = 1 << 25;
static volatile int is_over;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void check(natsStatus status, const char *what) {
    if (status == NATS_OK) return;
    fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
    exit(1);
}

static void request(int slot) {
    char reply[160];
    snprintf(reply, sizeof reply, "%s.%d", inbox, slot);
    sent_at[slot] = now();
    check(natsConnection_PublishRequest(connection, "bench/echo", reply, payload, size), "request");
}

static void work(natsMsg *message) {
    if (is_client) {
        int slot = atoi(strrchr(natsMsg_GetSubject(message), '.') + 1);
        if (latency_count < latency_room) latencies[latency_count++] = (uint32_t)(now() - sent_at[slot]);
        answers++;
        if (!is_over) request(slot);
    } else {
        natsConnection_Publish(connection, natsMsg_GetReply(message), natsMsg_GetData(message), natsMsg_GetDataLength(message));
    }
    natsMsg_Destroy(message);
}

static void arrived(natsConnection *nc, natsSubscription *sub, natsMsg *message, void *closure) {
    if (is_direct) return work(message);
    pthread_mutex_lock(&lock);
    if (waiting_count == waiting_room) {
        waiting_room = waiting_room ? 2 * waiting_room : 64;
        waiting = realloc(waiting, waiting_room * sizeof *waiting);
    }
    waiting[waiting_count++] = message;
    int is_first = waiting_count == 1;
    pthread_mutex_unlock(&lock);
    uint64_t one = 1;
    if (is_first && write(wake, &one, 8) != 8) exit(1);
}

// One turn: all that waits.
static void turn(int milliseconds) {
    static natsMsg **taken;
    static int taken_room;
    struct pollfd readiness = {.fd = wake, .events = POLLIN};
    if (poll(&readiness, 1, milliseconds) <= 0) return;
    uint64_t count;
    if (read(wake, &count, 8) != 8) return;
    pthread_mutex_lock(&lock);
    natsMsg **swap = waiting;
    int room = waiting_room, batch = waiting_count;
    waiting = taken, waiting_room = taken_room, waiting_count = 0;
    taken = swap, taken_room = room;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < batch; i++) work(taken[i]);
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments) {
    if (count < 5) return fprintf(stderr, "usage: natsload URL server|client mailbox|direct buffered|asap [DEPTH SIZE SECONDS]\n"), 2;
    is_client = !strcmp(arguments[2], "client");
    is_direct = !strcmp(arguments[3], "direct");
    wake = eventfd(0, EFD_NONBLOCK);
    natsOptions *options;
    check(natsOptions_Create(&options), "options");
    check(natsOptions_SetURL(options, arguments[1]), "address");
    check(natsOptions_SetSendAsap(options, !strcmp(arguments[4], "asap")), "asap");
    check(natsConnection_Connect(&connection, options), "connect");
    natsSubscription *subscription;
    if (!is_client) {
        check(natsConnection_Subscribe(&subscription, connection, "bench/echo", arrived, NULL), "subscribe");
        check(natsConnection_Flush(connection), "flush");
        printf("ready\n");
        fflush(stdout);
        for (;;) is_direct ? (void)pause() : turn(-1);
    }
    depth = atoi(arguments[5]), size = atoi(arguments[6]);
    double seconds = atof(arguments[7]);
    latencies = malloc(latency_room * sizeof *latencies);
    snprintf(inbox, sizeof inbox, "_INBOX.bench%d", getpid());
    char wildcard[160];
    snprintf(wildcard, sizeof wildcard, "%s.*", inbox);
    check(natsConnection_Subscribe(&subscription, connection, wildcard, arrived, NULL), "subscribe");
    check(natsConnection_Flush(connection), "flush");
    uint64_t end = now() + (uint64_t)(seconds * 1e9);
    for (int slot = 0; slot < depth; slot++) request(slot);
    while (now() < end) is_direct ? (void)usleep(10000) : turn(100);
    is_over = 1;
    usleep(200000);  // What is under way.
    size_t total = latency_count;
    qsort(latencies, total, sizeof *latencies, ascending);
    printf("{\"requests\": %llu, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", (unsigned long long)answers, latencies[total / 2] / 1e3,
           latencies[total * 99 / 100] / 1e3);
    fflush(stdout);
    _exit(0);
}
