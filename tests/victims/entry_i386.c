/*
 * Reads from fd 0 with known values in all registers that a system call keeps, and says `read N kept K`,
 * where K is 1 if they are still there. Argument 1 is how the kernel is entered: int80, by an instruction
 * of the program's own, or vdso, by __kernel_vsyscall, which takes the fastest way that the processor has
 * and keeps ebp on the stack meanwhile. i386 only.
 */
#include "victim.h"
#include <stdint.h>

char buffer[64];
uint32_t found[6];

/* The result of read(0, buffer, sizeof buffer); `found` is ebx, ecx, edx, esi, edi and ebp after it. */
long enter_by_int80(void);
long enter_by_vdso(void);

__asm__(".text\n"
	".macro enter name, instruction:vararg\n"
	".globl \\name\n"
	".type \\name, @function\n"
	"\\name:\n"
	" push %ebx\n push %esi\n push %edi\n push %ebp\n"
	" mov $3, %eax\n mov $0, %ebx\n mov $buffer, %ecx\n mov $64, %edx\n"
	" mov $0x51525354, %esi\n mov $0xe1e2e3e4, %edi\n mov $0xf1f2f3f4, %ebp\n"
	" \\instruction\n"
	" mov %ebx, found+0\n mov %ecx, found+4\n mov %edx, found+8\n"
	" mov %esi, found+12\n mov %edi, found+16\n mov %ebp, found+20\n"
	" pop %ebp\n pop %edi\n pop %esi\n pop %ebx\n"
	" ret\n"
	".endm\n"
	" enter enter_by_int80, int $0x80\n"
	" enter enter_by_vdso, call *%gs:0x10\n");

int main(int argc, char **argv)
{
	int by_vdso = argc > 1 && strcmp(argv[1], "vdso") == 0;
	const uint32_t expected[6] = {0,	  (uint32_t)(uintptr_t)buffer, 64, 0x51525354,
				      0xe1e2e3e4, 0xf1f2f3f4};

	ready();
	for (;;) {
		long count = by_vdso ? enter_by_vdso() : enter_by_int80();
		if (count == 0)
			return 0;
		say("read %ld kept %d", count, memcmp(expected, found, sizeof found) == 0);
	}
}
