// What Swift's Glibc module lacks. Only headers that module does not have may be included here;
// everything else is declared by plain types and defined in system.c.
#pragma once
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/// The loop whose thread this is, or null. An opaque thread-local: pthread_self() is declared const
/// and its value may be reused across a suspension.
const void *csystem_current_loop(void);
void csystem_set_current_loop(const void *loop);

/// Gives `take` the Swift jobs that a capturing thread sends to the global pool. They are `take`'s to run.
void csystem_capture_global_jobs(void (*take)(void *job));
void csystem_set_capturing(bool capturing);

/// Of what a release was built; empty for another build.
const char *csystem_commit(void);

/// Processors that this process may run on.
int csystem_processor_count(void);

/// Whether somebody keeps the machine's clock right.
bool csystem_clock_is_kept(void);

/// Seconds of processor time that the calling thread has used.
double csystem_thread_cpu_seconds(void);

/// accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC. `address` may be null; `length` is in and out.
int csystem_accept(int listener, void *address, unsigned *length);

/// A pipe of at least `bytes` if the system has them, which neither blocks nor is inherited: the end to read from, then
/// the other. How many bytes it holds; negative with errno when there is none, and where the system cannot splice.
int csystem_splice_pipe(int ends[2], int bytes);
/// Moves up to `most` bytes between a pipe and a socket without blocking. Negative with errno.
long csystem_splice(int from, int to, size_t most);

/// Sends two pieces as one, without blocking on a socket that does not. Negative with errno.
long csystem_send_two(int socket, const void *head, size_t count, const void *rest, size_t more);

/// Most descriptors that one message takes along.
#define CSYSTEM_DESCRIPTORS 250
/// Sends a message with descriptors over a Unix socket that keeps messages, without waiting. Negative with errno.
long csystem_send_descriptors(int socket, const void *bytes, size_t count, const int *descriptors, int many);
/// Waits for the next message; what it brings is not inherited. `descriptors` has room for CSYSTEM_DESCRIPTORS, and
/// `many` says how many came. 0 when nobody is there any more; negative with errno, EMSGSIZE for one that does not fit.
long csystem_receive_descriptors(int socket, void *bytes, size_t most, int *descriptors, int *many);

/// Starts a program that has `descriptor` as its number 3, and no signal blocked. Its pid; negative with errno.
int csystem_spawn(const char *path, char *const *arguments, char *const *environment, int descriptor);

/// The system's number of the calling thread.
int csystem_thread_id(void);
/// What the system calls the calling thread: at most 15 letters.
void csystem_set_thread_name(const char *name);
void csystem_thread_name(char name[16]);
/// Where the calling thread is: return addresses, the innermost first. How many there are.
int csystem_calls(uintptr_t *frames, int most);

/// From now on the signal is taken out by csystem_next_signal, whichever thread it reaches. False when the system has
/// no descriptors for it.
bool csystem_take_signal(int number);
/// Waits for the next signal that is taken.
int csystem_next_signal(void);

// MARK: What the operator's commands need; see profile.c.

/// A stack that was seen when its thread was using the processor. The innermost frame is the first; all others are
/// return addresses.
#define CSYSTEM_FRAMES 64
typedef struct {
    int thread;
    int count;
    uintptr_t frames[CSYSTEM_FRAMES];
} csystem_stack;

/// Begins to sample the stacks of all threads, `hertz` times for each second of processor time.
/// 0, or the number of an error: EALREADY, or ENOSYS where stacks cannot be walked within a signal handler.
int csystem_sampling_start(int hertz);
/// Ends it. False when there was none.
bool csystem_sampling_stop(void);
/// Takes one sample out; false when there are none. Only one thread at a time.
bool csystem_sampling_take(csystem_stack *stack);
/// Samples that did not fit since the start.
uint64_t csystem_sampling_lost(void);

/// The stack of another thread of this process, or of the calling one. False when it does not answer within
/// `milliseconds`: it blocks the signal, or is gone.
bool csystem_stack_of(int thread, int milliseconds, csystem_stack *stack);

/// The allocator's own report, in XML, to be freed; null when there is no memory for it.
char *csystem_malloc_report(void);
/// The name of a Swift symbol as a person writes it, to be freed; null when it is none.
char *csystem_demangle(const char *symbol);
