/** The programs by their names: which of them a watch needs, and what has each of them called. Pure. */
import type { KernelOffsets } from "./asm.ts";
import { givenText } from "./files_asm.ts";
import { NEXT_PROGRAM } from "./layout.ts";
import { mirrorText } from "./mirror_asm.ts";
import { goOnText } from "./pieces_asm.ts";
import { exitText, forkText, levelText, signalText } from "./process_asm.ts";
import type { MirrorSettings } from "./record_asm.ts";
import { waitText } from "./room_asm.ts";

export interface ProgramText {
  readonly name: string;
  readonly text: string;
}

/** A program that another one continues in: a tail call by its index in the map of programs. */
export interface NextProgram extends ProgramText {
  readonly index: number;
}

/** A program that the kernel calls at a raw tracepoint. */
export interface TracepointProgram extends ProgramText {
  readonly tracepoint: string;
}

export interface ProgramSet {
  readonly next: readonly NextProgram[];
  /** At sys_exit: it puts what a call has moved into the ring. */
  readonly mirror: ProgramText;
  readonly others: readonly TracepointProgram[];
}

export function programsFor(
  settings: MirrorSettings,
  { follow, lossy }: { readonly follow: boolean; readonly lossy: boolean },
): ProgramSet {
  const goOn = { name: "procout_go_on", text: goOnText(settings), index: NEXT_PROGRAM.goOn };
  const wait = () => ({
    name: "procout_wait",
    text: waitText(settings),
    index: NEXT_PROGRAM.wait,
  });
  const at = (tracepoint: string, name: string, text: string) => ({ name, text, tracepoint });
  return {
    next: lossy ? [goOn] : [goOn, wait()],
    mirror: { name: "procout_mirror", text: mirrorText(settings) },
    others: [
      ...follow ? [at("sched_process_fork", "procout_fork", forkText(settings))] : [],
      at("sched_process_exit", "procout_exit", exitText(settings)),
      at("signal_deliver", "procout_signal", signalText(settings)),
    ],
  };
}

/** Run once: it notes the files behind our descriptors `stdout` and `stderr`, which a command was given. */
export function givenProgram(kernel: KernelOffsets, stdout: number, stderr: number): ProgramText {
  return { name: "procout_given", text: givenText(kernel, stdout, stderr) };
}

/** Run once: it returns the level of our pid namespace. */
export function levelProgram(kernel: KernelOffsets): ProgramText {
  return { name: "procout_level", text: levelText({ kernel, namespace: undefined }) };
}
