/** C structures that all 64-bit processors lay out alike: `long` and pointers have 64 bits, LP64. */
import { layout } from "../struct.ts";
import type { AbiStructs } from "./arch.ts";

export const LP64_STRUCTS: Omit<AbiStructs, "epollEvent"> = {
  iovec: layout("struct iovec", 16, { iov_base: [0, "u64"], iov_len: [8, "u64"] }),
  msghdr: layout("struct msghdr", 56, {
    msg_iov: [16, "u64"],
    msg_iovlen: [24, "u64"],
    msg_control: [32, "u64"],
    msg_controllen: [40, "u64"],
    msg_flags: [48, "i32"],
  }),
  cmsghdr: layout("struct cmsghdr", 16, {
    cmsg_len: [0, "u64"],
    cmsg_level: [8, "i32"],
    cmsg_type: [12, "i32"],
  }),
  // struct { void (*handler)(int); unsigned long flags; void (*restorer)(void); sigset_t mask; }
  sigaction: layout("struct kernel_sigaction", 32, { sa_handler: [0, "u64"] }),
};
