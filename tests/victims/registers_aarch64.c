/*
 * Spins in user mode with a known value in every general and every vector register, and looks all the time whether
 * they are still there; where the processor has SVE, in the whole of its vectors and predicates. Argument 1 is the
 * length of these in bytes, or `streaming` for those of SME's streaming mode. SIGUSR1: says `rounds N corrupt M`.
 * aarch64 only.
 */
#include "victim.h"
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#define VECTORS 32
#define PREDICATES 16
#define LONGEST 256

#ifndef PR_SME_GET_VL
#define PR_SME_GET_VL 64
#endif
#ifndef HWCAP2_SME
#define HWCAP2_SME (1 << 23)
#endif

enum kind { PLAIN, SVE, STREAMING };

uint64_t expected[32];
uint8_t vectors_expected[VECTORS * LONGEST], vectors_found[VECTORS * LONGEST];
uint8_t predicates_expected[PREDICATES * LONGEST / 8], predicates_found[PREDICATES * LONGEST / 8];
static volatile long rounds, corrupt;

/*
 * Returns 0 after `count` rounds in which every general register kept its value, else 1. x30 sums up, x29 counts,
 * x28 has what the sum must be.
 */
long check_registers(uint64_t count, uint64_t kind);

__asm__(".text\n"
	".arch armv8.2-a+sve\n"
	".globl check_registers\n"
	".type check_registers, @function\n"
	".macro address register, symbol\n"
	" adrp \\register, \\symbol\n"
	" add \\register, \\register, :lo12:\\symbol\n"
	".endm\n"
	"check_registers:\n"
	" stp x29, x30, [sp, #-176]!\n"
	" stp x19, x20, [sp, #16]\n stp x21, x22, [sp, #32]\n stp x23, x24, [sp, #48]\n"
	" stp x25, x26, [sp, #64]\n stp x27, x28, [sp, #80]\n"
	" stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n"
	" stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n"
	" str x1, [sp, #160]\n"
	" mov x29, x0\n"
	" address x2, vectors_expected\n"
	" address x3, predicates_expected\n"
	" cbz x1, 1f\n"
	" cmp x1, #2\n"
	" b.ne 7f\n"
	" .inst 0xd503437f\n" /* smstart sm */
	"7:\n"
	" .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	" ldr z\\n, [x2, #\\n, mul vl]\n"
	" .endr\n"
	" .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	" ldr p\\n, [x3, #\\n, mul vl]\n"
	" .endr\n"
	" b 2f\n"
	"1:\n"
	" .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	" ldr q\\n, [x2, #16*\\n]\n"
	" .endr\n"
	"2: address x30, expected\n"
	" .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28\n"
	" ldr x\\n, [x30, #8*\\n]\n"
	" .endr\n"
	"3: mov x30, #0\n"
	" .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27\n"
	" eor x30, x30, x\\n, ror #\\n\n"
	" .endr\n"
	" cmp x30, x28\n"
	" b.ne 4f\n"
	" sub x29, x29, #1\n"
	" cbnz x29, 3b\n"
	"4: cset x0, ne\n"
	" ldr x1, [sp, #160]\n"
	" address x2, vectors_found\n"
	" address x3, predicates_found\n"
	" cbz x1, 5f\n"
	" .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	" str z\\n, [x2, #\\n, mul vl]\n"
	" .endr\n"
	" .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	" str p\\n, [x3, #\\n, mul vl]\n"
	" .endr\n"
	" cmp x1, #2\n"
	" b.ne 6f\n"
	" .inst 0xd503427f\n" /* smstop sm */
	" b 6f\n"
	"5:\n"
	" .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	" str q\\n, [x2, #16*\\n]\n"
	" .endr\n"
	"6: ldp x19, x20, [sp, #16]\n ldp x21, x22, [sp, #32]\n ldp x23, x24, [sp, #48]\n"
	" ldp x25, x26, [sp, #64]\n ldp x27, x28, [sp, #80]\n"
	" ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n"
	" ldp d12, d13, [sp, #128]\n ldp d14, d15, [sp, #144]\n"
	" ldp x29, x30, [sp], #176\n"
	" ret\n"
	".arch armv8-a\n");

static void on_signal(int number)
{
	(void)number;
	say("rounds %ld corrupt %ld", rounds, corrupt);
}

static uint64_t rotated(uint64_t value, int by)
{
	return by == 0 ? value : value >> by | value << (64 - by);
}

int main(int argc, char **argv)
{
	const char *wanted = argc > 1 ? argv[1] : NULL;
	enum kind kind = (getauxval(AT_HWCAP) & HWCAP_SVE) != 0 ? SVE : PLAIN;
	if (wanted && strcmp(wanted, "streaming") == 0) {
		if ((getauxval(AT_HWCAP2) & HWCAP2_SME) == 0)
			fail("streaming");
		kind = STREAMING;
	} else if (wanted && prctl(PR_SVE_SET_VL, atol(wanted)) < 0) {
		fail("PR_SVE_SET_VL");
	}
	size_t length = 16;
	if (kind != PLAIN)
		length = prctl(kind == SVE ? PR_SVE_GET_VL : PR_SME_GET_VL) & PR_SVE_VL_LEN_MASK;
	size_t predicates = kind == PLAIN ? 0 : PREDICATES * length / 8;
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 28; i++) {
		expected[i] = 0x0101010101010101ULL * (i + 17);
		expected[28] ^= rotated(expected[i], i);
	}
	for (size_t i = 0; i < sizeof vectors_expected; i++)
		vectors_expected[i] = 7 * i + 1;
	for (size_t i = 0; i < sizeof predicates_expected; i++)
		predicates_expected[i] = 11 * i + 5;
	say("vectors of %zu bytes", length);
	ready();
	for (;;) {
		if (check_registers(10000, kind) ||
		    memcmp(vectors_expected, vectors_found, VECTORS * length) ||
		    memcmp(predicates_expected, predicates_found, predicates))
			corrupt++;
		rounds++;
	}
}
