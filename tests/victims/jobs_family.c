/*
 * A parent with one child for each KIND; all say which of SIGINT, SIGQUIT and SIGWINCH they get, and what is said to
 * them through a pipe from the parent. The parent reads lines: `all TEXT` is passed on to every child, `exit N` ends
 * the parent alone, `quit N` all.
 *
 * KIND:
 *   plain     nothing special
 *   opened    has opened the terminal anew for each of the descriptors 0, 1 and 2
 *   full=N    the same, and can have only N more descriptors, by its hard limit
 *   group     in a process group of its own
 *   zombie    has ended, and nobody has waited for it
 *   seccomp   under a filter that allows everything but getppid(2)
 *   vfork     in uninterruptible sleep: waits in vfork(2) for a child that never ends
 *   self=N    no child: the parent itself is `opened`, and can have only N more descriptors, by its hard limit
 */
#include "victim.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static char name[32] = "parent";

static void on_signal(int number)
{
	say("%s %s", name, sigabbrev_np(number));
}

static void open_anew(void)
{
	char device[64];
	if (ttyname_r(0, device, sizeof device))
		fail("ttyname_r");
	for (int fd = 0; fd < 3; fd++) {
		int opened = open(device, O_RDWR | O_NOCTTY);
		if (opened < 0 || dup2(opened, fd) < 0)
			fail("open");
		close(opened);
	}
}

/* RLIMIT_NOFILE limits the highest number, not the count: so there must be no gap below. */
static void leave_room(int more)
{
	struct rlimit limit;
	int top;
	do
		top = open("/dev/null", O_RDONLY);
	while (top >= 0 && top < 40);
	if (getrlimit(RLIMIT_NOFILE, &limit))
		fail("getrlimit");
	limit.rlim_cur = limit.rlim_max = top + more;
	close(top);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		fail("setrlimit");
}

static void filter(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		fail("seccomp");
}

static void child(const char *kind, int commands)
{
	char text[64];
	ssize_t count;
	if (strcmp(kind, "zombie") == 0)
		_exit(0);
	if (strcmp(kind, "group") == 0)
		setpgid(0, 0);
	if (strcmp(kind, "opened") == 0 || strncmp(kind, "full=", 5) == 0)
		open_anew();
	if (strncmp(kind, "full=", 5) == 0)
		leave_room(atoi(kind + 5));
	if (strcmp(kind, "seccomp") == 0)
		filter();
	say("%s ready", name);
	if (strcmp(kind, "vfork") == 0 && vfork() == 0) {
		setsid();
		for (;;)
			pause();
	}
	while ((count = read(commands, text, sizeof text - 1)) > 0) {
		text[count] = 0;
		say("%s: %s", name, text);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	int count = 0, commands[32];
	pid_t pids[32];
	char line[64];

	sigfillset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGQUIT, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
	/* A zombie reads nothing. */
	signal(SIGPIPE, SIG_IGN);
	for (int i = 1; i < argc; i++) {
		int ends[2];
		if (strncmp(argv[i], "self=", 5) == 0) {
			open_anew();
			leave_room(atoi(argv[i] + 5));
			continue;
		}
		if (pipe2(ends, O_CLOEXEC))
			fail("pipe2");
		pids[count] = fork();
		if (pids[count] == 0) {
			snprintf(name, sizeof name, "child%d", count + 1);
			/* Else no child would see the end of its own pipe. */
			for (int j = 0; j < count; j++)
				close(commands[j]);
			close(ends[1]);
			child(argv[i], ends[0]);
		}
		close(ends[0]);
		commands[count++] = ends[1];
	}
	ready();
	while (read_line(line, sizeof line)) {
		int number = atoi(line + 5);
		say("line: %s", line);
		if (strncmp(line, "exit ", 5) == 0)
			_exit(number);
		if (strncmp(line, "quit ", 5) == 0) {
			for (int i = 0; i < count; i++) {
				close(commands[i]);
				waitpid(pids[i], NULL, 0);
			}
			return number;
		}
		if (strncmp(line, "all ", 4) == 0)
			for (int i = 0; i < count; i++)
				if (write(commands[i], line + 4, strlen(line + 4)) < 0 && errno != EPIPE)
					fail("write");
	}
	return 0;
}
