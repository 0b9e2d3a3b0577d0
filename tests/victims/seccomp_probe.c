/*
 * Makes one system call after another, each in a child of its own that is under the seccomp filters which the same line
 * of fd 0 has: COUNT HEX ... NUMBER ARG0 ... ARG5
 * A HEX is a `struct sock_filter[]`; the first is installed first. What the call came to is said:
 *   result R errno NAME, or signal N
 * The line `ready PID POINTER` tells the instruction pointer that a filter sees.
 */
#include "victim.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define MOST_INSTRUCTIONS 512

static unsigned long pointer;

static void install(struct sock_filter *code, unsigned short length)
{
	struct sock_fprog program = {length, code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		fail("seccomp");
}

static void install_hex(const char *hex)
{
	static struct sock_filter code[MOST_INSTRUCTIONS];
	unsigned char *bytes = (unsigned char *)code;
	size_t length = strlen(hex) / 2;
	if (length > sizeof code)
		fail("length");
	for (size_t index = 0; index < length; index++)
		sscanf(hex + 2 * index, "%2hhx", bytes + index);
	install(code, length / sizeof *code);
}

static void on_sigsys(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	pointer = (unsigned long)info->si_call_addr;
}

/* SIGSYS tells it. */
static unsigned long learn_pointer(void)
{
	int ends[2];
	if (pipe(ends))
		fail("pipe");
	pid_t child = fork();
	if (child == 0) {
		struct sock_filter code[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
		sigaction(SIGSYS, &action, NULL);
		install(code, sizeof code / sizeof *code);
		syscall(SYS_getppid);
		if (write(ends[1], &pointer, sizeof pointer) < 0)
			_exit(1);
		_exit(0);
	}
	if (read(ends[0], &pointer, sizeof pointer) != sizeof pointer)
		fail("read");
	waitpid(child, NULL, 0);
	return pointer;
}

int main(void)
{
	static char line[1 << 16];
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	say("ready %d %lu", (int)getpid(), learn_pointer());
	while (fgets(line, sizeof line, stdin)) {
		pid_t child = fork();
		if (child == 0) {
			unsigned long long values[7] = {0};
			char *word = strtok(line, " \n");
			for (int count = atoi(word); count > 0; count--)
				install_hex(strtok(NULL, " \n"));
			for (int index = 0; index < 7; index++)
				values[index] = strtoull(strtok(NULL, " \n"), NULL, 10);
			errno = 0;
			long result = syscall((long)values[0], (long)values[1], (long)values[2], (long)values[3],
					      (long)values[4], (long)values[5], (long)values[6]);
			say("result %ld errno %d", result, result < 0 ? errno : 0);
			_exit(0);
		}
		int status;
		waitpid(child, &status, 0);
		if (WIFSIGNALED(status))
			say("signal %d", WTERMSIG(status));
	}
	return 0;
}
