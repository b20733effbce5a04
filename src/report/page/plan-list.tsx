import type { JumpPath } from '../../quiesce/findings.js';
import { SlotList } from './slots.js';
import type { PlanRun, PlanView } from './view.js';

/** The plan's steps in their order, then what is left alone and why. */
export function PlanSection({ plan, path }: { readonly plan: PlanView; readonly path: JumpPath }) {
  return (
    <section id="plan" aria-labelledby="plan-h">
      <h2 id="plan-h">The plan</h2>
      <p>
        {plan.headline}{' '}
        {path === 'crash' ? (
          <>
            A wrapped capture kernel does this between the kernels: <code>shootdown wrap</code>.
          </>
        ) : (
          <>
            <code>shootdown apply</code> does this before the jump.
          </>
        )}
      </p>
      {plan.resets.length > 0 ? (
        <p class="advice">
          <b>A reset cannot be undone.</b> A driver must initialise again: <SlotList slots={plan.resets} />
        </p>
      ) : null}
      {plan.passes.map(({ title, runs }) => (
        <table class="plain steps">
          <caption>{title}</caption>
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">Function</th>
              <th scope="col">What is done</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <Run run={run} />
            ))}
          </tbody>
        </table>
      ))}
      <LeftAlone left={plan.left} />
      <p class="about">
        Fingerprint of the machine that this plan fits: <span class="n">{plan.fingerprint}</span>
      </p>
    </section>
  );
}

function Run({ run: { from, to, step, rule, reason, slots } }: { readonly run: PlanRun }) {
  return (
    <tr>
      <th scope="row" class="num">
        {from === to ? from : `${from}–${to}`}
      </th>
      <td data-label="Function">
        <SlotList slots={slots} />
      </td>
      <td class="n" data-label="Done">
        {step}
      </td>
      <td data-label="Why">
        <span class="n">{rule}</span>: {reason}
      </td>
    </tr>
  );
}

function LeftAlone({ left }: Pick<PlanView, 'left'>) {
  if (left.length === 0) return null;
  const count = left.reduce((sum, { slots }) => sum + slots.length, 0);
  return (
    <details>
      <summary>Left alone, and why: {count === 1 ? '1 function' : `${count} functions`}</summary>
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">Rule</th>
            <th scope="col">Why</th>
            <th scope="col">Functions</th>
          </tr>
        </thead>
        <tbody>
          {left.map(({ rule, reason, slots }) => (
            <tr>
              <th scope="row" class="n">
                {rule}
              </th>
              <td data-label="Why">{reason}</td>
              <td data-label="Functions">
                <SlotList slots={slots} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
