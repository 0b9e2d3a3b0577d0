/**
 * Numbers that must not be mixed up, told apart by types alone: at run time each is the plain number or bigint. A number
 * without a kind goes wherever one of a kind is accepted, but one kind never goes where another is wanted.
 */
declare const kind: unique symbol;

interface Kind<Name extends string> {
  readonly [kind]: Name;
}

interface NoOther<Name extends string> {
  readonly [kind]?: Name;
}

/** A descriptor of this program. */
export type OurFd = number & Kind<"our descriptor">;

/** A descriptor of a tracee. */
export type RemoteFd = number & Kind<"descriptor of a tracee">;

/** An address in the memory of this program. */
export type OurAddress = bigint & Kind<"our address">;

/** An address in the memory of a tracee. */
export type RemoteAddress = bigint & Kind<"address in a tracee">;

/** A process group, by its number in the PID namespace of a tracee. The numbers of /proc are those of our own namespace. */
export type Pgrp = number & Kind<"process group">;

/** What a call of our own takes for a descriptor: not one of a tracee. */
export type FdArgument = number & NoOther<"our descriptor">;

/** What stands for a descriptor of a tracee: not one of ours. */
export type RemoteFdArgument = number & NoOther<"descriptor of a tracee">;

/** What stands for an address in a tracee: not one of ours. */
export type RemoteAddressArgument = bigint & NoOther<"address in a tracee">;

/** What a tracee's own call takes: none of our descriptors and addresses. */
export type RemoteArgument =
  | number & NoOther<"descriptor of a tracee" | "process group">
  | RemoteAddressArgument;

export function ourFd(fd: FdArgument): OurFd {
  return fd as OurFd;
}

export function remoteFd(fd: RemoteFdArgument | bigint): RemoteFd {
  return Number(fd) as RemoteFd;
}

export function remoteAddress(address: RemoteAddressArgument): RemoteAddress {
  return address as RemoteAddress;
}

/** From the result of getpgid(2) and the like in the tracee. */
export function toPgrp(number: number | bigint): Pgrp {
  return Number(number) as Pgrp;
}

/** The address `bytes` behind another. */
export function plus(address: RemoteAddress, bytes: number): RemoteAddress {
  return address + BigInt(bytes) as RemoteAddress;
}
