import { render } from 'preact-render-to-string';
import { foldedTree, pictureSummary } from './fold.js';
import { layoutOf } from './layout.js';
import type { PageModel } from './model.js';
import { Picture } from './picture.js';
import { COLOURS, PICTURE_STYLE } from './picture-style.js';

/** The tree alone, as an SVG file without scripts and without anything from elsewhere. */
export function treeSvg(model: PageModel): string {
  const svg = render(picture(model, `${COLOURS}\n${PICTURE_STYLE}`));
  // Names are for the script of a page; and in HTML, for which this renders, the end of CDATA is text like any other.
  const alone = svg.replace(/ data-(?:n|has)="[^"]*"/g, '').replaceAll(']]>', ']]&gt;');
  return `<?xml version="1.0" encoding="UTF-8"?>\n${alone}\n`;
}

/** The same as part of a page, which has the colours. */
export function picture(model: PageModel, style?: string) {
  return (
    <Picture
      layout={layoutOf(foldedTree(model.tree))}
      title={`PCI functions of ${model.host} and their way to memory`}
      description={`${model.headline} ${pictureSummary(model.functions)}.`}
      iommu={model.iommu}
      {...(style === undefined ? {} : { style })}
    />
  );
}
