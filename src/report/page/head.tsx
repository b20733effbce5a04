import { JumpLinks } from '../timeline/section.js';
import type { PageModel } from './model.js';

const PATHS = { crash: 'a crash (kdump)', normal: 'a jump on purpose (kexec)' } as const;

/** The one sentence that matters, how it comes about, and what the machine is like. */
export function Head({ model }: { readonly model: PageModel }) {
  const { host, path, policy, read, headline, breakdown, facts, plan } = model;
  const about = [
    ['Machine', host],
    ['Jump', PATHS[path]],
    ['Policy', policy],
    ...(read === undefined ? [] : [['Read', `${read} UTC`]]),
    ...facts.map(({ term, value }) => [term, value]),
  ];
  return (
    <header>
      <p class="brand">shootdown</p>
      <h1>{headline}</h1>
      <p class="lead">
        {breakdown} The plan: {plan.headline}
      </p>
      <JumpLinks stories={model.jumps} />
      <dl class="facts">
        {about.map(([term, value]) => (
          <div>
            <dt>{term}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <nav aria-label="Sections">
        <a href="#findings">Findings</a> <a href="#tree">Tree</a> <a href="#functions">Functions</a>{' '}
        <a href="#plan">Plan</a>
        {model.jumps.length > 0 ? <a href="#jump">Jump</a> : null}
        {model.notes.length > 0 ? <a href="#notes">Notes</a> : null}
      </nav>
    </header>
  );
}
