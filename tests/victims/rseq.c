/*
 * Runs restartable sequences, rseq(2), without pause: each reads a token, goes around for a while, and
 * looks whether the token is still the same. The kernel promises that a sequence which lost its
 * processor starts again; so a thread that ran meanwhile may change the token, and `torn` must stay 0.
 * Says first `token ADDRESS section START END`. SIGUSR1: says `commits N aborts M torn K`.
 * x86_64 and i386, with a C library that registers rseq (glibc 2.35).
 */
#include "victim.h"
#include <stdint.h>
#include <sys/rseq.h>

#define RSEQ_SIGNATURE 0x53053053 /* RSEQ_SIG of <sys/rseq.h> */

volatile uint64_t token = 1;
static volatile long commits, aborts, torn;

extern char section_start[], section_end[], section_abort[];

/* 0 when committed, 1 when aborted, 2 when the token changed within the sequence. */
long run_section(void *rseq_cs_field, void *descriptor);

#ifdef __x86_64__
#define ARGUMENTS " mov %rsi, (%rdi)\n"
#define TOKEN "token(%rip), %rdx\n"
#else
#define ARGUMENTS " mov 4(%esp), %ecx\n mov 8(%esp), %edx\n mov %edx, (%ecx)\n"
#define TOKEN "token, %edx\n" /* its lower half, which is changed, too */
#endif

__asm__(".text\n"
	".globl run_section, section_start, section_end, section_abort\n"
	".type run_section, @function\n"
	"run_section:\n"
	ARGUMENTS
	"section_start:\n"
	" mov " TOKEN
	" mov $2000000, %ecx\n"
	"1: dec %ecx\n"
	" jnz 1b\n"
	" cmp " TOKEN
	" mov $0, %eax\n"
	" mov $2, %ecx\n"
	" cmovne %ecx, %eax\n"
	"section_end:\n"
	" ret\n"
	" .long 0x53053053\n"
	"section_abort:\n"
	" mov $1, %eax\n"
	" ret\n");

static void on_signal(int number)
{
	(void)number;
	say("commits %ld aborts %ld torn %ld", commits, aborts, torn);
}

int main(void)
{
	struct rseq *rseq = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	struct rseq_cs descriptor = {
		.start_ip = (uintptr_t)section_start,
		.post_commit_offset = section_end - section_start,
		.abort_ip = (uintptr_t)section_abort,
	};
	if (__rseq_size == 0) {
		say("no rseq");
		return 0;
	}
	signal(SIGUSR1, on_signal);
	say("token %p section %p %p", (void *)&token, section_start, section_end);
	ready();
	for (;;) {
		long result = run_section(&rseq->rseq_cs, &descriptor);
		rseq->rseq_cs = 0;
		if (result == 0)
			commits++;
		else if (result == 1)
			aborts++;
		else
			torn++;
	}
}
