/** Floating-point and vector registers in signal frames of x86, 32-bit ones included: <asm/sigcontext.h>. */
import { layout, Struct } from "../struct.ts";

// `struct _fpx_sw_bytes`, in the 48 bytes of FXSAVE that are left to programs, and
// the word behind the XSAVE area.
export const FP_XSTATE_MAGIC1 = 0x46505853;
export const FP_XSTATE_MAGIC2 = 0x46505845;
const MAGIC2_SIZE = 4;
export const SW_BYTES = layout("struct _fpx_sw_bytes", 48, {
  magic1: [0, "u32"],
  extended_size: [4, "u32"],
  xstate_bv: [8, "u64"],
  xstate_size: [16, "u32"],
});
const SW_BYTES_OFFSET = 464;
const XSTATE_BV_OFFSET = 512;

/**
 * The tiles of AMX stand at the end. A process without permission for them, arch_prctl(ARCH_REQ_XCOMP_PERM), has the
 * set's whole size in ptrace(2), but may not have it in a frame: with a longer one the kernel would restore SSE
 * registers only.
 */
const AMX_TILES = 0x60000n;
const SIZE_WITHOUT_AMX = 2696;

/** The processor has it for XSAVE and XRSTOR; a kernel may take no more than SSE from elsewhere. */
export const ALIGNMENT = 64n;

/**
 * The register set NT_X86_XSTATE in the form that a signal frame has it in, after `before` bytes that the frame has in
 * front of it, which are zero, and of which it counts `counted`.
 */
export function frameOf(
  image: Uint8Array<ArrayBuffer>,
  before = 0,
  counted = before,
): Uint8Array<ArrayBuffer> {
  const view = new DataView(image.buffer, image.byteOffset);
  const features = view.getBigUint64(SW_BYTES_OFFSET, true);
  const used = view.getBigUint64(XSTATE_BV_OFFSET, true);
  const withTiles = (used & AMX_TILES) !== 0n;
  const size = withTiles ? image.length : Math.min(image.length, SIZE_WITHOUT_AMX);
  const area = new Uint8Array(before + size + MAGIC2_SIZE);
  area.set(image.subarray(0, size), before);
  const software = new Struct(SW_BYTES)
    .set("magic1", FP_XSTATE_MAGIC1)
    .set("extended_size", counted + size + MAGIC2_SIZE)
    .set("xstate_bv", withTiles ? features : features & ~AMX_TILES)
    .set("xstate_size", size);
  area.set(software.bytes, before + SW_BYTES_OFFSET);
  new DataView(area.buffer).setUint32(before + size, FP_XSTATE_MAGIC2, true);
  return area;
}
