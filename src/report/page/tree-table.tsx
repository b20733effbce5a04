import type { ComponentChildren } from 'preact';
import { Evidence } from './evidence-cell.js';
import type { PageModel } from './model.js';
import { countsText } from './tree.js';
import type { FunctionView, TreeNode } from './view.js';

const LEVEL_MAX = 12;
const COLUMNS = ['Slot', 'Verdict', 'Steps', 'Findings', 'Device', 'Driver', 'Policy', 'Group', 'Evidence'];

/** The tree as a table, each row after the one above it; the script makes it a treegrid that folds. */
export function FunctionTable({ model }: { readonly model: PageModel }) {
  return (
    <table id="functions-table" class={tableClass(model)} aria-labelledby="functions-h">
      <thead>
        <tr>
          {COLUMNS.map((title) => (
            <th scope="col">{title}</th>
          ))}
        </tr>
      </thead>
      <tbody>{model.tree.flatMap((node) => rowsOf(node, 1, model))}</tbody>
    </table>
  );
}

/** Browsers lay out only what is seen of a long table. */
const MANY = 400;

function tableClass({ functions }: PageModel): string {
  const groups = functions.some(({ iommu }) => iommu.group != null);
  return ['tree', ...(groups ? [] : ['nogroup']), ...(functions.length > MANY ? ['many'] : [])].join(' ');
}

function rowsOf(node: TreeNode, depth: number, model: PageModel): ComponentChildren[] {
  const level = Math.min(depth, LEVEL_MAX);
  switch (node.kind) {
    case 'root':
      return [<RootRow node={node} />, ...node.children.flatMap((child) => rowsOf(child, depth + 1, model))];
    case 'alike':
      return [<AlikeRow views={node.views} level={level} model={model} />];
    case 'function': {
      const below = countsText(node.below);
      return [
        <FunctionRow view={node.view} below={below} level={level} model={model} />,
        ...node.children.flatMap((child) => rowsOf(child, depth + 1, model)),
      ];
    }
  }
}

function RootRow({ node }: { readonly node: Extract<TreeNode, { kind: 'root' }> }) {
  return (
    <tr id={`bus=${node.id}`} class="root" data-l={1}>
      <th scope="row" class="n">
        {node.id}
      </th>
      <td class="below" colSpan={COLUMNS.length - 1}>
        root bus; below it {countsText(node.below)}
      </td>
    </tr>
  );
}

interface RowProps {
  readonly level: number;
  readonly model: PageModel;
}

function FunctionRow({
  view,
  below,
  level,
  model,
}: RowProps & { readonly view: FunctionView; readonly below: string }) {
  const { slot, device, verdict, iommu, steps, physfn } = view;
  return (
    <tr id={`fn=${slot}`} {...rowData(view, level)}>
      <th scope="row" class="n">
        {slot}
      </th>
      <td class={`v ${verdict}`}>{verdict}</td>
      <td class="n stp" data-label="step">
        {steps.length > 3 ? `${steps[0]}, ${steps.length - 1} more` : steps.join(', ')}
      </td>
      <FindingCell view={view} />
      <td class="dev">
        {below === '' ? null : <small>{below} below · </small>}
        {physfn === null ? null : <small>VF </small>}
        {device}
      </td>
      <DriverCells view={view} />
      <td class="n num" data-label="group">
        {iommu.group == null ? '' : iommu.group}
        {iommu.members > 1 ? (
          <small title={`shared by ${iommu.members} functions`}> ×{iommu.members}</small>
        ) : null}
      </td>
      <td class="more">
        <Evidence view={view} path={model.path} iommu={model.iommu} />
      </td>
    </tr>
  );
}

function AlikeRow({ views, level, model }: RowProps & { readonly views: readonly FunctionView[] }) {
  const [first] = views;
  if (!first) return null;
  const groups = new Set(views.map(({ iommu }) => iommu.group));
  const [group] = groups;
  return (
    <tr class="alike" data-n={views.length} {...rowData(first, level)} data-g={undefined}>
      <th scope="row" class="n">
        {first.slot}
        <small> +{views.length - 1}</small>
      </th>
      <td class={`v ${first.verdict}`}>{first.verdict}</td>
      <td class="n stp" data-label="step">
        {first.steps.length > 0 ? `${first.steps[0]}…` : ''}
      </td>
      <FindingCell view={first} />
      <td class="dev">
        <b>{views.length} alike:</b> {first.physfn === null ? null : <small>VF </small>}
        {first.device}
      </td>
      <DriverCells view={first} />
      <td class="n num" data-label="groups">
        {groups.size === 1 ? group : groups.size}
        {groups.size > 1 ? <small> groups</small> : null}
      </td>
      <td class="more">
        <Evidence view={first} path={model.path} iommu={model.iommu} alike={views} />
      </td>
    </tr>
  );
}

function rowData({ verdict, severity, driver, action, iommu }: FunctionView, level: number) {
  return {
    'data-l': level,
    'data-v': verdict,
    'data-s': severity ?? undefined,
    'data-d': driver,
    'data-a': action,
    'data-g': iommu.group ?? undefined,
  };
}

function FindingCell({ view: { findings } }: { readonly view: FunctionView }) {
  const [first] = findings;
  return (
    <td class="find">
      {first ? (
        <a class={`sev ${first.severity}`} href={`#${first.id}-${first.severity}`}>
          {first.severity} {first.id}
        </a>
      ) : null}
      {findings.length > 1 ? <small> +{findings.length - 1}</small> : null}
    </td>
  );
}

function DriverCells({ view: { driver, action, rule } }: { readonly view: FunctionView }) {
  return (
    <>
      <td class="n drv" data-label="driver">
        {driver}
      </td>
      <td class="pol" data-label="policy">
        {action}
        {rule === 'otherwise' ? null : <small title={rule}> {rule}</small>}
      </td>
    </>
  );
}
