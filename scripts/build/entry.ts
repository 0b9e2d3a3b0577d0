/**
 * An entry of our own in front of that of the compiled executable. Deno's runtime asks for the working directory before
 * our first line, and ends with a backtrace where that has been deleted. So the entry, where getcwd(2) finds none, keeps
 * a descriptor of it and goes to "/". src/ffi/working_directory.ts goes back by that descriptor.
 *
 * The code lies behind the base's own bytes, before what `deno compile` has appended, which the runtime finds from the
 * end of the file. The program header PT_NOTE becomes that of the code: it only repeats what a section says, and
 * nobody who runs a program reads it (elf(5), ld.so(8)). All of it depends on the bytes of the file alone.
 */

/** elf(5). */
const E_MACHINE = 18;
const E_ENTRY = 24;
const E_PHOFF = 32;
const E_SHOFF = 40;
const E_PHNUM = 56;
const E_SHENTSIZE = 58;
const E_SHNUM = 60;
const PHENTSIZE = 56;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PF_X = 1;
const PF_R = 4;
const ELF_MAGIC = 0x464c_457f;

/** Where Deno's program begins. */
const PROGRAM_MAGIC = new TextEncoder().encode("d3n0l4nd");

/** The largest page of both architectures. */
const ALIGNMENT = 0x1_0000;

interface EntryCode {
  /** Everything but the jump at the end. */
  readonly code: readonly number[];
  /** A jump to `distance` bytes from where it stands; undefined where that is too far. */
  readonly jump: (distance: number) => readonly number[] | undefined;
}

/** By e_machine. The registers that the kernel and ld.so(8) hand over, stack pointer and `atexit` function, are kept. */
const ENTRIES: Readonly<Record<number, EntryCode>> = {
  // EM_X86_64
  62: {
    code: [
      0x52, // push %rdx
      ...[0x48, 0x81, 0xec, 0x00, 0x10, 0x00, 0x00], // sub $PATH_MAX, %rsp
      ...[0xb8, 0x4f, 0x00, 0x00, 0x00], // mov $SYS_getcwd, %eax
      ...[0x48, 0x89, 0xe7], // mov %rsp, %rdi
      ...[0xbe, 0x00, 0x10, 0x00, 0x00], // mov $PATH_MAX, %esi
      ...[0x0f, 0x05], // syscall
      ...[0x48, 0x83, 0xf8, 0xfe], // cmp $-ENOENT, %rax
      ...[0x74, 0x0b], // je away
      ...[0x48, 0x85, 0xc0], // test %rax, %rax
      ...[0x78, 0x49], // js done; a path may be too long
      ...[0x80, 0x3c, 0x24, 0x2f], // cmpb $'/', (%rsp); "(unreachable)": outside of our root
      ...[0x74, 0x43], // je done
      ...[0x66, 0xc7, 0x04, 0x24, 0x2e, 0x00], // away: movw $".", (%rsp)
      ...[0xb8, 0x02, 0x00, 0x00, 0x00], // mov $SYS_open, %eax
      ...[0x48, 0x89, 0xe7], // mov %rsp, %rdi
      ...[0xbe, 0x00, 0x00, 0x29, 0x00], // mov $(O_PATH | O_DIRECTORY | O_CLOEXEC), %esi
      ...[0x0f, 0x05], // syscall
      ...[0x89, 0xc7], // mov %eax, %edi
      ...[0xb8, 0x48, 0x00, 0x00, 0x00], // mov $SYS_fcntl, %eax; it may be 0, 1 or 2
      ...[0xbe, 0x06, 0x04, 0x00, 0x00], // mov $F_DUPFD_CLOEXEC, %esi
      ...[0xba, 0x03, 0x00, 0x00, 0x00], // mov $3, %edx
      ...[0x0f, 0x05], // syscall
      0x50, // push %rax
      ...[0xb8, 0x03, 0x00, 0x00, 0x00], // mov $SYS_close, %eax
      ...[0x0f, 0x05], // syscall
      0x58, // pop %rax
      ...[0x85, 0xc0], // test %eax, %eax
      ...[0x78, 0x0e], // js done; there would be no way back
      ...[0xc6, 0x04, 0x24, 0x2f], // movb $'/', (%rsp)
      ...[0xb8, 0x50, 0x00, 0x00, 0x00], // mov $SYS_chdir, %eax
      ...[0x48, 0x89, 0xe7], // mov %rsp, %rdi
      ...[0x0f, 0x05], // syscall
      ...[0x48, 0x81, 0xc4, 0x00, 0x10, 0x00, 0x00], // done: add $PATH_MAX, %rsp
      0x5a, // pop %rdx
    ],
    jump: (distance) => {
      const relative = distance - 5; // to the next instruction
      return relative === (relative | 0) ? [0xe9, ...bytes(relative)] : undefined; // jmp
    },
  },
  // EM_AARCH64
  183: {
    code: [
      0xaa0003f3, // mov x19, x0
      0xd14007ff, // sub sp, sp, #PATH_MAX
      0x910003e0, // mov x0, sp
      0xd2820001, // mov x1, #PATH_MAX
      0xd2800228, // mov x8, #SYS_getcwd
      0xd4000001, // svc #0
      0xb100081f, // cmn x0, #ENOENT
      0x540000a0, // b.eq away
      0xb7f80360, // tbnz x0, #63, done; a path may be too long
      0x394003e0, // ldrb w0, [sp]
      0x7100bc1f, // cmp w0, #'/'; "(unreachable)": outside of our root
      0x54000300, // b.eq done
      0x528005c1, // away: mov w1, #"."
      0x790003e1, // strh w1, [sp]
      0x92800c60, // mov x0, #AT_FDCWD
      0x910003e1, // mov x1, sp
      0x52880002, // mov w2, #O_DIRECTORY
      0x72a00502, // movk w2, #((O_PATH | O_CLOEXEC) >> 16), lsl #16
      0xd2800708, // mov x8, #SYS_openat
      0xd4000001, // svc #0
      0x2a0003f4, // mov w20, w0
      0xd28080c1, // mov x1, #F_DUPFD_CLOEXEC; it may be 0, 1 or 2
      0xd2800062, // mov x2, #3
      0xd2800328, // mov x8, #SYS_fcntl
      0xd4000001, // svc #0
      0x2a0003f5, // mov w21, w0
      0x2a1403e0, // mov w0, w20
      0xd2800728, // mov x8, #SYS_close
      0xd4000001, // svc #0
      0x37f800d5, // tbnz w21, #31, done; there would be no way back
      0x528005e1, // mov w1, #'/'
      0x390003e1, // strb w1, [sp]
      0x910003e0, // mov x0, sp
      0xd2800628, // mov x8, #SYS_chdir
      0xd4000001, // svc #0
      0x914007ff, // done: add sp, sp, #PATH_MAX
      0xaa1303e0, // mov x0, x19
    ].flatMap(bytes),
    jump: (distance) => {
      const words = distance / 4;
      const fits = Number.isInteger(words) && Math.abs(words) < 1 << 25;
      return fits ? bytes(0x1400_0000 | words & 0x03ff_ffff) : undefined; // b
    },
  },
};

function bytes(word: number): number[] {
  return [word, word >> 8, word >> 16, word >> 24].map((byte) => byte & 0xff);
}

/** `file`, what `deno compile` has made, with our entry. Throws Error where it is not as expected. */
export function withEntry(file: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const u16 = (at: number) => view.getUint16(at, true);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  if (view.getUint32(0, true) !== ELF_MAGIC) throw new Error("it is no ELF file");
  const entry = ENTRIES[u16(E_MACHINE)];
  if (entry === undefined) throw new Error(`there is no entry for machine ${u16(E_MACHINE)}`);

  // The table of sections is the last thing in the base.
  const end = u64(E_SHOFF) + u16(E_SHENTSIZE) * u16(E_SHNUM);
  const magic = file.subarray(end, end + PROGRAM_MAGIC.length);
  if (!PROGRAM_MAGIC.every((byte, index) => magic[index] === byte)) {
    throw new Error("Deno's program does not begin where the base ends");
  }

  const headers = Array.from(
    { length: u16(E_PHNUM) },
    (_, index) => u64(E_PHOFF) + PHENTSIZE * index,
  );
  const typeOf = (header: number) => view.getUint32(header, true);
  const note = headers.findLast((header) => typeOf(header) === PT_NOTE);
  const last = headers.findLast((header) => typeOf(header) === PT_LOAD);
  // Segments stand in the order of their addresses.
  if (note === undefined || last === undefined || note < last) {
    throw new Error("it has no program header to spare behind its segments");
  }
  const offset = Math.ceil(end / 16) * 16;
  const top = u64(last + 16) + u64(last + 40); // p_vaddr + p_memsz
  const address = Math.ceil(top / ALIGNMENT) * ALIGNMENT + offset % ALIGNMENT;
  const jump = entry.jump(u64(E_ENTRY) - (address + entry.code.length));
  if (jump === undefined) throw new Error("its entry is out of reach");
  const code = Uint8Array.from([...entry.code, ...jump]);

  const behind = Math.ceil((offset + code.length) / 16) * 16;
  const result = new Uint8Array(file.length + behind - end);
  result.set(file.subarray(0, end));
  result.set(code, offset);
  result.set(file.subarray(end), behind);

  const changed = new DataView(result.buffer);
  const setU64 = (at: number, value: number) => changed.setBigUint64(at, BigInt(value), true);
  setU64(E_ENTRY, address);
  changed.setUint32(note, PT_LOAD, true);
  changed.setUint32(note + 4, PF_R | PF_X, true);
  // p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
  [offset, address, address, code.length, code.length, ALIGNMENT].forEach((value, index) =>
    setU64(note + 8 + 8 * index, value)
  );
  return result;
}
