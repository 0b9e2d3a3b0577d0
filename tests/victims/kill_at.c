/*
 * kill_at NUMBER PROGRAM ARG...
 * Runs PROGRAM and kills it with SIGKILL as it makes its request NUMBER to ptrace(2); then ends as it did. Nothing
 * else that it does costs any time: seccomp(2) reports these calls only. (strace(1) can either do that or send a
 * signal: the kernel takes none at a PTRACE_EVENT_SECCOMP.)
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(125);
}

static void run(char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof code / sizeof *code, code};

	/* The tracer has set its options by the time it lets us go on. */
	raise(SIGSTOP);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		fail("seccomp");
	execvp(*argv, argv);
	fail(*argv);
}

static void end_as(int status)
{
	if (WIFEXITED(status))
		exit(WEXITSTATUS(status));
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 125;
	long number = atol(argv[1]);
	pid_t program = fork();
	if (program < 0)
		fail("fork");
	if (program == 0)
		run(argv + 2);

	int status;
	if (waitpid(program, &status, WUNTRACED) < 0)
		fail("waitpid");
	long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
		PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
	if (ptrace(PTRACE_SEIZE, program, 0, options))
		fail("PTRACE_SEIZE");
	kill(program, SIGCONT);
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0) {
			if (errno == EINTR)
				continue;
			fail("waitpid");
		}
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == program)
				end_as(status);
			continue;
		}
		int event = status >> 16, signal = WSTOPSIG(status);
		if (event == PTRACE_EVENT_SECCOMP && --number == 0)
			kill(program, SIGKILL);
		else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP)
			ptrace(PTRACE_LISTEN, pid, 0, 0);
		else
			ptrace(PTRACE_CONT, pid, 0, event ? 0 : signal);
	}
}
