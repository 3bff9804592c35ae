#define _GNU_SOURCE
#include "CSystem.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

static _Thread_local const void *current_loop;

const void *csystem_current_loop(void) { return current_loop; }
void csystem_set_current_loop(const void *loop) { current_loop = loop; }

// The hook of the Swift runtime through which every job goes that belongs to no particular executor.
typedef __attribute__((swiftcall)) void (*enqueue_global)(void *job);
extern __attribute__((swiftcall)) void (*swift_task_enqueueGlobal_hook)(void *job, enqueue_global original);

static void (*take_job)(void *job);
static _Thread_local bool is_capturing;

static __attribute__((swiftcall)) void capture(void *job, enqueue_global original) {
    if (is_capturing) take_job(job);
    else original(job);
}

void csystem_capture_global_jobs(void (*take)(void *job)) {
    take_job = take;
    swift_task_enqueueGlobal_hook = capture;
}
void csystem_set_capturing(bool capturing) { is_capturing = capturing; }

#ifndef OMNIWAY_COMMIT
#define OMNIWAY_COMMIT ""
#endif
const char *csystem_commit(void) { return OMNIWAY_COMMIT; }

int csystem_processor_count(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

bool csystem_clock_is_kept(void) {
    struct timex answer = {0};
    int state = adjtimex(&answer);
    return state >= 0 && state != TIME_ERROR;
}

double csystem_thread_cpu_seconds(void) {
    struct timespec used;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) != 0) return 0;
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

int csystem_accept(int listener, void *address, unsigned *length) {
    return accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int csystem_thread_id(void) { return (int)syscall(SYS_gettid); }

void csystem_set_thread_name(const char *name) {
    char shown[16] = {0};
    strncpy(shown, name, sizeof shown - 1);
    pthread_setname_np(pthread_self(), shown);
}

void csystem_thread_name(char name[16]) {
    if (pthread_getname_np(pthread_self(), name, 16) != 0) name[0] = 0;
}

typedef struct {
    uintptr_t *frames;
    int count, most;
} calls;

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *argument) {
    calls *calls = argument;
    if (calls->count == calls->most) return _URC_END_OF_STACK;
    calls->frames[calls->count++] = _Unwind_GetIP(context);
    return _URC_NO_REASON;
}

int csystem_calls(uintptr_t *frames, int most) {
    calls calls = {frames, 0, most};
    _Unwind_Backtrace(note, &calls);
    return calls.count;
}

int csystem_splice_pipe(int ends[2], int bytes) {
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return -1;
    // A user has so much memory for pipes; who has no more gets a small one.
    (void)fcntl(ends[1], F_SETPIPE_SZ, bytes);
    int size = fcntl(ends[1], F_GETPIPE_SZ);
    return size > 0 ? size : 4096;
}
long csystem_splice(int from, int to, size_t most) {
    return splice(from, NULL, to, NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

long csystem_send_two(int socket, const void *head, size_t count, const void *rest, size_t more) {
    // The kernel reads them only.
    struct iovec pieces[] = {{.iov_base = (void *)head, .iov_len = count}, {.iov_base = (void *)rest, .iov_len = more}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

long csystem_send_descriptors(int socket, const void *bytes, size_t count, const int *descriptors, int many) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(CSYSTEM_DESCRIPTORS * sizeof(int))];
    } control = {0};
    if (many < 0 || many > CSYSTEM_DESCRIPTORS) {
        errno = EINVAL;
        return -1;
    }
    struct iovec piece = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (many > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE((size_t)many * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((size_t)many * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, (size_t)many * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

long csystem_receive_descriptors(int socket, void *bytes, size_t most, int *descriptors, int *many) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(CSYSTEM_DESCRIPTORS * sizeof(int))];
    } control = {0};
    struct iovec piece = {.iov_base = bytes, .iov_len = most};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    long count;
    do count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    *many = 0;
    if (count <= 0) return count;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int came = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int index = 0; index < came; index++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + (size_t)index * sizeof(int), sizeof descriptor);
            if (*many < CSYSTEM_DESCRIPTORS) descriptors[(*many)++] = descriptor;
            else close(descriptor);
        }
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        while (*many > 0) close(descriptors[--*many]);
        errno = EMSGSIZE;
        return -1;
    }
    return count;
}

int csystem_spawn(const char *path, char *const *arguments, char *const *environment, int descriptor) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = posix_spawnattr_init(&attributes);
        if (error == 0) {
            posix_spawnattr_setsigmask(&attributes, &none);
            posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
            error = posix_spawn_file_actions_adddup2(&actions, descriptor, 3);
            pid_t pid = -1;
            if (error == 0) error = posix_spawn(&pid, path, &actions, &attributes, arguments, environment);
            posix_spawnattr_destroy(&attributes);
            if (error == 0) {
                posix_spawn_file_actions_destroy(&actions);
                return pid;
            }
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    errno = error;
    return -1;
}
