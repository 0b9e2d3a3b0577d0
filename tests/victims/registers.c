/*
 * Spins in user mode with a known value in every general and every SSE register, and looks all the
 * time whether they are still there. SIGUSR1: says `rounds N corrupt M`. x86_64 only.
 */
#include "victim.h"
#include <stdint.h>

/* Below the stack pointer there is a red zone of 128 bytes; it is filled, and looked at, too. */
#define RED_ZONE 16

uint64_t expected[16], sse_expected[16][2], sse_found[16][2], red_zone_found[RED_ZONE];
static volatile long rounds, corrupt;

/* Returns 0 after `count` rounds in which every general register kept its value, else 1. */
long check_registers(uint64_t count);

__asm__(".text\n"
	".globl check_registers\n"
	".type check_registers, @function\n"
	"check_registers:\n"
	" push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
	" mov %rdi, count_left(%rip)\n"
	" mov expected+0(%rip), %rax\n mov expected+8(%rip), %rbx\n"
	" mov expected+16(%rip), %rcx\n mov expected+24(%rip), %rdx\n"
	" mov expected+32(%rip), %rsi\n mov expected+40(%rip), %rdi\n"
	" mov expected+48(%rip), %rbp\n mov expected+56(%rip), %r8\n"
	" mov expected+64(%rip), %r9\n mov expected+72(%rip), %r10\n"
	" mov expected+80(%rip), %r11\n mov expected+88(%rip), %r12\n"
	" mov expected+96(%rip), %r13\n mov expected+104(%rip), %r14\n"
	" mov expected+112(%rip), %r15\n"
	" .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	" movups sse_expected+16*\\n(%rip), %xmm\\n\n"
	" .endr\n"
	" .irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n"
	" mov %rax, -8*\\n(%rsp)\n"
	" .endr\n"
	"1: cmp expected+0(%rip), %rax\n jne 2f\n cmp expected+8(%rip), %rbx\n jne 2f\n"
	" cmp expected+16(%rip), %rcx\n jne 2f\n cmp expected+24(%rip), %rdx\n jne 2f\n"
	" cmp expected+32(%rip), %rsi\n jne 2f\n cmp expected+40(%rip), %rdi\n jne 2f\n"
	" cmp expected+48(%rip), %rbp\n jne 2f\n cmp expected+56(%rip), %r8\n jne 2f\n"
	" cmp expected+64(%rip), %r9\n jne 2f\n cmp expected+72(%rip), %r10\n jne 2f\n"
	" cmp expected+80(%rip), %r11\n jne 2f\n cmp expected+88(%rip), %r12\n jne 2f\n"
	" cmp expected+96(%rip), %r13\n jne 2f\n cmp expected+104(%rip), %r14\n jne 2f\n"
	" cmp expected+112(%rip), %r15\n jne 2f\n"
	" decq count_left(%rip)\n"
	" jnz 1b\n"
	" .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	" movups %xmm\\n, sse_found+16*\\n(%rip)\n"
	" .endr\n"
	" .irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n"
	" mov -8*\\n(%rsp), %rax\n mov %rax, red_zone_found+8*\\n-8(%rip)\n"
	" .endr\n"
	" xor %eax, %eax\n"
	" jmp 3f\n"
	"2: mov $1, %eax\n"
	"3: pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
	" ret\n"
	".local count_left\n"
	".comm count_left, 8, 8\n");

static void on_signal(int number)
{
	(void)number;
	say("rounds %ld corrupt %ld", rounds, corrupt);
}

int main(void)
{
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 16; i++) {
		expected[i] = 0x0101010101010101ULL * (i + 17);
		sse_expected[i][0] = 0x1111111111111111ULL * (i + 1);
		sse_expected[i][1] = ~sse_expected[i][0];
	}
	ready();
	for (;;) {
		if (check_registers(10000) || memcmp(sse_expected, sse_found, sizeof sse_found))
			corrupt++;
		for (int i = 0; i < RED_ZONE; i++)
			if (red_zone_found[i] != expected[0])
				corrupt++;
		rounds++;
	}
}
