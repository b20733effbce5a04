import type { ComponentChildren } from 'preact';
import { render } from 'preact-render-to-string';
import type { PciNames } from '../../pci/pci-ids.js';
import { VERSION } from '../../version.js';
import { htmlDocument } from '../page/document.js';
import { COLOURS } from '../page/picture-style.js';
import { PAGE_STYLE } from '../page/style.js';
import { Words } from '../page/words.js';
import type { FleetData } from './fleet-data.js';
import { OUTCOME_MEANINGS } from './outcome.js';
import {
  breakdown,
  differenceText,
  examplesText,
  headline,
  kindName,
  madeOf,
  nearlyText,
  number,
  otherAdvice,
  riskText,
} from './words.js';

/** The fleet as one HTML file: no script, no request. `names` are of the functions in it. */
export function fleetHtml(data: FleetData, names: PciNames): string {
  return htmlDocument({
    title: headline(data),
    style: [COLOURS, PAGE_STYLE, FLEET_STYLE].join('\n'),
    body: render(<FleetPage data={data} names={names} />),
  });
}

const FLEET_STYLE = `
.plain td.num{text-align:right}
.plain th[scope=row]{white-space:nowrap}
.outcome{font-weight:600;white-space:nowrap}
.outcome.exposed{color:var(--live)}
.outcome.unprotected,.outcome.no-capture-kernel{color:var(--warn)}
.outcome.unknown{color:var(--unknown)}
.plain+details{margin-top:-.75rem}
.on td,.on th{border-bottom-style:dotted}
.on th{padding-left:1.25rem}
@media (max-width:720px){.plain th[scope=row]{white-space:normal;overflow-wrap:anywhere}.plain td.num{text-align:left}.on th{padding-left:0}}
`.trim();

interface Part {
  readonly data: FleetData;
  readonly names: PciNames;
}

function FleetPage({ data, names }: Part) {
  const sections = [
    { id: 'risks', title: 'Machines that may not get through it', body: <Risks data={data} names={names} /> },
    { id: 'fixes', title: 'What to mend first', body: <Fixes data={data} names={names} /> },
    { id: 'topologies', title: 'Topologies', body: <Topologies data={data} names={names} /> },
    {
      id: 'deviations',
      title: 'Not as the others of their topology',
      body: <Deviations data={data} names={names} />,
    },
    { id: 'nearly', title: 'Nearly the same topology', body: <Nearly data={data} names={names} /> },
    { id: 'broken', title: 'Not usable', body: <Broken data={data} names={names} /> },
  ];
  return (
    <>
      <a class="skip" href="#main">
        Skip to the machines
      </a>
      <header>
        <p class="brand">shootdown</p>
        <h1>{headline(data)}</h1>
        <p class="lead">{breakdown(data)}</p>
        <nav aria-label="Sections">
          {sections.map(({ id, title }) => (
            <>
              <a href={`#${id}`}>{title}</a>{' '}
            </>
          ))}
        </nav>
      </header>
      <main id="main">
        <Outcomes data={data} names={names} />
        {sections.map(({ id, title, body }) => (
          <section id={id} aria-labelledby={`${id}-h`}>
            <h2 id={`${id}-h`}>{title}</h2>
            {body}
          </section>
        ))}
        {data.leftOut.length > 0 ? <p class="about">Left out: {data.leftOut.join('; ')}.</p> : null}
      </main>
      <footer>
        <p>Made by shootdown {VERSION}. A finding says what a function could do, never what it did.</p>
      </footer>
    </>
  );
}

interface Cell {
  readonly label: string;
  readonly num?: boolean;
}

function Rows({
  caption,
  columns,
  children,
}: {
  readonly caption: string;
  readonly columns: readonly Cell[];
  readonly children: ComponentChildren;
}) {
  return (
    <table class="plain">
      <caption>{caption}</caption>
      <thead>
        <tr>
          {columns.map(({ label, num }) => (
            <th scope="col" class={num ? 'num' : undefined}>
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

function Num({ label, value }: { readonly label: string; readonly value: number }) {
  return (
    <td class="num" data-label={label}>
      {number(value)}
    </td>
  );
}

/** How many a list leaves out, where it does. */
function More({ count }: { readonly count: number }) {
  return count > 0 ? <p class="about">And {number(count)} more.</p> : null;
}

const OPEN_MAX = 20;

/** A table of what comes first, and the rest folded. */
function Listed<T>({
  caption,
  columns,
  items,
  row,
}: {
  readonly caption: string;
  readonly columns: readonly Cell[];
  readonly items: readonly T[];
  readonly row: (item: T) => ComponentChildren;
}) {
  const rest = items.slice(OPEN_MAX);
  return (
    <>
      <Rows caption={caption} columns={columns}>
        {items.slice(0, OPEN_MAX).map(row)}
      </Rows>
      {rest.length > 0 ? (
        <details>
          <summary>{number(rest.length)} more</summary>
          <Rows caption={`${caption}, continued`} columns={columns}>
            {rest.map(row)}
          </Rows>
        </details>
      ) : null}
    </>
  );
}

function Outcomes({ data }: Part) {
  return (
    <Rows
      caption="What the jump would meet"
      columns={[{ label: 'outcome' }, { label: 'machines', num: true }, { label: 'meaning' }]}
    >
      {data.outcomes
        .filter(({ machines }) => machines > 0)
        .map(({ outcome, machines }) => (
          <tr>
            <th scope="row">
              <span class={`outcome ${outcome}`}>{outcome}</span>
            </th>
            <Num label="machines" value={machines} />
            <td data-label="meaning">{OUTCOME_MEANINGS[outcome]}</td>
          </tr>
        ))}
    </Rows>
  );
}

function Risks({ data }: Part) {
  const all = data.outcomes.filter(({ machines, outcome }) => machines > 0 && outcome !== 'ready');
  if (all.length === 0) return <p>None.</p>;
  return (
    <>
      {all.map(({ outcome, listed, more }) => (
        <>
          <Listed
            caption={outcome}
            columns={[{ label: 'machine' }, { label: 'what stands in the way' }, { label: 'audit' }]}
            items={listed}
            row={(one) => (
              <tr>
                <th scope="row" class="n">
                  {one.machine}
                </th>
                <td data-label="in the way">{riskText(outcome, one)}</td>
                <td data-label="audit" class="n">
                  {one.place}
                </td>
              </tr>
            )}
          />
          <More count={more} />
        </>
      ))}
    </>
  );
}

function Fixes({ data: { fixes }, names }: Part) {
  if (fixes.length === 0) return <p>Nothing of severity error or warning.</p>;
  return (
    <>
      <p class="about">
        Alone: machines that have nothing else of that severity or a graver one. Together: machines that have
        nothing such left when it and all above it are mended.
      </p>
      <Rows
        caption="Findings over all machines"
        columns={[
          { label: 'finding' },
          { label: 'machines', num: true },
          { label: 'findings', num: true },
          { label: 'alone', num: true },
          { label: 'together', num: true },
          { label: 'what to do, and where' },
        ]}
      >
        {fixes.map((fix) => (
          <>
            <tr>
              <th scope="row">
                <span class={`sev ${fix.severity}`}>{fix.severity}</span> <span class="n">{fix.id}</span>
              </th>
              <Num label="machines" value={fix.machines} />
              <Num label="findings" value={fix.findings} />
              <Num label="alone" value={fix.clears} />
              <Num label="together" value={fix.clearAfter} />
              <td data-label="what">
                <b>{fix.title}.</b> <Words text={[fix.advice, ...otherAdvice(fix)].join(' ')} />{' '}
                <small>{examplesText(fix.examples, fix.machines)}</small>
              </td>
            </tr>
            {fix.on.map((kind) => (
              <tr class="on">
                <th scope="row">on</th>
                <Num label="machines" value={kind.machines} />
                <Num label="findings" value={kind.findings} />
                <Num label="alone" value={kind.clears} />
                <td />
                <td data-label="function">{kindName(kind, names)}</td>
              </tr>
            ))}
          </>
        ))}
      </Rows>
    </>
  );
}

function Topologies({ data: { topologies }, names }: Part) {
  return (
    <Listed
      caption="Machines with the same functions in the same places"
      columns={[
        { label: 'topology' },
        { label: 'machines', num: true },
        { label: 'outcomes' },
        { label: 'what is in it' },
        { label: 'kernels' },
        { label: 'such as' },
      ]}
      items={topologies}
      row={(one) => (
        <tr>
          <th scope="row" class="n">
            {one.signature}
          </th>
          <Num label="machines" value={one.machines} />
          <td data-label="outcomes">
            {one.outcomes.map(({ outcome, machines }) => `${number(machines)} ${outcome}`).join(', ')}
          </td>
          <td data-label="functions">{madeOf(one, names, 4)}</td>
          <td data-label="kernels">
            {one.kernels
              .map(({ kernel, machines }) => `${kernel ?? 'not known'} (${number(machines)})`)
              .join(', ')}
          </td>
          <td data-label="such as">{examplesText(one.examples, one.machines, 1)}</td>
        </tr>
      )}
    />
  );
}

function Deviations({ data: { deviations } }: Part) {
  if (deviations.length === 0) return <p>None.</p>;
  return (
    <Listed
      caption="What differs, where three of four agree"
      columns={[
        { label: 'machines' },
        { label: 'so many of' },
        { label: 'differ in' },
        { label: 'topology' },
      ]}
      items={deviations}
      row={(one) => (
        <tr>
          <th scope="row">{examplesText(one.examples, one.machines, 2)}</th>
          <td data-label="so many">
            {number(one.machines)} of {number(one.like)}
          </td>
          <td data-label="differ in">{differenceText(one, 8)}</td>
          <td data-label="topology" class="n">
            {one.topology}
          </td>
        </tr>
      )}
    />
  );
}

function Nearly({ data: { nearly }, names }: Part) {
  if (nearly.length === 0) return <p>None.</p>;
  return (
    <Listed
      caption="What a few have that a much larger group has not, or the other way round"
      columns={[{ label: 'machines' }, { label: 'nearly like' }, { label: 'but' }]}
      items={nearly}
      row={(one) => (
        <tr>
          <th scope="row">{examplesText(one.examples, one.machines, 2)}</th>
          <td data-label="like">
            <span class="n">{one.like.topology}</span> ({number(one.like.machines)})
          </td>
          <td data-label="but">{nearlyText(one, names, 8)}</td>
        </tr>
      )}
    />
  );
}

function Broken({ data: { broken, machines } }: Part) {
  if (broken.length === 0) return <p>None.</p>;
  return (
    <>
      <Listed
        caption="Audits that say nothing"
        columns={[{ label: 'where' }, { label: 'why' }]}
        items={broken}
        row={({ place, problem }) => (
          <tr>
            <th scope="row" class="n">
              {place}
            </th>
            <td data-label="why">{problem}</td>
          </tr>
        )}
      />
      <More count={machines.broken - broken.length} />
    </>
  );
}
