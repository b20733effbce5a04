/** The stub's machine code as it is committed; `scripts/generate.mjs` makes it from the sources in `stub/`. */
export interface StubProgram {
  /** Lies right behind the block's header; its first byte is the entry. */
  readonly program: Uint8Array;
  /** Where its own room begins: zeros up to its end, the only bytes of it that it writes. */
  readonly room: number;
  /** Lies at `GUARD.offset` of the protected-mode code. */
  readonly guard: Uint8Array;
  /** Offsets in `guard` of 32-bit displacements to which the block's offset is added. */
  readonly guardFixups: readonly number[];
  /** Of `program`, in hexadecimal. */
  readonly sha256: string;
}
