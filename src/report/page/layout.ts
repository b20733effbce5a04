import { cluster, type HierarchyPointNode, hierarchy } from 'd3-hierarchy';
import type { PictureNode } from './fold.js';

/** Where everything in the picture stands, in pixels of its own. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly memory: Place;
  readonly iommu: Place;
  readonly nodes: readonly PlacedNode[];
  readonly links: readonly Link[];
  readonly columns: readonly Column[];
}

export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface PlacedNode extends Place {
  readonly node: PictureNode;
  readonly leaf: boolean;
}

export interface Link {
  /** Slots whose requests pass here. */
  readonly slots: readonly string[];
  readonly id: string;
  readonly from: Place;
  readonly to: Place;
}

export interface Column {
  readonly title: string;
  readonly x: number;
  readonly of: (node: PictureNode) => string;
  /** Longer texts are cut. */
  readonly most: number;
  readonly numeric?: boolean;
}

const ROW = 22;
const TOP = 34;
const MARGIN = 12;
const MEMORY_WIDTH = 78;
const IOMMU_WIDTH = 92;
/** Of a digit in the fixed-width font at 12 px. */
const CHARACTER = 7.3;

interface Drawn {
  readonly node: PictureNode | null;
  readonly children: readonly Drawn[];
}

/**
 * Memory at the left, the IOMMU before it, then root buses and bridges, and every function in a row of its own at the
 * right, with what is said of it in columns.
 */
export function layoutOf(roots: readonly PictureNode[]): Layout {
  const drawn: Drawn = { node: null, children: roots.map(toDrawn) };
  const tree = hierarchy<Drawn>(drawn, ({ children }) => children as Drawn[]);
  const placed = cluster<Drawn>()
    .nodeSize([ROW, 1])
    .separation(() => 1)(tree);
  const top = Math.min(...placed.leaves().map(({ x }) => x));
  const y = (at: HierarchyPointNode<Drawn>) => at.x - top + TOP + ROW / 2;
  const inner = placed.descendants().filter((at) => at.data.node && at.data.node.children.length > 0);
  const widths = columnWidths(inner);
  const starts = [MARGIN + MEMORY_WIDTH + IOMMU_WIDTH];
  for (const width of widths) starts.push((starts.at(-1) ?? 0) + width);
  const leafX = starts.at(-1) ?? 0;
  const x = (at: HierarchyPointNode<Drawn>) => (at.children ? (starts[at.depth - 1] ?? leafX) : leafX);
  const nodes = placed.descendants().flatMap((at): PlacedNode[] => {
    const { node } = at.data;
    return node ? [{ node, leaf: !at.children, x: x(at), y: y(at) }] : [];
  });
  const middle = roots.length > 0 ? y(placed) : TOP;
  const memory = { x: MARGIN, y: middle };
  const iommu = { x: MARGIN + MEMORY_WIDTH, y: middle };
  const links = placed.links().map(({ source, target }): Link => {
    const { node } = target.data;
    const from = source.data.node
      ? { x: x(source) + labelWidth(source.data.node), y: y(source) }
      : { x: iommu.x + IOMMU_WIDTH - 30, y: middle };
    return { id: node?.id ?? '', slots: node?.slots ?? [], from, to: { x: x(target) - 8, y: y(target) } };
  });
  const columns = columnsAt(
    leafX + 14,
    nodes.filter(({ leaf }) => leaf),
  );
  const last = columns.at(-1);
  const rowsBottom = Math.max(TOP + ROW, ...nodes.map((at) => at.y + ROW / 2));
  const width = last ? last.x + textWidth(last.most) : leafX;
  return {
    width: Math.ceil(width + MARGIN),
    height: Math.ceil(rowsBottom + MARGIN),
    memory,
    iommu,
    nodes,
    links,
    columns,
  };
}

function toDrawn(node: PictureNode): Drawn {
  return { node, children: node.children.map(toDrawn) };
}

/** Room for each depth: the longest label there, and the links. */
function columnWidths(inner: readonly HierarchyPointNode<Drawn>[]): number[] {
  const widths: number[] = [];
  for (const { depth, data } of inner) {
    if (data.node) widths[depth - 1] = Math.max(widths[depth - 1] ?? 0, labelWidth(data.node) + 34);
  }
  return widths.length > 0 ? widths : [40];
}

/** What stands beside the mark of a node that has others below it. */
export function innerLabel({ kind, id, count }: PictureNode): string {
  const name = kind === 'root' ? id : shortSlot(id);
  return count > 1 ? `${name} ×${count}` : name;
}

/** Without the domain if that is 0. */
export function shortSlot(slot: string): string {
  return slot.replace(/^0000:(?=..:)/, '');
}

function labelWidth(node: PictureNode): number {
  return 8 + textWidth(innerLabel(node).length + (node.steps === '' ? 0 : node.steps.length + 2)) + 6;
}

const textWidth = (characters: number) => characters * CHARACTER;
const DEVICE_MOST = 46;

function columnsAt(start: number, leaves: readonly PlacedNode[]): readonly Column[] {
  const all: readonly Omit<Column, 'x'>[] = [
    { title: 'slot', of: (node) => innerLabel(node), most: 20 },
    { title: 'verdict', of: ({ verdict }) => verdict ?? '', most: 8 },
    { title: 'step', of: ({ steps }) => steps, most: 5, numeric: true },
    { title: 'driver', of: ({ driver }) => driver, most: 14 },
    { title: 'policy', of: ({ action }) => action, most: 8 },
    { title: 'group', of: ({ group }) => group, most: 14 },
    { title: 'device', of: ({ device }) => device, most: DEVICE_MOST },
  ];
  const columns: Column[] = [];
  let x = start;
  for (const column of all) {
    const longest = Math.max(0, ...leaves.map(({ node }) => column.of(node).length));
    if (longest === 0) continue;
    const most = Math.min(column.most, Math.max(longest, column.title.length));
    columns.push({ ...column, most, x });
    x += textWidth(most) + 16;
  }
  return columns;
}

/** A text cut to the width of its column. */
export function cut(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}
