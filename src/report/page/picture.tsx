import { cut, innerLabel, type Layout, type Link, type PlacedNode } from './layout.js';
import { Mark } from './mark.js';

export interface PictureProps {
  readonly layout: Layout;
  readonly title: string;
  readonly description: string;
  /** What stands over the way to memory. */
  readonly iommu: boolean | undefined;
  /** Goes before what else the standalone file needs. */
  readonly style?: string;
}

/** The tree as one SVG: the way of every request, from the function at the right to memory at the left. */
export function Picture({ layout, title, description, iommu, style }: PictureProps) {
  const { width, height, columns, links, nodes } = layout;
  return (
    <svg
      xmlns="http://www.w3.org/2000/svg"
      class="picture"
      role="img"
      aria-labelledby="picture-title picture-description"
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
    >
      <title id="picture-title">{title}</title>
      <desc id="picture-description">{description}</desc>
      {style === undefined ? null : <style>{style}</style>}
      {style === undefined ? null : <rect class="ground" width={width} height={height} />}
      {columns.map(({ title: text, x, numeric, most }) => (
        <text class="h" x={numeric ? x + most * 7 : x} y={20} text-anchor={numeric ? 'end' : 'start'}>
          {text}
        </text>
      ))}
      <Memory layout={layout} iommu={iommu} />
      {links.map((link) => (
        <Way link={link} />
      ))}
      {nodes.map((placed) =>
        placed.leaf ? <Leaf placed={placed} layout={layout} /> : <Inner placed={placed} />,
      )}
    </svg>
  );
}

function Memory({
  layout: { memory, iommu, height },
  iommu: translates,
}: {
  readonly layout: Layout;
  readonly iommu: boolean | undefined;
}) {
  const words = translates === undefined ? 'IOMMU ?' : translates ? 'IOMMU' : 'no IOMMU';
  const top = Math.max(30, memory.y - 60);
  const bottom = Math.min(height - 8, memory.y + 60);
  return (
    <>
      <rect class="memory" x={memory.x} y={memory.y - 15} width={62} height={30} rx={2} />
      <text class="n" x={memory.x + 31} y={memory.y + 4} text-anchor="middle">
        memory
      </text>
      <path class="l trunk" data-n="memory" d={`M${memory.x + 62} ${memory.y}H${iommu.x + 62}`} />
      <path class={translates ? 'gate' : 'gate none'} d={`M${iommu.x + 24} ${top}V${bottom}`} />
      <text class="s" x={iommu.x + 24} y={top - 5} text-anchor="middle">
        {words}
      </text>
    </>
  );
}

function Way({ link: { id, slots, from, to } }: { readonly link: Link }) {
  return <path class="l" {...named(id, slots)} d={`M${from.x} ${from.y}H${from.x + TURN}V${to.y}H${to.x}`} />;
}

/** Right of a node its links turn. */
const TURN = 10;

/** For the page's script; what stands for itself only is not named twice. */
function named(id: string, slots: readonly string[]) {
  return { 'data-n': id, 'data-has': slots.length === 1 && slots[0] === id ? undefined : slots.join(' ') };
}

function Inner({ placed: { node, x, y } }: { readonly placed: PlacedNode }) {
  return (
    <g {...named(node.id, node.slots)}>
      <Mark verdict={node.verdict} x={x} y={y} />
      <text class="n" x={x + 9} y={y + 4}>
        {innerLabel(node)}
        {node.steps === '' ? null : <tspan class="st">{` #${node.steps}`}</tspan>}
      </text>
    </g>
  );
}

function Leaf({
  placed: { node, x, y },
  layout: { columns },
}: {
  readonly placed: PlacedNode;
  readonly layout: Layout;
}) {
  return (
    <g class="leaf" {...named(node.id, node.slots)}>
      <Mark verdict={node.verdict} x={x} y={y} />
      {columns.map(({ title, of, x: at, most, numeric }) => {
        const text = of(node);
        if (text === '') return null;
        return (
          <text
            class={title === 'verdict' ? `n ${text}` : title === 'device' ? 's' : 'n'}
            x={numeric ? at + most * 7 : at}
            y={y + 4}
            text-anchor={numeric ? 'end' : undefined}
          >
            {cut(text, most)}
          </text>
        );
      })}
    </g>
  );
}
