/** How the user wants a process to be moved. */
import type { Redraw } from "../frontend/redraw.ts";

export interface MoveOptions {
  readonly pid: number;
  /** How long the target may take to stop. */
  readonly timeoutSeconds: number;
  readonly redraw: Redraw;
  /** Descriptors 0 to 2 are replaced whatever they are, also where there is no terminal to leave. */
  readonly forceStdio: boolean;
  /** Leave the rest of the job where it is. */
  readonly alone: boolean;
  /** Output that cannot be written ends the job, as the loss of its terminal does. */
  readonly hangup: boolean;
}

/** What decides whether a process can be moved. */
export type MoveMode = Pick<MoveOptions, "forceStdio" | "alone">;
