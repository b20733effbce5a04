import type { VNode } from 'preact';
import { render } from 'preact-render-to-string';
import { VERSION } from '../../version.js';
import { PAGE_SCRIPT } from '../browser/page.generated.js';
import { JumpLinks, Jumps } from '../timeline/section.js';
import type { JumpStory } from '../timeline/story.js';
import { TIMELINE_STYLE } from '../timeline/style.js';

import { htmlDocument } from './document.js';
import { Filter } from './filter.js';
import { Findings } from './finding-list.js';
import { Head } from './head.js';
import { Legend } from './legend.js';
import type { PageModel } from './model.js';
import { COLOURS, PICTURE_STYLE } from './picture-style.js';
import { PlanSection } from './plan-list.js';
import { Groups } from './slots.js';
import { PAGE_STYLE } from './style.js';
import { picture } from './svg.js';
import { shown } from './text.js';
import { TREE_STYLE } from './tree-style.js';
import { FunctionTable } from './tree-table.js';

/** The whole report as one HTML file. */
export function reportHtml(model: PageModel): string {
  return pageHtml(`${model.host}: ${model.path} jump`, <Page model={model} />);
}

/** Jumps alone, without a machine. */
export function jumpsHtml(jumps: readonly JumpStory[]): string {
  const title = shown(jumps[0]?.title ?? 'Jumps');
  return pageHtml(
    title,
    <>
      <header>
        <p class="brand">shootdown</p>
        <h1>{jumps.length === 1 ? 'One jump' : `${jumps.length} jumps`}</h1>
        <JumpLinks stories={jumps} />
      </header>
      <main>
        <JumpSection jumps={jumps} />
      </main>
      <Foot />
    </>,
  );
}

function pageHtml(title: string, body: VNode): string {
  return htmlDocument({
    title,
    style: [COLOURS, PAGE_STYLE, TREE_STYLE, PICTURE_STYLE, TIMELINE_STYLE].join('\n'),
    script: PAGE_SCRIPT,
    body: render(body),
  });
}

function Page({ model }: { readonly model: PageModel }) {
  const { jumps, notes } = model;
  return (
    <>
      <a class="skip" href="#functions">
        Skip to the functions
      </a>
      <Head model={model} />
      <main>
        <Findings groups={model.findings} />
        <section id="tree" aria-labelledby="tree-h">
          <h2 id="tree-h">The way to memory</h2>
          <p class="about">
            A request goes from its function at the right through the bridges and the IOMMU to memory.{' '}
            <Legend />
          </p>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
          <section class="scroll" aria-label="Picture of the tree" tabIndex={0}>
            {picture(model)}
          </section>
          <Groups groups={model.sharedGroups} />
        </section>
        <section id="functions" aria-labelledby="functions-h">
          <h2 id="functions-h">Functions</h2>
          <Filter model={model} />
          <FunctionTable model={model} />
          <p id="way" hidden />
        </section>
        <PlanSection plan={model.plan} path={model.path} />
        <JumpSection jumps={jumps} />
        <Notes notes={notes} />
      </main>
      <Foot />
    </>
  );
}

/** What could not be read or was not sound. */
function Notes({ notes }: Pick<PageModel, 'notes'>) {
  if (notes.length === 0) return null;
  return (
    <section id="notes" aria-labelledby="notes-h">
      <h2 id="notes-h">Notes</h2>
      <ul>
        {notes.slice(0, NOTES_MAX).map((note) => (
          <li>{note}</li>
        ))}
        {notes.length > NOTES_MAX ? <li>and {notes.length - NOTES_MAX} more</li> : null}
      </ul>
    </section>
  );
}

const NOTES_MAX = 50;

function JumpSection({ jumps }: Pick<PageModel, 'jumps'>) {
  if (jumps.length === 0) return null;
  return (
    <section id="jump" aria-labelledby="jump-h">
      <h2 id="jump-h">The jump</h2>
      <Jumps stories={jumps} />
    </section>
  );
}

function Foot() {
  return (
    <footer>
      <p>Made by shootdown {VERSION}. A finding says what a function could do, never what it did.</p>
    </footer>
  );
}
