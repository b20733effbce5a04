import { describe, expect, it } from 'vitest';
import { systemClock as clock } from '../host/clock.js';
import { Closing } from './closing.js';

describe('what a run has opened', () => {
  it('is closed in the reverse order, all of it, whatever one of them says', async () => {
    const closing = new Closing();
    const closed: string[] = [];
    closing.add(async () => void closed.push('first'));
    closing.add(async () => {
      throw new Error('does not close');
    });
    closing.add(async () => void closed.push('last'));
    await expect(closing.close()).rejects.toThrow('does not close');
    expect(closed).toEqual(['last', 'first']);
  });

  it('is not taken for closed while somebody else is still closing it', async () => {
    const closing = new Closing();
    let closed = false;
    closing.add(async () => {
      await clock.sleep(30);
      closed = true;
    });
    void closing.close();
    await closing.close();
    expect(closed).toBe(true);
  });
});
