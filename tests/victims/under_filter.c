/*
 * Runs the words after the first one under a seccomp filter of this kind:
 *   podman    as a container: calls for the administration of the machine, and kcmp(2), return EPERM, clone3(2) ENOSYS
 *   docker    the same, and pidfd_getfd(2) returns EPERM, which takes the capability to trace there
 *   kill      setsid(2) ends the process
 */
#include "victim.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define ANSWER(number, action) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, action)

#define REFUSED(error) (SECCOMP_RET_ERRNO | (error))

int main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[1] : "";
	int is_docker = strcmp(kind, "docker") == 0;
	int kills = strcmp(kind, "kill") == 0;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ANSWER(SYS_mount, REFUSED(EPERM)),
		ANSWER(SYS_umount2, REFUSED(EPERM)),
		ANSWER(SYS_setns, REFUSED(EPERM)),
		ANSWER(SYS_unshare, REFUSED(EPERM)),
		ANSWER(SYS_bpf, REFUSED(EPERM)),
		ANSWER(SYS_perf_event_open, REFUSED(EPERM)),
		ANSWER(SYS_kcmp, REFUSED(EPERM)),
		ANSWER(SYS_clone3, REFUSED(ENOSYS)),
		ANSWER(SYS_pidfd_getfd, is_docker ? REFUSED(EPERM) : SECCOMP_RET_ALLOW),
		ANSWER(SYS_setsid, kills ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof code[0], code};

	if (!is_docker && !kills && strcmp(kind, "podman") != 0) {
		errno = EINVAL;
		fail("arguments");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		fail("seccomp");
	execvp(argv[2], argv + 2);
	fail(argv[2]);
}
