import type { Clock } from '../host/clock.js';
import { ShootdownError } from '../pci/error.js';
import { EduInterrupter } from './edu-interrupter.js';
import { EduMaster } from './edu-master.js';
import { FrameSearch, type Phase, parseMac } from './frames.js';
import type { Guest } from './guest.js';
import type { FrameSource } from './qemu-net.js';
import { needRoom } from './room.js';
import { GUEST_MAC, type Oracle } from './scenario.js';
import { Traffic } from './traffic.js';
import type { StrayCount } from './verdict.js';

/** What drives a bus master from outside the guest, across the jump, and finds out what it wrote. */
export interface Master {
  /** The guest is set up: begin. */
  start(guest: Guest): Promise<void>;
  /** The guest is busy with something else for a while: let it be. */
  pause(): Promise<void>;
  /** The jump is asked for next. */
  jump(): Promise<void>;
  /** The next kernel has printed its first line. */
  after(): Promise<void>;
  /** The next kernel's first process runs; no driver is loaded. */
  ready(): Promise<void>;
  /** Looks what landed; the guest may have ended. */
  judge(): Promise<StrayCount>;
  /** Stops driving it; comes before the guest is stopped. */
  close(): Promise<void>;
}

export interface MasterContext {
  readonly source: FrameSource;
  readonly seed: Uint8Array;
  readonly clock: Clock;
  readonly memoryMiB: number;
}

export function openMaster(oracle: Oracle, context: MasterContext): Master {
  switch (oracle.kind) {
    case 'frames':
      return new FrameMaster(context, oracle.descriptors);
    case 'edu':
      return new EduMaster(context);
    case 'edu-interrupt':
      return new EduInterrupter(oracle.message);
    case 'console':
      return new NoMaster();
  }
}

/** Before the jump a driver refills the ring, if there is one; a ring of our own must last, so few are sent. */
const BEFORE_INTERVAL_MS = 50;
/** Few: they use up descriptors that the count needs. */
const JUMP_INTERVAL_MS = 200;
const AFTER_FRAMES = 100;
const AFTER_INTERVAL_MS = 8;
const READY_FRAMES = 10;
const PIECE_BYTES = 64 * 1024 * 1024;

class FrameMaster implements Master {
  readonly #context: MasterContext;
  readonly #traffic: Traffic;
  readonly #search: FrameSearch;
  readonly #descriptors: number;
  #guest: Guest | undefined;

  constructor(context: MasterContext, descriptors = Number.POSITIVE_INFINITY) {
    this.#context = context;
    this.#descriptors = descriptors;
    const { source, seed, clock } = context;
    this.#traffic = new Traffic({ source, seed, clock, mac: parseMac(GUEST_MAC) });
    this.#search = new FrameSearch(seed);
  }

  async start(guest: Guest): Promise<void> {
    this.#guest = guest;
    // Now, rather than when the jump has been made.
    await needRoom(guest.qemu.folder, PIECE_BYTES, 'the search of the memory');
    await this.#traffic.flow('before', BEFORE_INTERVAL_MS);
  }

  pause(): Promise<void> {
    return this.#traffic.pause();
  }

  jump(): Promise<void> {
    return this.#traffic.flow('jump', JUMP_INTERVAL_MS);
  }

  /**
   * All of them right away: the next kernel is at work from here on, and has not looked at any device yet. Memory is
   * searched here as well as at the end, since a kernel that uses what was hit wipes the traces.
   */
  async after(): Promise<void> {
    await this.#traffic.burst('after', AFTER_FRAMES, AFTER_INTERVAL_MS);
    await this.#searchMemory();
  }

  ready(): Promise<void> {
    return this.#traffic.burst('ready', READY_FRAMES, AFTER_INTERVAL_MS);
  }

  async judge(): Promise<StrayCount> {
    await this.#traffic.pause();
    await this.#searchMemory();
    const { sent } = this.#traffic;
    const total = sent.before + sent.jump + sent.after + sent.ready;
    if (total > this.#descriptors) {
      const message = `${total} frames were sent to a ring of ${this.#descriptors}: silence would prove nothing`;
      throw new ShootdownError('io', message);
    }
    const count = (phase: Phase) => ({ sent: sent[phase], landed: this.#search.found(phase).count });
    const first = this.#search.found('after').firstOffset ?? this.#search.found('ready').firstOffset;
    return {
      of: 'frames',
      ...count('after'),
      first: first === null ? null : `0x${first.toString(16)}`,
      during: count('jump'),
      later: count('ready'),
      aliveBefore: this.#search.found('before').count > 0,
    };
  }

  close(): Promise<void> {
    return this.#traffic.pause();
  }

  /** Halts the machine for it, so that memory is of one moment. */
  async #searchMemory(): Promise<void> {
    const guest = this.#guest;
    if (!guest || guest.console.closed) return;
    await guest.qemu.qmp.execute('stop');
    this.#search.restart();
    const bytes = this.#context.memoryMiB * 1024 * 1024;
    for (let at = 0; at < bytes; at += PIECE_BYTES) {
      this.#search.add(await guest.qemu.readMemory(at, Math.min(PIECE_BYTES, bytes - at)));
    }
    await guest.qemu.qmp.execute('cont');
  }
}

const NONE = { sent: 0, landed: 0 };

class NoMaster implements Master {
  async start(): Promise<void> {}
  async pause(): Promise<void> {}
  async jump(): Promise<void> {}
  async after(): Promise<void> {}
  async ready(): Promise<void> {}
  async close(): Promise<void> {}
  async judge(): Promise<StrayCount> {
    return { of: null, sent: 0, landed: 0, first: null, during: NONE, later: NONE, aliveBefore: false };
  }
}
