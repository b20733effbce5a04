import type { SimFunction } from '../functions/function.js';
import type { Wires } from './wires.js';

export interface ControllerParts {
  readonly wires: Wires;
  /** Where interrupts of masked pins come out, or `null` (chipset boot interrupts). */
  readonly bootLine: number | null;
  /** `again`: the one before was ended, and the pin is still pulled. */
  readonly send: (line: number, again: boolean) => void;
  /** The level of an unmasked pin may have changed, and Remote IRR keeps it from sending. */
  readonly held?: (line: number) => void;
}

interface Pin {
  masked: boolean;
  /** A level interrupt was sent and its end has not come back: none is sent until then. */
  remoteIrr: boolean;
}

/**
 * IO-APIC or IOSAPIC: one pin a line, all level-triggered (the legacy timer's apart, which no wire pulls). A pin that
 * is pulled, unmasked and without Remote IRR sends its interrupt and sets Remote IRR; the end-of-interrupt clears it,
 * and a pin that is still pulled sends again. Masking leaves Remote IRR as it is: that is how it gets stuck.
 *
 * Intel 82093AA datasheet, 3.2.4 (redirection table); Intel SAPIC as in the Itanium 460GX datasheet.
 */
export class Controller {
  readonly #wires: Wires;
  readonly #bootLine: number | null;
  readonly #send: ControllerParts['send'];
  readonly #held: ControllerParts['held'];
  readonly #pins = new Map<number, Pin>();

  constructor({ wires, bootLine, send, held }: ControllerParts) {
    this.#wires = wires;
    this.#bootLine = bootLine;
    this.#send = send;
    this.#held = held;
  }

  masked(line: number): boolean {
    return this.#pins.get(line)?.masked ?? true;
  }

  remoteIrr(line: number): boolean {
    return this.#pins.get(line)?.remoteIrr ?? false;
  }

  mask(line: number): void {
    this.#pin(line).masked = true;
    if (line !== this.#bootLine && this.#wires.asserting(line).size > 0) this.#bootLineChanged();
  }

  unmask(line: number): void {
    this.#pin(line).masked = false;
    this.changed(line);
  }

  /** The level of a wire may have changed. */
  changed(line: number): void {
    this.#changed(line, false);
  }

  #changed(line: number, again: boolean): void {
    const pin = this.#pin(line);
    if (pin.masked) {
      if (line !== this.#bootLine) this.#bootLineChanged();
      return;
    }
    if (pin.remoteIrr) {
      this.#held?.(line);
      return;
    }
    if (this.pulled(line).length === 0) return;
    pin.remoteIrr = true;
    this.#send(line, again);
  }

  /** The end-of-interrupt for a line has arrived. */
  end(line: number): void {
    const pin = this.#pin(line);
    const again = pin.remoteIrr;
    pin.remoteIrr = false;
    this.#changed(line, again);
  }

  /** All pins masked, as any kernel does on its way out and in; what is in flight stays so. */
  maskAll(): void {
    for (const pin of this.#pins.values()) pin.masked = true;
  }

  /** All pins masked and ended: Linux's clear_IO_APIC_pin since 2011. */
  clear(): void {
    for (const pin of this.#pins.values()) Object.assign(pin, { masked: true, remoteIrr: false });
  }

  /** Functions that pull this pin, directly or because their own is masked. */
  pulled(line: number): readonly SimFunction[] {
    const own = [...this.#wires.asserting(line)];
    if (line !== this.#bootLine) return own;
    const rerouted = this.#wires.lines().filter((other) => other !== line && this.masked(other));
    return [...own, ...rerouted.flatMap((other) => [...this.#wires.asserting(other)])];
  }

  /** Pins that wait for an end-of-interrupt. */
  unended(): readonly number[] {
    return [...this.#pins].filter(([, pin]) => pin.remoteIrr).map(([line]) => line);
  }

  #bootLineChanged(): void {
    if (this.#bootLine !== null) this.changed(this.#bootLine);
  }

  #pin(line: number): Pin {
    const pin = this.#pins.get(line) ?? { masked: true, remoteIrr: false };
    this.#pins.set(line, pin);
    return pin;
  }
}
