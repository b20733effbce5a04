import type { JumpPath } from '../../quiesce/findings.js';
import { SlotLink } from './slots.js';
import type { FunctionView, IommuPlace } from './view.js';

interface EvidenceProps {
  readonly view: FunctionView;
  readonly path: JumpPath;
  readonly iommu: boolean | undefined;
  /** Of several that are alike: without what is of one alone. */
  readonly alike?: readonly FunctionView[];
}

/** Why a function has its verdict, what becomes of it, and how its requests go. */
export function Evidence({ view, path, iommu, alike }: EvidenceProps) {
  const { findings, action, rule, reason, evidence, left, steps, physfn } = view;
  return (
    <details class="ev">
      <summary>Evidence</summary>
      <dl>
        {findings.map(({ id, severity, evidence: text }) => (
          <>
            <dt>
              <a class={`sev ${severity}`} href={`#${id}-${severity}`}>
                {severity} {id}
              </a>
            </dt>
            <dd>{text}</dd>
          </>
        ))}
        <dt>Device</dt>
        <dd>{view.device}</dd>
        <dt>Policy</dt>
        <dd>
          {action}, rule <span class="n">{rule}</span>: {reason}
        </dd>
        <dt>Plan {path === 'crash' ? 'between' : 'before'}</dt>
        <dd>{steps.length > 0 && !alike ? `step ${steps.join(', ')}` : (left ?? 'in the plan')}</dd>
        <dt>Way to memory</dt>
        <dd class="way">
          {alike ? null : <span class="n">{view.slot}</span>}
          <Way view={view} iommu={iommu} alike={alike !== undefined} />
        </dd>
        {physfn === null ? null : (
          <>
            <dt>Virtual</dt>
            <dd>
              function of <SlotLink slot={physfn} />
            </dd>
          </>
        )}
        {evidence.map(({ term, value }) => (
          <>
            <dt>{term}</dt>
            <dd class="n">{value}</dd>
          </>
        ))}
      </dl>
      {alike ? <Members views={alike} /> : null}
    </details>
  );
}

function Way({
  view,
  iommu,
  alike,
}: {
  readonly view: FunctionView;
  readonly iommu: boolean | undefined;
  readonly alike: boolean;
}) {
  return (
    <>
      {view.above.map((slot) => [' → ', <SlotLink slot={slot} />])}
      {' → '}
      {iommuText(view.iommu, iommu, alike)}
      {' → memory'}
    </>
  );
}

function iommuText(
  { group, domain, members }: IommuPlace,
  translating: boolean | undefined,
  alike: boolean,
): string {
  if (group == null) return translating === undefined ? 'IOMMU not known' : 'no IOMMU group';
  const how = domain === '' ? '' : domain === 'identity' ? ' (identity: not translated)' : ` (${domain})`;
  // Each of those that are alike names its own group.
  if (alike) return `IOMMU group${how}`;
  const shared = members > 1 ? `, shared by ${members} functions` : '';
  return `IOMMU group ${group}${how}${shared}`;
}

function Members({ views }: { readonly views: readonly FunctionView[] }) {
  return (
    <ul class="members" aria-label="The same for each of">
      {views.map(({ slot, steps, iommu }) => (
        <li id={`fn=${slot}`} data-g={iommu.group ?? undefined}>
          <SlotLink slot={slot} />
          {iommu.group == null ? null : ` group ${iommu.group}`}
          {steps.length > 0 ? ` step ${steps.join(', ')}` : null}
        </li>
      ))}
    </ul>
  );
}
