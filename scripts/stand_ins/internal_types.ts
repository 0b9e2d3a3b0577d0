/**
 * Stands in for @std/internal/types, which other files of that package import: a compiled executable,
 * where the pinned files come from, has no types-only modules.
 */
export type DiffType = "added" | "common" | "removed" | "truncation";

export interface CommonDiffResult<T> {
  type: "common";
  value: T;
}

export interface ChangedDiffResult<T> {
  type: "added" | "removed";
  value: T;
  details?: DiffResult<T>[];
}

export interface TruncationDiffResult<T> {
  type: "truncation";
  value: T;
}

export type DiffResult<T> = CommonDiffResult<T> | ChangedDiffResult<T> | TruncationDiffResult<T>;
