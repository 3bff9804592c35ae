#define _GNU_SOURCE
#include "CSystem.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

// One signal for both: the timer's are samples, those sent to one thread ask for its stack. Its handler stays once it
// is there, because a signal may be under way when nobody wants it any more, and by default it would end the process.

enum { FREE, WRITING, READY };
typedef struct {
    _Atomic int state;
    csystem_stack stack;
} slot;

#define SLOTS 4096
static slot *slots;
static _Atomic unsigned next_slot;
static _Atomic uint64_t lost;
static _Atomic bool is_sampling;
static unsigned next_taken;

// Who is asked for its stack, in the upper half, and how far that is.
static _Atomic uint64_t request;
static csystem_stack answer;

typedef struct {
    csystem_stack *stack;
    uintptr_t interrupted;
    bool seen;
} walk;

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *argument) {
    walk *walk = argument;
    uintptr_t address = _Unwind_GetIP(context);
    if (address == 0) return _URC_END_OF_STACK;
    // The handler's own frames come first.
    if (address == walk->interrupted) walk->seen = true;
    if (!walk->seen) return _URC_NO_REASON;
    walk->stack->frames[walk->stack->count++] = address;
    return walk->stack->count < CSYSTEM_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void record(csystem_stack *stack, const ucontext_t *context) {
#if defined(__x86_64__)
    uintptr_t address = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    uintptr_t address = (uintptr_t)context->uc_mcontext.pc;
#else
#error "say here where this processor keeps its program counter"
#endif
    stack->thread = (int)syscall(SYS_gettid);
    stack->count = 0;
    walk walk = {.stack = stack, .interrupted = address};
    _Unwind_Backtrace(step, &walk);
    if (stack->count == 0) stack->frames[stack->count++] = address;
}

static void sample(const ucontext_t *context) {
    slot *slot = &slots[atomic_fetch_add_explicit(&next_slot, 1, memory_order_relaxed) % SLOTS];
    int expected = FREE;
    if (!atomic_compare_exchange_strong_explicit(
            &slot->state, &expected, WRITING, memory_order_acquire, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
        return;
    }
    record(&slot->stack, context);
    atomic_store_explicit(&slot->state, READY, memory_order_release);
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number;
    int before = errno;
    if (info->si_code == SI_TKILL) {
        uint64_t me = (uint64_t)syscall(SYS_gettid) << 32, expected = me | 1;
        if (atomic_compare_exchange_strong(&request, &expected, me | WRITING << 2)) {
            record(&answer, context);
            atomic_store(&request, me | READY << 2);
        }
    } else if (atomic_load_explicit(&is_sampling, memory_order_acquire)) {
        sample(context);
    }
    errno = before;
}

static _Unwind_Reason_Code nothing(struct _Unwind_Context *context, void *argument) {
    (void)context;
    (void)argument;
    return _URC_NO_REASON;
}

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static int is_prepared = -1;

static int prepare_once(void) {
    // Without this the unwinder takes the dynamic loader's lock, which the interrupted thread may hold.
    if (!dlsym(RTLD_DEFAULT, "_dl_find_object")) return ENOSYS;
    int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    slots = mmap(NULL, SLOTS * sizeof(slot), PROT_READ | PROT_WRITE, kind, -1, 0);
    if (slots == MAP_FAILED) return ENOMEM;
    _Unwind_Backtrace(nothing, NULL);  // What the unwinder sets up at its first use is set up outside a handler.
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&action.sa_mask);
    return sigaction(SIGPROF, &action, NULL) == 0 ? 0 : errno;
}

static int prepare(void) {
    pthread_mutex_lock(&making);
    if (is_prepared < 0) is_prepared = prepare_once();
    int error = is_prepared;
    pthread_mutex_unlock(&making);
    return error;
}

static void set_timer(long microseconds) {
    struct itimerval timer = {.it_interval = {0, microseconds}, .it_value = {0, microseconds}};
    setitimer(ITIMER_PROF, &timer, NULL);
}

int csystem_sampling_start(int hertz) {
    int error = prepare();
    if (error) return error;
    if (atomic_load(&is_sampling)) return EALREADY;
    csystem_stack rest;
    while (csystem_sampling_take(&rest)) {}
    atomic_store(&lost, 0);
    atomic_store(&is_sampling, true);
    set_timer(1000000 / hertz);
    return 0;
}

bool csystem_sampling_stop(void) {
    if (!atomic_load(&is_sampling)) return false;
    set_timer(0);
    atomic_store(&is_sampling, false);
    return true;
}

bool csystem_sampling_take(csystem_stack *stack) {
    if (!slots) return false;
    for (int tried = 0; tried < SLOTS; tried++) {
        slot *slot = &slots[next_taken++ % SLOTS];
        if (atomic_load_explicit(&slot->state, memory_order_acquire) != READY) continue;
        *stack = slot->stack;
        atomic_store_explicit(&slot->state, FREE, memory_order_release);
        return true;
    }
    return false;
}

uint64_t csystem_sampling_lost(void) { return atomic_load(&lost); }

static bool ask(int thread, int milliseconds, csystem_stack *stack) {
    uint64_t who = (uint64_t)thread << 32;
    atomic_store(&request, who | 1);
    if (syscall(SYS_tgkill, getpid(), thread, SIGPROF) != 0) {
        atomic_store(&request, 0);
        return false;
    }
    struct timespec pause = {0, 1000000};
    for (int waited = 0; atomic_load(&request) != (who | READY << 2); waited++) {
        uint64_t expected = who | 1;
        // A thread that answers late finds nobody; one that is answering now is waited for.
        if (waited >= milliseconds && atomic_compare_exchange_strong(&request, &expected, 0)) return false;
        nanosleep(&pause, NULL);
    }
    *stack = answer;
    atomic_store(&request, 0);
    return true;
}

bool csystem_stack_of(int thread, int milliseconds, csystem_stack *stack) {
    static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
    if (prepare()) return false;
    pthread_mutex_lock(&asking);
    bool has_answered = ask(thread, milliseconds, stack);
    pthread_mutex_unlock(&asking);
    return has_answered;
}

char *csystem_malloc_report(void) {
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (!stream) return NULL;
    int error = malloc_info(0, stream);
    if (fclose(stream) == 0 && error == 0) return text;
    free(text);
    return NULL;
}

// Part of the Swift runtime, in all its versions.
char *swift_demangle(const char *name, size_t length, char *buffer, size_t *size, uint32_t flags);

char *csystem_demangle(const char *symbol) { return swift_demangle(symbol, strlen(symbol), NULL, NULL, 0); }
