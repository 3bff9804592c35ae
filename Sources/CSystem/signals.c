#define _GNU_SOURCE
#include "CSystem.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

// Not sigwait: a program whose main function is async leaves its main thread to the system, which unblocks all signals
// there. A handler works on every thread, and for process 1, which loses what nobody handles.
static int ends[2] = {-1, -1};
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(int number) {
    int before = errno;
    unsigned char byte = (unsigned char)number;
    if (write(ends[1], &byte, 1) < 0) {}  // Full of signals that nobody has taken: one more says nothing new.
    errno = before;
}

bool csystem_take_signal(int number) {
    pthread_mutex_lock(&making);
    bool is_open = ends[0] >= 0 || pipe2(ends, O_CLOEXEC) == 0;
    if (is_open) fcntl(ends[1], F_SETFL, O_NONBLOCK);
    pthread_mutex_unlock(&making);
    if (!is_open) return false;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    if (sigaction(number, &action, NULL) != 0) return false;
    sigset_t set;  // Whoever started this process may have blocked it.
    sigemptyset(&set);
    sigaddset(&set, number);
    return pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0;
}

int csystem_next_signal(void) {
    unsigned char byte = 0;
    while (read(ends[0], &byte, 1) != 1) {}
    return byte;
}
