/*
 * As registers.c, for i386, which has no red zone: spins in user mode with a known value in every general
 * and every SSE register, and looks all the time whether they are still there. SIGUSR1: says
 * `rounds N corrupt M`.
 */
#include "victim.h"
#include <stdint.h>

uint32_t expected[7], sse_expected[8][4], sse_found[8][4];
static volatile long rounds, corrupt;

/* Returns 0 after `count` rounds in which every general register kept its value, else 1. */
long check_registers(uint32_t count);

__asm__(".text\n"
	".globl check_registers\n"
	".type check_registers, @function\n"
	"check_registers:\n"
	" mov 4(%esp), %eax\n mov %eax, count_left\n"
	" push %ebx\n push %esi\n push %edi\n push %ebp\n"
	" mov expected+0, %eax\n mov expected+4, %ebx\n mov expected+8, %ecx\n"
	" mov expected+12, %edx\n mov expected+16, %esi\n mov expected+20, %edi\n"
	" mov expected+24, %ebp\n"
	" .irp n,0,1,2,3,4,5,6,7\n"
	" movups sse_expected+16*\\n, %xmm\\n\n"
	" .endr\n"
	"1: cmp expected+0, %eax\n jne 2f\n cmp expected+4, %ebx\n jne 2f\n"
	" cmp expected+8, %ecx\n jne 2f\n cmp expected+12, %edx\n jne 2f\n"
	" cmp expected+16, %esi\n jne 2f\n cmp expected+20, %edi\n jne 2f\n"
	" cmp expected+24, %ebp\n jne 2f\n"
	" decl count_left\n"
	" jnz 1b\n"
	" .irp n,0,1,2,3,4,5,6,7\n"
	" movups %xmm\\n, sse_found+16*\\n\n"
	" .endr\n"
	" xor %eax, %eax\n"
	" jmp 3f\n"
	"2: mov $1, %eax\n"
	"3: pop %ebp\n pop %edi\n pop %esi\n pop %ebx\n"
	" ret\n"
	".local count_left\n"
	".comm count_left, 4, 4\n");

static void on_signal(int number)
{
	(void)number;
	say("rounds %ld corrupt %ld", rounds, corrupt);
}

int main(void)
{
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 7; i++)
		expected[i] = 0x01010101U * (i + 0x79); /* with and without the sign bit */
	for (int i = 0; i < 8; i++)
		for (int j = 0; j < 4; j++)
			sse_expected[i][j] = 0x11111111U * (i + 1) + j;
	ready();
	for (;;) {
		if (check_registers(10000) || memcmp(sse_expected, sse_found, sizeof sse_found))
			corrupt++;
		rounds++;
	}
}
