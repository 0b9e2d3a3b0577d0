/*
 * Says back each line, as command.c does, under a seccomp filter that argument 1 names:
 *   kill         read, write, exit and rt_sigreturn are allowed; any other call ends the process
 *   kill-thread  the same, by SECCOMP_RET_KILL_THREAD
 *   trap         the same, by SIGSYS
 *   errno        any other call is answered EPERM
 *   trace        any other call is for a tracer: ENOSYS
 *   notify       any other call is for a supervisor, which never answers
 *   log          any other call is made, and written to the log
 *   deny         setsid(2) and socketpair(2) end the process; all other calls are allowed
 *   wide         a long list is allowed, much of what a move undoes with is in it; dup3, ioctl and setpgid are not
 *   arguments    ioctl(2), fcntl(2), close(2) and dup3(2) are allowed by their arguments
 *   pointer      rt_sigreturn(2) is allowed from the C library's own code only; all else as with kill
 *   two          two filters: the calls that only one of them allows end the process
 *   strict       SECCOMP_MODE_STRICT
 *   no-sigreturn rt_sigreturn(2) ends the process; all other calls are allowed
 *   no-restart   restart_syscall(2), by which the kernel continues a poll(2) that was interrupted, ends the process
 * It waits for a line by poll(2) where that is allowed. SIGUSR1 has a handler, and SIGTSTP has one that says what
 * getppid(2) returns.
 */
#include "victim.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), RETURN(SECCOMP_RET_ALLOW)
#define DENY(number, action) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), RETURN(action)

/* Also what is behind an exit(3) and a read(2) that was interrupted. */
#define NEEDED                                                                                              \
	ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_exit), ALLOW(SYS_exit_group), ALLOW(SYS_rt_sigreturn), \
		ALLOW(SYS_restart_syscall)

#if defined __x86_64__
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined __i386__
#define THIS_ARCH AUDIT_ARCH_I386
#else
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

static volatile int handled;

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
	handled++;
}

/* getppid(2) is none of the calls that any of the filters needs. */
static void on_stop(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
	long result = syscall(SYS_getppid);
	say("getppid %s", result < 0 ? strerrorname_np(errno) : "allowed");
}

#define install(...)                                                                \
	do {                                                                        \
		struct sock_filter code[] = {__VA_ARGS__};                          \
		struct sock_fprog program = {sizeof code / sizeof *code, code};     \
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||                       \
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))           \
			fail("seccomp");                                            \
	} while (0)

static void allow_only_needed(unsigned int otherwise)
{
	install(LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0), RETURN(otherwise), LOAD(nr),
		NEEDED, RETURN(otherwise));
}

static void install_notifying(void)
{
	struct sock_filter code[] = {LOAD(nr), NEEDED, RETURN(SECCOMP_RET_USER_NOTIF)};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) < 0)
		fail("seccomp");
}

/* Low and high half of an argument, whose high one is 0. */
#define ARGUMENT(number) LOAD(args[number])

static void allow_by_arguments(void)
{
	install(LOAD(nr), NEEDED,
		/* ioctl: what a terminal's settings are read by */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4), ARGUMENT(1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TCGETS, 0, 1), RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		/* close: no standard stream */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 0, 4), ARGUMENT(0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 2, 0, 1), RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		/* dup3: to standard error only, whose bit is set in 2 and 3 */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup3, 0, 4), ARGUMENT(1),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 2, 0, 1), RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		/* rt_sigaction: of signals above SIGHUP */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigaction, 0, 4), ARGUMENT(0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 2, 0, 1), RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_KILL_PROCESS));
}

/* The kernel's own structure: behind handler and flags stands what a handler returns to. */
struct kernel_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask[64 / (8 * sizeof(long))];
};

static void allow_by_pointer(void)
{
	struct kernel_action action = {0};
	if (syscall(SYS_rt_sigaction, SIGUSR1, NULL, &action, 8))
		fail("rt_sigaction");
	uintptr_t restorer = (uintptr_t)action.restorer;
	install(LOAD(nr), ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_exit), ALLOW(SYS_exit_group),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 0, 4), LOAD(instruction_pointer),
		/* It is 7 or 9 bytes long. */
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, (unsigned int)restorer),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 16, 1, 0), RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS));
}

static void confine(const char *filter)
{
	if (strcmp(filter, "kill") == 0) {
		allow_only_needed(SECCOMP_RET_KILL_PROCESS);
	} else if (strcmp(filter, "kill-thread") == 0) {
		allow_only_needed(SECCOMP_RET_KILL_THREAD);
	} else if (strcmp(filter, "trap") == 0) {
		allow_only_needed(SECCOMP_RET_TRAP);
	} else if (strcmp(filter, "errno") == 0) {
		allow_only_needed(SECCOMP_RET_ERRNO | EPERM);
	} else if (strcmp(filter, "trace") == 0) {
		allow_only_needed(SECCOMP_RET_TRACE);
	} else if (strcmp(filter, "log") == 0) {
		allow_only_needed(SECCOMP_RET_LOG);
	} else if (strcmp(filter, "notify") == 0) {
		install_notifying();
	} else if (strcmp(filter, "deny") == 0) {
		install(LOAD(nr), DENY(SYS_setsid, SECCOMP_RET_KILL_PROCESS),
			DENY(SYS_socketpair, SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW));
	} else if (strcmp(filter, "wide") == 0) {
		install(LOAD(nr), NEEDED, ALLOW(SYS_close), ALLOW(SYS_rt_sigaction), ALLOW(SYS_epoll_ctl),
			ALLOW(SYS_munmap), ALLOW(SYS_mmap), ALLOW(SYS_fcntl), ALLOW(SYS_clock_nanosleep),
			ALLOW(SYS_wait4), ALLOW(SYS_getpid), ALLOW(SYS_futex), RETURN(SECCOMP_RET_KILL_PROCESS));
	} else if (strcmp(filter, "arguments") == 0) {
		allow_by_arguments();
	} else if (strcmp(filter, "pointer") == 0) {
		allow_by_pointer();
	} else if (strcmp(filter, "two") == 0) {
		install(LOAD(nr), NEEDED, ALLOW(SYS_prctl), ALLOW(SYS_dup3), ALLOW(SYS_close), ALLOW(SYS_ioctl),
			RETURN(SECCOMP_RET_KILL_PROCESS));
		install(LOAD(nr), DENY(SYS_dup3, SECCOMP_RET_KILL_PROCESS), DENY(SYS_ioctl, SECCOMP_RET_ERRNO | EPERM),
			RETURN(SECCOMP_RET_ALLOW));
	} else if (strcmp(filter, "strict") == 0) {
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
			fail("seccomp");
	} else if (strcmp(filter, "no-sigreturn") == 0) {
		install(LOAD(nr), DENY(SYS_rt_sigreturn, SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW));
	} else if (strcmp(filter, "no-restart") == 0) {
		install(LOAD(nr), DENY(SYS_restart_syscall, SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW));
	} else {
		errno = EINVAL;
		fail(filter);
	}
}

int main(int argc, char **argv)
{
	/* With SA_SIGINFO also a 32-bit program comes back from its handlers by rt_sigreturn(2). */
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
	struct sigaction stop = {.sa_sigaction = on_stop, .sa_flags = SA_RESTART | SA_SIGINFO};
	struct pollfd input = {0, POLLIN, 0};
	/* getpid(2) may be forbidden later. */
	int pid = getpid();
	int polls = argc > 1 && strcmp(argv[1], "no-restart") == 0;
	char line[256];

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGTSTP, &stop, NULL);
	if (argc > 1)
		confine(argv[1]);
	say("ready %d", pid);
	for (;;) {
		if (polls && poll(&input, 1, -1) < 0)
			say("poll: %s", strerrorname_np(errno));
		ssize_t count = read(0, line, sizeof line - 1);
		if (count <= 0)
			break;
		while (count > 0 && (line[count - 1] == '\n' || line[count - 1] == '\r'))
			count--;
		line[count] = 0;
		say("line: %s handled=%d", line, handled);
	}
	/* exit_group(2), which exit(3) makes, is none of the four calls of the strict mode. */
	syscall(SYS_exit, 0);
}
