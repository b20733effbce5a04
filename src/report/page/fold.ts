import type { Verdict } from '../../quiesce/verdict.js';
import { groupedBy } from '../grouped-by.js';
import { countsText } from './tree.js';
import type { FunctionView, TreeNode } from './view.js';

/** A node of the picture: a root bus, a function, or several subtrees that look the same. */
export interface PictureNode {
  readonly kind: 'root' | 'function' | 'folded';
  /** Slot, root bus, or that of the first. */
  readonly id: string;
  /** Every function and root bus that stands here. */
  readonly slots: readonly string[];
  /** Of those that are drawn as one. */
  readonly count: number;
  readonly verdict: Verdict | null;
  readonly driver: string;
  readonly action: string;
  readonly group: string;
  readonly steps: string;
  readonly device: string;
  readonly children: readonly PictureNode[];
}

/** Rows from which on the picture says less of each function. */
const ROWS_MANY = 72;
/** From here on subtrees that look the same are one, too; and from the last on, whatever has the same verdict. */
const FOLDS: readonly {
  readonly from: number;
  readonly leaves: number;
  readonly trees: number;
  readonly coarse: boolean;
}[] = [
  { from: 0, leaves: 4, trees: Number.POSITIVE_INFINITY, coarse: false },
  { from: ROWS_MANY, leaves: 2, trees: 3, coarse: false },
  { from: ROWS_MANY * 2, leaves: 2, trees: 2, coarse: true },
];

/** The tree as it is drawn: the larger the machine, the more is drawn as one, so that a picture stays one. */
export function foldedTree(tree: readonly TreeNode[]): readonly PictureNode[] {
  const whole = tree.map(pictureNode);
  let drawn: readonly PictureNode[] = whole;
  for (const fold of FOLDS) {
    if (fold.from > 0 && rows(drawn) <= fold.from) break;
    drawn = foldSiblings(whole, new Looks(fold));
  }
  return drawn;
}

type Fold = (typeof FOLDS)[number];

/** Leaves, each of which takes a row. */
export function rows(nodes: readonly PictureNode[]): number {
  return nodes.reduce((sum, { children }) => sum + (children.length === 0 ? 1 : rows(children)), 0);
}

function pictureNode(node: TreeNode): PictureNode {
  if (node.kind === 'root') {
    return {
      ...EMPTY,
      kind: 'root',
      id: node.id,
      slots: [node.id],
      device: `root bus ${node.id}`,
      children: node.children.flatMap(pictureNodes),
    };
  }
  const [one] = pictureNodes(node);
  if (!one) throw new RangeError('siblings that are alike are never empty');
  return one;
}

const EMPTY = { count: 1, verdict: null, driver: '', action: '', group: '', steps: '', device: '' } as const;

function pictureNodes(node: TreeNode): PictureNode[] {
  switch (node.kind) {
    case 'root':
      return [pictureNode(node)];
    case 'alike':
      return node.views.map((view) => functionNode(view, []));
    case 'function':
      return [functionNode(node.view, node.children.flatMap(pictureNodes))];
  }
}

function functionNode(view: FunctionView, children: readonly PictureNode[]): PictureNode {
  const { slot, verdict, driver, action, iommu, steps, device } = view;
  return {
    kind: 'function',
    id: slot,
    slots: [slot],
    count: 1,
    verdict,
    driver,
    action,
    group: groupText(iommu),
    steps: steps.length > 0 ? String(steps[0]) : '',
    device: view.physfn ? `VF of ${view.physfn}: ${device}` : device,
    children,
  };
}

/** With how many it is shared, and whether nothing is translated there. */
function groupText({ group, members, domain }: FunctionView['iommu']): string {
  if (group == null) return '';
  return `${group}${members > 1 ? ` ×${members}` : ''}${domain === 'identity' ? ' identity' : ''}`;
}

function foldSiblings(nodes: readonly PictureNode[], looks: Looks): readonly PictureNode[] {
  const { fold } = looks;
  const folded = nodes.map((node) => ({ ...node, children: foldSiblings(node.children, looks) }));
  const groups = groupedBy(folded, (node) => looks.of(node));
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    const min = first && first.children.length > 0 ? fold.trees : fold.leaves;
    return !first || group.length < min ? group : [foldedNode(first, group)];
  });
}

function foldedNode(first: PictureNode, group: readonly PictureNode[]): PictureNode {
  const same = (of: (node: PictureNode) => string) =>
    group.every((node) => of(node) === of(first)) ? of(first) : 'various';
  return {
    ...first,
    kind: first.kind === 'root' ? 'root' : 'folded',
    slots: group.flatMap(({ slots }) => slots),
    count: group.reduce((sum, { count }) => sum + count, 0),
    driver: same(({ driver }) => driver),
    action: same(({ action }) => action),
    device: same(({ device }) => device),
    group: '',
    steps: first.steps === '' ? '' : `${first.steps.replace('…', '')}…`,
    children: mergeChildren(group.map(({ children }) => children)),
  };
}

/** Subtrees that look the same have the same number of children in the same order of looks. */
function mergeChildren(lists: readonly (readonly PictureNode[])[]): readonly PictureNode[] {
  const [first = []] = lists;
  return first.map((_, index) => {
    const group = lists.flatMap((list) => list[index] ?? []);
    const [one] = group;
    if (!one) throw new RangeError('a subtree without a first');
    return foldedNode(one, group);
  });
}

/** Numbers subtrees by what is seen of them: those that look the same have the same number. */
class Looks {
  readonly fold: Fold;
  readonly #numbers = new Map<string, number>();
  readonly #known = new WeakMap<PictureNode, number>();

  constructor(fold: Fold) {
    this.fold = fold;
  }

  of(node: PictureNode): number {
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    const { kind, verdict, driver, action, steps, children } = node;
    // A root bus is told by its number, which makes no two of them different.
    const device = kind === 'root' ? '' : node.device;
    const own = this.fold.coarse ? [verdict] : [verdict, driver, action, device];
    const key = JSON.stringify([steps === '', own, children.map((child) => this.of(child))]);
    const number = this.#numbers.get(key) ?? this.#numbers.size;
    this.#numbers.set(key, number);
    this.#known.set(node, number);
    return number;
  }
}

/** What there is in all, for those who cannot see the picture. */
export function pictureSummary(functions: readonly FunctionView[]): string {
  const counts = { live: 0, open: 0, quiet: 0, unknown: 0 };
  for (const { verdict } of functions) counts[verdict]++;
  return countsText(counts);
}
