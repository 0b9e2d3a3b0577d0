/*
 * As registers.c, for i386, which has no red zone: spins in user mode with a known value in every general
 * register and in those of the x87, SSE and, where there is one, AVX, and looks all the time whether they are
 * still there. SIGUSR1: says `rounds N corrupt M`; argument 1 `tell`: also what is not.
 */
#include "victim.h"
#include <cpuid.h>
#include <stdint.h>

#define X87_USED 5

uint32_t expected[7], vector_expected[8][8], vector_found[8][8];
uint32_t has_avx, mxcsr_usual = 0x1f80, mxcsr_expected = 0xdf80 /* flush to zero, round up */, mxcsr_found;
uint16_t x87_control = 0x0b7f; /* round up */
struct {
	uint32_t control, status, tags, rest[4];
} x87_expected, x87_found;
uint8_t x87_values[X87_USED][10], x87_values_found[X87_USED][10];
static volatile long rounds, corrupt;

/* Returns 0 after `count` rounds in which every general register kept its value, else 1. */
long check_registers(uint32_t count);

__asm__(".text\n"
	".globl check_registers\n"
	".type check_registers, @function\n"
	"check_registers:\n"
	" mov 4(%esp), %eax\n mov %eax, count_left\n"
	" push %ebx\n push %esi\n push %edi\n push %ebp\n"
	" fninit\n fldcw x87_control\n"
	" .irp n,4,3,2,1,0\n"
	" fldt x87_values+10*\\n\n"
	" .endr\n"
	" fnstenv x87_expected\n fldenv x87_expected\n"
	" ldmxcsr mxcsr_expected\n"
	" testl $1, has_avx\n jz 4f\n"
	" .irp n,0,1,2,3,4,5,6,7\n"
	" vmovups vector_expected+32*\\n, %ymm\\n\n"
	" .endr\n"
	" jmp 5f\n"
	"4:\n"
	" .irp n,0,1,2,3,4,5,6,7\n"
	" movups vector_expected+32*\\n, %xmm\\n\n"
	" .endr\n"
	"5: mov expected+0, %eax\n mov expected+4, %ebx\n mov expected+8, %ecx\n"
	" mov expected+12, %edx\n mov expected+16, %esi\n mov expected+20, %edi\n"
	" mov expected+24, %ebp\n"
	"1: cmp expected+0, %eax\n jne 2f\n cmp expected+4, %ebx\n jne 2f\n"
	" cmp expected+8, %ecx\n jne 2f\n cmp expected+12, %edx\n jne 2f\n"
	" cmp expected+16, %esi\n jne 2f\n cmp expected+20, %edi\n jne 2f\n"
	" cmp expected+24, %ebp\n jne 2f\n"
	" decl count_left\n"
	" jnz 1b\n"
	" testl $1, has_avx\n jz 6f\n"
	" .irp n,0,1,2,3,4,5,6,7\n"
	" vmovups %ymm\\n, vector_found+32*\\n\n"
	" .endr\n"
	" vzeroupper\n"
	" jmp 7f\n"
	"6:\n"
	" .irp n,0,1,2,3,4,5,6,7\n"
	" movups %xmm\\n, vector_found+32*\\n\n"
	" .endr\n"
	"7: stmxcsr mxcsr_found\n ldmxcsr mxcsr_usual\n"
	" fnstenv x87_found\n fldenv x87_found\n"
	" .irp n,0,1,2,3,4\n"
	" fstpt x87_values_found+10*\\n\n"
	" .endr\n"
	" xor %eax, %eax\n"
	" jmp 3f\n"
	"2: mov $1, %eax\n"
	"3: fninit\n"
	" pop %ebp\n pop %edi\n pop %esi\n pop %ebx\n"
	" ret\n"
	".local count_left\n"
	".comm count_left, 4, 4\n");

static void on_signal(int number)
{
	(void)number;
	say("rounds %ld corrupt %ld", rounds, corrupt);
}

/* Whether the processor has AVX, and the kernel keeps its registers. */
static int avx(void)
{
	uint32_t a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (bit_OSXSAVE | bit_AVX)) != (bit_OSXSAVE | bit_AVX))
		return 0;
	__asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (a & 6) == 6;
}

/* What differs: one bit each. The rest of the x87's environment is what its processor makes of it. */
static int differences(long general)
{
	return (general ? 1 : 0) | (memcmp(vector_expected, vector_found, sizeof vector_found) ? 2 : 0) |
	       (mxcsr_found != mxcsr_expected ? 4 : 0) |
	       ((x87_found.control ^ x87_expected.control) & 0xffff ? 8 : 0) |
	       ((x87_found.status ^ x87_expected.status) & 0xffff ? 16 : 0) |
	       ((x87_found.tags ^ x87_expected.tags) & 0xffff ? 32 : 0) |
	       (memcmp(x87_values, x87_values_found, sizeof x87_values) ? 64 : 0);
}

int main(int argc, char **argv)
{
	int tells = argc > 1 && strcmp(argv[1], "tell") == 0;

	signal(SIGUSR1, on_signal);
	has_avx = avx();
	for (int i = 0; i < 7; i++)
		expected[i] = 0x01010101U * (i + 0x79); /* with and without the sign bit */
	for (int i = 0; i < 8; i++)
		for (int j = 0; j < (has_avx ? 8 : 4); j++)
			vector_expected[i][j] = 0x11111111U * (i + 1) + j;
	for (int i = 0; i < X87_USED; i++) {
		long double value = (i - 2) * 1234567.890123L; /* one of them 0 */
		memcpy(x87_values[i], &value, sizeof x87_values[i]);
	}
	ready();
	for (;;) {
		int wrong = differences(check_registers(10000));
		if (wrong)
			corrupt++;
		if (wrong && tells)
			say("wrong 0x%x", wrong);
		rounds++;
	}
}
