import { SlotLink } from './slots.js';
import type { FindingView } from './view.js';
import { Words } from './words.js';

const CASES_MAX = 5;

/** Findings with what they mean, where they were seen, and what to do. */
export function Findings({ groups }: { readonly groups: readonly FindingView[] }) {
  return (
    <section id="findings" aria-labelledby="findings-h">
      <h2 id="findings-h">Findings</h2>
      {groups.length === 0 ? <p>None.</p> : groups.map((group) => <Group group={group} />)}
    </section>
  );
}

function Group({ group }: { readonly group: FindingView }) {
  const { id, severity, title, meaning, advice, cases, hazards } = group;
  return (
    <details class={`finding ${severity}`} id={`${id}-${severity}`} open={severity === 'error'}>
      <summary>
        <span class={`sev ${severity}`}>{severity}</span> <span class="n">{id}</span> <b>{title}</b>{' '}
        <span class="where">{where(cases)}</span>
      </summary>
      <div class="body">
        <p>
          <Words text={meaning} />
        </p>
        {advice.map(({ places, text }) => (
          <p class="advice">
            <b>What to do{places === '' ? '.' : ':'}</b> {places === '' ? null : <>{places}. </>}
            <Words text={text} />
          </p>
        ))}
        <Cases cases={cases} />
        {hazards.length > 0 ? (
          <ul class="hazards">
            {hazards.map(({ id: hazard, title: what, source }) => (
              <li>
                <span class="n">{hazard}</span> {what}: <Source source={source} />
              </li>
            ))}
          </ul>
        ) : null}
      </div>
    </details>
  );
}

function where(cases: FindingView['cases']): string {
  const { length } = cases;
  if (cases[0]?.slot == null) return 'the machine';
  return length === 1 ? cases[0].slot : `${length} functions`;
}

function Cases({ cases }: Pick<FindingView, 'cases'>) {
  const list = (some: FindingView['cases']) => (
    <ul class="cases">
      {some.map(({ slot, evidence }) => (
        <li>
          {slot === null ? 'machine' : <SlotLink slot={slot} />} <span>{evidence}</span>
        </li>
      ))}
    </ul>
  );
  if (cases.length <= CASES_MAX) return list(cases);
  return (
    <>
      {list(cases.slice(0, CASES_MAX - 1))}
      <details>
        <summary>and {cases.length - CASES_MAX + 1} more</summary>
        {list(cases.slice(CASES_MAX - 1))}
      </details>
    </>
  );
}

function Source({ source }: { readonly source: string }) {
  if (!/^https?:\/\//.test(source)) return <>{source}</>;
  return (
    <a href={source} rel="noreferrer noopener">
      {source.replace(/^https?:\/\//, '')}
    </a>
  );
}
