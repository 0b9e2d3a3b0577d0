/**
 * `union bpf_attr` of bpf(2), one layout for each command: as long as that command's last field that is used here, which
 * the kernel takes from any program, older or newer than itself.
 */
import { layout } from "../struct.ts";

const NAME = "union bpf_attr";

/** BPF_MAP_CREATE. `map_name` is 16 bytes at {@linkcode MAP_NAME_OFFSET}. */
export const mapCreateAttributes = layout(NAME, 44, {
  map_type: [0, "u32"],
  key_size: [4, "u32"],
  value_size: [8, "u32"],
  max_entries: [12, "u32"],
  map_flags: [16, "u32"],
});
export const MAP_NAME_OFFSET = 28;

/** BPF_MAP_LOOKUP_ELEM, _UPDATE_ELEM, _DELETE_ELEM and _GET_NEXT_KEY, whose `next_key` is `value`. */
export const elementAttributes = layout(NAME, 32, {
  map_fd: [0, "u32"],
  key: [8, "u64"],
  value: [16, "u64"],
  flags: [24, "u64"],
});

/** BPF_PROG_LOAD. `prog_name` is 16 bytes at {@linkcode PROG_NAME_OFFSET}. */
export const progLoadAttributes = layout(NAME, 64, {
  prog_type: [0, "u32"],
  insn_cnt: [4, "u32"],
  insns: [8, "u64"],
  license: [16, "u64"],
  log_level: [24, "u32"],
  log_size: [28, "u32"],
  log_buf: [32, "u64"],
});
export const PROG_NAME_OFFSET = 48;

/** BPF_PROG_TEST_RUN */
export const testRunAttributes = layout(NAME, 80, {
  "test.prog_fd": [0, "u32"],
  "test.retval": [4, "u32"],
});

/** BPF_OBJ_GET_INFO_BY_FD */
export const infoAttributes = layout(NAME, 16, {
  "info.bpf_fd": [0, "u32"],
  "info.info_len": [4, "u32"],
  "info.info": [8, "u64"],
});

/** BPF_RAW_TRACEPOINT_OPEN */
export const rawTracepointAttributes = layout(NAME, 16, {
  "raw_tracepoint.name": [0, "u64"],
  "raw_tracepoint.prog_fd": [8, "u32"],
});

/** As far as Linux 5.12 knows it. */
export const programInfo = layout("struct bpf_prog_info", 216, {
  recursion_misses: [208, "u64"],
});
